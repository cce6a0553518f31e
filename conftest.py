"""Fixtures for every room: the testing kit that plugin writers use too."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ("ringstead.api.testing",)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder outside pytest's own, whose parent any other test run locks against the server's system user."""
    with tempfile.TemporaryDirectory(prefix="ringstead-") as folder:
        yield Path(folder)
