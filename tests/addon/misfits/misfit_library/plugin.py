"""Needs a library that nobody installed."""

import a_library_that_nobody_has  # noqa: F401
