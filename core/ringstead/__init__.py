"""Ringstead: a self-care portal for hosted telephony."""

import warnings

__version__ = "0.1.0"

# Pyramid 2.1 imports pkg_resources; the pin `setuptools <82` is our answer, and nobody else can act on the warning.
warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
