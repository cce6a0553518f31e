"""Has a table that refers to one that there is not."""

from misfit_kit import info
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ringstead.api import PluginInfo, hookimpl
from ringstead.api.models import Base, OrgScoped


class Part(OrgScoped, Base):
    """A part of a whole that nobody wrote."""

    __tablename__ = "misfit_models_part"

    id: Mapped[int] = mapped_column(primary_key=True)
    whole: Mapped["Whole"] = relationship("Whole")  # noqa: F821


@hookimpl
def plugin_info() -> PluginInfo:
    return info("misfit_models")
