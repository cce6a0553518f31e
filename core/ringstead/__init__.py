"""Ringstead: a self-care portal for hosted telephony."""

__version__ = "0.1.0"
