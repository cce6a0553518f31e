"""Messages that callers left: the voicemail plugin."""

__version__ = "0.1.0"
