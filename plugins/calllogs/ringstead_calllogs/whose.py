"""Whose calls a list, a download or an opened row is of."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

FEW: Final = 100
"""Of so many people the rows are read person by person, each from an index of theirs; of more in the organization's
order of time, of which they are then a part worth reading."""


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose calls: the reader's own, those of some people, or the organization's. Made by `person`, `people`,
    `organization`.

    `ids` are the people, None for the organization, whose list has one row for each call. `excluded` are people of the
    organization whose rows nobody else is shown. Only one's own rows bring notes and tags.
    """

    ids: tuple[UUID, ...] | None
    is_own: bool = False
    excluded: tuple[UUID, ...] = ()

    @classmethod
    def person(cls, own: UUID) -> "Whose":
        """The reader's own calls."""
        return cls((own,), is_own=True)

    @classmethod
    def people(cls, ids: Iterable[UUID], excluded: Iterable[UUID] = ()) -> "Whose":
        """The rows of these people, as others see them; `excluded` are left out."""
        return cls(tuple(sorted(set(ids) - set(excluded))))

    @classmethod
    def organization(cls, excluded: Iterable[UUID] = ()) -> "Whose":
        """The organization's calls, each once, those that reached nobody too."""
        return cls(None, excluded=tuple(sorted(set(excluded))))

    @property
    def kind(self) -> str:
        """How their rows are found: `own`, `few`, `many` or `organization`."""
        if self.is_own:
            return "own"
        if self.ids is None:
            return "organization"
        return "few" if len(self.ids) <= FEW else "many"

    @property
    def values(self) -> dict[str, Any]:
        """The parameters that say so to a statement."""
        if self.is_own and self.ids is not None:
            return {"person": self.ids[0]}
        if self.ids is not None:
            return {"people": list(self.ids)}
        return {"excluded": list(self.excluded)} if self.excluded else {}
