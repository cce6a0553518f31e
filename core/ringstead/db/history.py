"""Where migrations lie. Apart from their runner, because every web process knows where and none of them migrates."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class History:
    """The migrations of one distribution: `name` gives the version table, `folder` holds `versions/*.py`."""

    name: str
    folder: Path

    @property
    def version_table(self) -> str:
        return "alembic_version" if self.name == "core" else f"alembic_version_{self.name}"


CORE = History("core", Path(__file__).parent.parent / "migrations")
