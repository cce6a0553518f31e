"""Who writes down what was said, for plugins: `transcribers(session)["core.none"].transcribe(words)`."""

from ringstead.plugins.transcribing import NOBODY, transcribers

__all__ = ["NOBODY", "transcribers"]
