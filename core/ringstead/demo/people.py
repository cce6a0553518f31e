"""Who calls the demo's organizations: fictional, with numbers from 555-0100 to 555-0199 (reserved for fiction)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Final


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody outside. Without a name, the network sent none."""

    number: str
    name: str | None = None


# Regular callers by organization; the first ones call most.
REGULARS: Final[dict[str, tuple[Caller, ...]]] = {
    "bramble-finch": (
        Caller("+12125550158", "Wren Halloway"),
        Caller("+12125550147", "Otis Marlowe"),
        Caller("+12125550183", "Dot Winterbourne"),
        Caller("+12125550171", "Umberton Borough"),
        Caller("+16175550122", "Marlowe Joinery"),
        Caller("+12025550176", "Thornbury Legal"),
        Caller("+14155550139"),
        Caller("+13125550164", "Castellan Freight"),
    ),
    "pier-street-clinic": (
        Caller("+14155550151", "Lantern Laboratory"),
        Caller("+14155550162", "Quill Pharmacy"),
        Caller("+14155550173", "Nettie Rosewater"),
        Caller("+15105550118", "Amos Driftwood"),
        Caller("+14155550188", "Bay Ambulance"),
        Caller("+16505550133", "Cora Millpond"),
        Caller("+14085550147"),
    ),
    "sunfield-bakery": (
        Caller("+16465550141", "Mill & Meadow Flour"),
        Caller("+16465550152", "Hotel Clementine"),
        Caller("+16465550163", "Café Larkrise"),
        Caller("+17185550129", "Dairy Thistledown"),
        Caller("+16465550174", "Ida Summerfold"),
        Caller("+19175550110"),
    ),
}
_FIRST: Final = (
    *(
        "Ada",
        "Bertie",
        "Cleo",
        "Dorian",
        "Edie",
        "Felix",
        "Greta",
        "Hugo",
        "Iris",
        "Jonah",
        "Kit",
        "Lottie",
        "Milo",
    ),
    *(
        "Nell",
        "Oscar",
        "Pearl",
        "Quentin",
        "Rosa",
        "Stellan",
        "Thea",
        "Ursula",
        "Vera",
        "Winnie",
        "Yara",
        "Zeb",
    ),
)
_LAST: Final = (
    *(
        "Amberley",
        "Brackenridge",
        "Copperfield",
        "Dovecote",
        "Elderflower",
        "Foxglove",
        "Greenbank",
        "Hollybrook",
    ),
    *("Inkwell", "Jessamine", "Kettlewell", "Larchmont", "Moonraker", "Northwind", "Oatfield", "Pemberley"),
    *("Quickstep", "Ravensworth", "Stonebridge", "Tumbledown", "Underhill", "Violetta", "Wetherby", "Yarrow"),
)
# Other areas than the subscribers', so that nobody outside has the number of one. 242, 416, 604 and 876 are abroad for
# callers in the United States; 555-01xx is reserved there too.
_AREAS: Final = ("617", "312", "206", "305", "713", "503", "602", "404", "303", "702")
_ABROAD: Final = ("416", "604", "876", "242")
WITHHELD: Final = Caller("")


@lru_cache
def callers(organization: str) -> tuple[Caller, ...]:
    """The people outside who talk with an organization, most frequent first: regulars, others, some abroad."""
    random = Random(f"callers of {organization}")
    known = list(REGULARS.get(organization, ()))
    for area in (*_AREAS * 6, *_ABROAD * 2):
        name = f"{random.choice(_FIRST)} {random.choice(_LAST)}" if random.random() < 0.6 else None
        known.append(Caller(f"+1{area}5550{random.randrange(100, 200)}", name))
    return tuple({caller.number: caller for caller in reversed(known)}.values())[::-1]
