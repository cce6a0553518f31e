"""Whose calls a list, a download or an opened row is of."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

FEW: Final = 100
"""Of more people than this, less time is looked at at once: the rows of each are read, and then put in order."""


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
        """How their rows are found: `own`, `people` or `organization`."""
        return "own" if self.is_own else "organization" if self.ids is None else "people"

    @property
    def is_crowd(self) -> bool:
        """Whether they are more than `FEW`."""
        return self.ids is not None and len(self.ids) > FEW

    @property
    def values(self) -> dict[str, Any]:
        """The parameters that say so to a statement."""
        if self.is_own and self.ids is not None:
            return {"person": self.ids[0]}
        if self.ids is not None:
            return {"people": list(self.ids)}
        return {"excluded": list(self.excluded)} if self.excluded else {}
