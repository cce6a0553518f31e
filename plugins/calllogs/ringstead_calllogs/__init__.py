"""Call history: the call logs plugin."""

__version__ = "0.1.0"
