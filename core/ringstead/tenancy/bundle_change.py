"""One step of a bundle's plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from ringstead.tenancy.bundle_rows import Rows
from ringstead.tenancy.bundle_source import Key

News = Literal["", "hosts", "features", "allowed"]


@dataclass(frozen=True, slots=True)
class Change:
    """One step of a plan: `+` adds, `~` changes. `news` says which caches of other processes it makes stale."""

    sign: Literal["+", "~"]
    thing: str
    name: str
    detail: str
    key: Key
    run: Callable[[Session, Rows], object]
    news: News = ""
    organization: str = ""

    def __str__(self) -> str:
        return f"{self.sign} {self.thing} {self.name}" + (f": {self.detail}" if self.detail else "")
