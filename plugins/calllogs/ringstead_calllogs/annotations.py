"""Notes and tags that a person puts on their calls: read from a form, kept, taken away when nothing is left."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert

from ringstead.api import translations
from ringstead.api.models import TenantSession
from ringstead_calllogs.models import Annotation

_ = translations("ringstead_calllogs")
MOST_NOTE: Final = 2000
MOST_TAGS: Final = 10
MOST_TAG: Final = 30
_UNTYPEABLE: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class AnnotationForm:
    """What was typed, what it means, and what is wrong with it by field (`note`, `tags`)."""

    texts: Mapping[str, str]
    note: str = ""
    tags: tuple[str, ...] = ()
    errors: Mapping[str, Any] = field(default_factory=dict)


def read_annotation(values: Mapping[str, str]) -> AnnotationForm:
    """Understand the form. Tags stand between commas; their case and order say nothing."""
    texts = {name: values.get(name, "") for name in ("note", "tags")}
    note = unicodedata.normalize("NFC", texts["note"].replace("\r\n", "\n").strip())
    tags = sorted({" ".join(tag.split()).lower() for tag in texts["tags"].split(",")} - {""})
    errors: dict[str, Any] = {}
    if len(note) > MOST_NOTE:
        errors["note"] = _("Note: write ${most} characters at most.", mapping={"most": MOST_NOTE})
    elif _UNTYPEABLE.search(note):
        errors["note"] = _("Note: this holds characters that nobody can type. Type it again.")
    if len(tags) > MOST_TAGS:
        errors["tags"] = _("Tags: use ${most} at most.", mapping={"most": MOST_TAGS})
    elif any(len(tag) > MOST_TAG for tag in tags):
        errors["tags"] = _("Tags: each may have ${most} characters.", mapping={"most": MOST_TAG})
    elif _UNTYPEABLE.search("".join(tags)):
        errors["tags"] = _("Tags: these hold characters that nobody can type. Type them again.")
    return AnnotationForm(texts, note, tuple(tags), errors)


def annotate(session: TenantSession, person: UUID, conversation: UUID, form: AnnotationForm) -> None:
    """Keep a form without errors on a person's conversation."""
    place = {"subscriber_id": person, "conversation_id": conversation}
    if not form.note and not form.tags:
        session.execute(
            delete(Annotation)
            .where(Annotation.subscriber_id == person, Annotation.conversation_id == conversation)
            .execution_options(synchronize_session=False)
        )
        return
    written = {"note": form.note, "tags": list(form.tags), "changed_at": func.now()}
    session.execute(
        insert(Annotation)
        .values(org_id=session.org_id, **place, **written)
        .on_conflict_do_update(index_elements=["org_id", *place], set_=written)
    )


def annotation_of(session: TenantSession, person: UUID, conversation: UUID) -> Annotation | None:
    """What a person wrote on a conversation."""
    return session.get(Annotation, (session.org_id, person, conversation))
