"""What is said about a brand's values: in the reader's language on a page, in English on the command line."""

from typing import Final

from translationstring import TranslationString, TranslationStringFactory

messages: Final = TranslationStringFactory("ringstead")


def english(message: TranslationString) -> str:
    """The message in English, with whatever messages are in it."""
    told = {
        name: english(value) if isinstance(value, TranslationString) else value
        for name, value in (message.mapping or {}).items()
    }
    text: str = TranslationString(str(message), mapping=told).interpolate()
    return text
