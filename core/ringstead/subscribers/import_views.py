"""The pages of a file of subscribers: choose it, see what it would do, take it in, take it back."""

from typing import Any, Final

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from sqlalchemy import select

from ringstead.api import TenantContext, translations
from ringstead.auth.answers import refused
from ringstead.db.session import TenantSession
from ringstead.subscribers import forms, importing, pages
from ringstead.subscribers.desk import Desk, desk_of, session_of
from ringstead.tenancy.addresses import id_of
from ringstead.tenancy.models import SubscriberImport
from ringstead.web.i18n import plurals

_, ngettext = translations("ringstead"), plurals("ringstead")
MOST_BYTES: Final = 1024 * 1024
_LATEST: Final = 10


def show_form(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET …/import`: the form, and the latest files."""
    here = desk_of(request)
    with session_of(request, here) as session:
        return _form_values(session, here)


def read(_context: TenantContext, request: Request) -> Any:
    """`POST …/import` with `file`: nothing is changed but that the file is kept to be looked through."""
    here, upload = desk_of(request), request.uploads.get("file")
    with session_of(request, here) as session:
        try:
            if upload is None:
                raise importing.FileRefused(_("Choose a file first."))
            lines = importing.read_lines(upload.file)
            if not lines:
                raise importing.FileRefused(_("The file names nobody: there is only its first line."))
        except importing.FileRefused as wrong:
            return refused(request, {**_form_values(session, here), "errors": {"file": wrong.why}})
        importing.check(request, session, lines)
        batch = importing.add(request, session, upload.name, lines)
        return HTTPSeeOther(_path(here, batch))


def show_result(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET …/import/{import}`: what the file would do, or did, line by line."""
    here = desk_of(request)
    with session_of(request, here) as session:
        return _result_values(here, _find(session, request))


def act(_context: TenantContext, request: Request) -> Any:
    """`POST …/import/{import}` with `do` (apply or undo), and `invite` to send invitations."""
    here, do = desk_of(request), request.POST.get("do", "")
    with session_of(request, here) as session:
        batch = _find(session, request, hold=True)
        if do == "apply" and batch.state == "checked":
            count = importing.apply(request, session, batch, invites=bool(request.POST.get("invite")))
            if count is None:
                errors = {"lines": _("Something has changed meanwhile. Nobody was taken in: look again.")}
                return refused(request, {**_result_values(here, batch), "errors": errors})
            request.flash(ngettext("${n} person is here.", "${n} people are here.", count))
        elif do == "undo" and batch.state == "applied":
            gone, stayed = importing.undo(request, session, batch)
            undone = ngettext("${n} person was taken back.", "${n} people were taken back.", gone)
            request.flash(undone)
            if stayed:
                request.flash(ngettext("${n} stays: see why below.", "${n} stay: see why below.", stayed))
        elif do not in ("apply", "undo"):
            raise pages.unknown_act()
        return HTTPSeeOther(_path(here, batch))


def _find(session: TenantSession, request: Request, hold: bool = False) -> SubscriberImport:
    wanted = select(SubscriberImport).where(SubscriberImport.id == id_of(request.matchdict["import"]))
    found = session.scalars(wanted.with_for_update() if hold else wanted).one_or_none()
    if found is None:
        raise HTTPNotFound
    return found


def _path(here: Desk, batch: SubscriberImport) -> str:
    return f"{here.path}/import/{batch.id}"


def _form_values(session: TenantSession, here: Desk) -> dict[str, Any]:
    latest = select(SubscriberImport).order_by(SubscriberImport.id.desc()).limit(_LATEST)
    return {
        "desk": here,
        "latest": list(session.scalars(latest)),
        "fields": forms.FIELDS,
        "most": importing.MOST_LINES,
        "errors": {},
        "labels": {"file": _("File")},
    }


def _result_values(here: Desk, batch: SubscriberImport) -> dict[str, Any]:
    good = [line for line in batch.lines if not line["problems"]]
    return {
        "desk": here,
        "batch": batch,
        "good": len(good),
        "bad": len(batch.lines) - len(good),
        "columns": [(name, forms.LABELS[name]) for name in forms.FIELDS],
        "errors": {},
        "labels": {"lines": _("File")},
    }
