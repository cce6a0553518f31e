"""The page."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from itertools import groupby
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from benchmarks.djangosite.models import Conversation

ROWS = 25
WINDOW = timedelta(days=60)
COLUMNS = ["kind", "direction", "disposition", "number", "name", "talk_seconds", "ring_seconds", "devices"]
TABS = [("", _("All")), ("missed", _("Missed")), ("received", _("Received")), ("dialled", _("Dialled"))]


class Filter(forms.Form):
    """What the reader may ask for. `from` is no name for an attribute, hence the prefixless fields below."""

    kind = forms.ChoiceField(choices=TABS, required=False)
    to = forms.DateField(required=False)
    q = forms.CharField(required=False, max_length=100)
    before = forms.DateTimeField(required=False)


Filter.base_fields["from"] = forms.DateField(required=False)


@login_required
@permission_required("djangosite.read_calls", raise_exception=True)
def calls(request: Any) -> HttpResponse:
    """The newest calls that fit the filter, by day."""
    form = Filter(request.GET)
    form.is_valid()
    wanted = SimpleNamespace(
        kind=form.cleaned_data.get("kind"),
        first=form.cleaned_data.get("from"),
        last=form.cleaned_data.get("to"),
        query=form.cleaned_data.get("q"),
        before=form.cleaned_data.get("before"),
    )
    rows = list(_rows(request, wanted)[: ROWS + 1])
    more = rows[ROWS - 1].started_at if len(rows) > ROWS else None
    days = [
        (day, list(group))
        for day, group in groupby(rows[:ROWS], key=lambda row: timezone.localtime(row.started_at).date())
    ]
    values = {
        "form": form,
        "wanted": wanted,
        "days": days,
        "today": timezone.localdate(),
        "lists": [(title, _url(wanted, kind=kind), kind == wanted.kind) for kind, title in TABS],
        "more_url": _url(wanted, before=more.isoformat()) if more else None,
        "download_url": _url(wanted, "/calls.csv"),
    }
    return render(request, "site/calls.html", values)


def _url(wanted: SimpleNamespace, path: str = "/calls", **changes: Any) -> str:
    values = {"kind": wanted.kind, "from": wanted.first, "to": wanted.last, "q": wanted.query} | changes
    query = urlencode({name: value for name, value in values.items() if value})
    return f"{path}?{query}" if query else path


def _rows(request: Any, wanted: SimpleNamespace) -> Any:
    newest = wanted.before or timezone.now()
    rows = Conversation.objects.filter(
        org_id=request.organization.org_id,
        subscriber_id=request.profile.subscriber_id,
        started_at__lt=newest,
        started_at__gte=newest - WINDOW,
    )
    if wanted.kind:
        rows = rows.filter(kind=wanted.kind)
    if wanted.first:
        rows = rows.filter(started_at__gte=_midnight(wanted.first))
    if wanted.last:
        rows = rows.filter(started_at__lt=_midnight(wanted.last + timedelta(days=1)))
    if wanted.query:
        rows = rows.filter(name_folded__contains=wanted.query.lower())
    return rows.only(*COLUMNS).order_by("-started_at", "-id")


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))
