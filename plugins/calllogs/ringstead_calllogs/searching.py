"""What somebody means by what they type into the search field: words of a name, or digits of a number."""

from dataclasses import dataclass

from ringstead.api.numbers import bare_number, e164, international_prefix
from ringstead_calllogs.joining import folded


@dataclass(frozen=True, slots=True)
class Search:
    """What a search text means: words of a name, or beginnings and an ending of a number.

    `beginnings` are (column, text) pairs of which one must fit; the ending is the beginning of the reversed number.
    """

    words: tuple[str, ...] = ()
    beginnings: tuple[tuple[str, str], ...] = ()


def understand(query: str, region: str) -> Search:
    """Read a search text as a person means it; `region` is the country whose national numbers they type."""
    bare = bare_number(query)
    if bare is None:
        return Search(words=tuple(folded(query).split()))
    if bare.startswith("00"):
        bare = f"+{bare[2:]}"
    whole = e164(bare, region)
    if bare.startswith("+"):
        return Search(beginnings=(("number", whole or bare),))
    if whole is not None:
        return Search(beginnings=(("number", whole), ("number", bare)))
    national = international_prefix(bare, region)
    texts = [("number", bare), *([("number", national)] if national else []), ("number_reversed", bare[::-1])]
    return Search(beginnings=tuple(texts))
