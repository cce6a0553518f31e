"""What an organization's administrator decides about voicemail: room, times, PINs, shared mailboxes."""

from typing import Any, Final
from uuid import UUID

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from sqlalchemy import delete, func, select

from ringstead.api import NavItem, Route, Setting, TenantContext, new_id, translations
from ringstead.api.audit import declare_action, record
from ringstead.api.directory import find_people, find_subscribers
from ringstead.api.preferences import Preferences, SettingRefused, set_for_organization
from ringstead.api.transcribing import transcribers
from ringstead_voicemail.helping import take_away_pin
from ringstead_voicemail.mailboxes import lock_mailbox, read_preferences
from ringstead_voicemail.models import Greeting, Mailbox, MailboxMember, Message, NotificationAddress
from ringstead_voicemail.permissions import ORGANIZATION
from ringstead_voicemail.recordings import drop_unused
from ringstead_voicemail.retention import remove_messages
from ringstead_voicemail.settings import LEGAL_HOLD, TRANSCRIBER, settings

_ = translations("ringstead_voicemail")
PAGE: Final = "/voicemail/organization"
CHANGED: Final = declare_action("voicemail.rules_changed", _("Rules for voicemail changed"))
SHARED_CHANGED: Final = declare_action("voicemail.shared_changed", _("Shared mailbox changed"))
PIN_CLEARED: Final = declare_action("voicemail.pin_cleared", _("Voicemail PIN cleared"))
_MOST_PEOPLE: Final = 1000


def routes() -> list[Route]:
    """The page and its forms."""
    return [
        Route(
            name="voicemail.organization",
            pattern=PAGE,
            view=show,
            permission=ORGANIZATION.name,
            renderer="voicemail/organization.pt",
        ),
        Route(
            name="voicemail.organization.change",
            pattern=PAGE,
            view=change,
            permission=ORGANIZATION.name,
            methods=("POST",),
            renderer="voicemail/organization.pt",
        ),
    ]


def navigation() -> list[NavItem]:
    """Its entry."""
    return [
        NavItem(
            id="voicemail.organization",
            title=_("Voicemail for everybody"),
            route="voicemail.organization",
            permission=ORGANIZATION.name,
            icon="archive",
            order=225,
        )
    ]


def show(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /voicemail/organization`."""
    return _page(context, request)


def change(context: TenantContext, request: Request) -> Any:
    """`POST /voicemail/organization` with `do`: rules, share, members, unshare, or clear_pin of an extension."""
    do = request.POST.get("do", "")
    forms = {
        "rules": _change_rules,
        "share": _share,
        "members": _set_members,
        "unshare": _unshare,
        "clear_pin": _clear_pin,
    }
    if do not in forms:
        raise HTTPNotFound
    errors = forms[do](context, request)
    if errors:
        request.response.status_int = 422
        return _page(context, request, errors)
    request.flash(_("Saved"))
    return HTTPSeeOther(PAGE)


def _change_rules(context: TenantContext, request: Request) -> dict[str, Any]:
    """Read all fields first: what is wrong with one changes nothing."""
    wanted: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    for setting in settings():
        field = setting.name.partition(".")[2]
        if setting.type is bool:
            wanted[setting.name] = field in request.POST
        elif setting.name == TRANSCRIBER:
            wanted[setting.name] = request.POST.get(field, "")
            if wanted[setting.name] not in transcribers(request.db):
                errors[field] = _("Choose one of the list.")
        else:
            text = request.POST.get(field, "").strip()
            if not text.isascii() or not text.isdigit() or len(text) > 9 or not _fits(setting, int(text)):
                errors[field] = _range_of(setting)
            else:
                wanted[setting.name] = int(text)
    if errors:
        return errors
    now = read_preferences(request.db)
    changed = {name: value for name, value in wanted.items() if now[name] != value}
    with request.db.begin_nested() as all_of_it:
        for name, value in changed.items():
            try:
                set_for_organization(request.db, request.declared_settings, name, value)
            except SettingRefused:
                errors[name.partition(".")[2]] = _("Your provider has fixed this.")
        if errors:
            all_of_it.rollback()
    if changed and not errors:
        record(request, CHANGED, detail=changed)
    return errors


def _fits(setting: Setting, value: int) -> bool:
    least = setting.minimum if setting.minimum is not None else 0
    return least <= value <= (setting.maximum if setting.maximum is not None else 10**6)


def _range_of(setting: Setting) -> Any:
    most = setting.maximum if setting.maximum is not None else 10**6
    return _("A number from ${least} to ${most}.", mapping={"least": setting.minimum or 0, "most": most})


def _share(context: TenantContext, request: Request) -> dict[str, Any]:
    """A new shared mailbox: `name`, `extension`, and the extensions of its `members`."""
    name = " ".join(request.POST.get("name", "").split())[:80]
    extension = request.POST.get("extension", "").strip()
    errors: dict[str, Any] = {}
    if not name:
        errors["name"] = _("Give it a name.")
    if not extension.isascii() or not extension.isdigit() or len(extension) > 10:
        errors["extension"] = _("An extension is up to ten digits.")
    elif _is_taken(request, extension):
        errors["extension"] = _("This extension is somebody’s already.")
    members = [] if errors else _members(request, errors)
    if errors:
        return errors
    box = Mailbox(id=new_id(), name=name, extension=extension)
    request.db.add(box)
    request.db.flush()
    _put_members(request, box, members)
    return {}


def _set_members(context: TenantContext, request: Request) -> dict[str, Any]:
    errors: dict[str, Any] = {}
    box, members = _shared(request), _members(request, errors)
    if not errors:
        _put_members(request, box, members)
    return errors


def _members(request: Request, errors: dict[str, Any]) -> list[UUID]:
    """The subscribers whose extensions are in `members`, separated by commas or spaces."""
    wanted = set(request.POST.get("members", "").replace(",", " ").split())
    found = find_subscribers(request.db, extensions=wanted)
    missing = sorted(wanted - {one.extension for one in found})
    if missing or not found:
        unknown = _("Nobody has the extension ${extension}.", mapping={"extension": ", ".join(missing)[:60]})
        errors["members"] = unknown if missing else _("Enter the extension of one person at least.")
    return [one.id for one in found]


def _put_members(request: Request, box: Mailbox, members: list[UUID]) -> None:
    request.db.execute(delete(MailboxMember).where(MailboxMember.mailbox_id == box.id))
    # Who does not open it any more does not hear of its messages either.
    request.db.execute(
        delete(NotificationAddress).where(
            NotificationAddress.mailbox_id == box.id, NotificationAddress.subscriber_id.not_in(members)
        )
    )
    request.db.add_all(MailboxMember(mailbox_id=box.id, subscriber_id=one) for one in members)
    request.db.flush()
    record(request, SHARED_CHANGED, target=str(box.id), detail={"name": box.name, "members": len(members)})


def _unshare(context: TenantContext, request: Request) -> dict[str, Any]:
    """Remove a shared mailbox with its messages, once it is `sure`; not while a legal hold is on."""
    box = lock_mailbox(request.db, _shared(request).id)
    if context.preferences[LEGAL_HOLD]:
        return {"legal_hold": _("A legal hold is on: nothing is removed.")}
    found = select(Message.mailbox_id, Message.id).where(Message.mailbox_id == box.id)
    if "sure" not in request.POST:
        count = len(request.db.execute(found).all())
        ask = _("Messages that go with it, for good: ${n}. Press Remove again if that is what you want.")
        return {f"members-{box.id}": ask % {"n": count}}
    remove_messages(request.db, [(mailbox, one) for mailbox, one in request.db.execute(found)])
    sounds = request.db.scalars(
        delete(Greeting).where(Greeting.mailbox_id == box.id).returning(Greeting.recording_id)
    ).all()
    drop_unused(request.db, sounds)
    request.db.execute(delete(Mailbox).where(Mailbox.id == box.id))
    record(request, SHARED_CHANGED, target=str(box.id), detail={"name": box.name, "removed": True})
    return {}


def _clear_pin(context: TenantContext, request: Request) -> dict[str, Any]:
    """Take the PIN of somebody's mailbox away, who then sets a new one in the portal; nobody else ever knows one."""
    extension = request.POST.get("pin_extension", "").strip()
    owner = next(iter(find_subscribers(request.db, extensions=[extension] if extension else [])), None)
    if owner is None:
        return {"pin_extension": _("Nobody has this extension.")}
    take_away_pin(request.db, owner.id)
    record(request, PIN_CLEARED, subject=owner.id)
    return {}


def _shared(request: Request) -> Mailbox:
    try:
        wanted = UUID(request.POST.get("mailbox", ""))
    except ValueError:
        raise HTTPNotFound from None
    found = select(Mailbox).where(Mailbox.id == wanted, Mailbox.subscriber_id.is_(None))
    box: Mailbox | None = request.db.scalars(found).one_or_none()
    if box is None:
        raise HTTPNotFound
    return box


def _is_taken(request: Request, extension: str) -> bool:
    shared = request.db.scalar(select(func.count()).where(Mailbox.extension == extension))
    return bool(shared or find_subscribers(request.db, extensions=[extension]))


def _page(context: TenantContext, request: Request, errors: dict[str, Any] | None = None) -> dict[str, Any]:
    boxes = request.db.scalars(select(Mailbox).where(Mailbox.subscriber_id.is_(None)).order_by(Mailbox.name))
    members = select(MailboxMember.mailbox_id, MailboxMember.subscriber_id)
    by_box: dict[UUID, list[UUID]] = {}
    for mailbox_id, subscriber_id in request.db.execute(members):
        by_box.setdefault(mailbox_id, []).append(subscriber_id)
    everybody = {one for some in by_box.values() for one in some}
    people = {one.id: one.extension for one in find_subscribers(request.db, ids=everybody)}
    given = request.POST if errors else {}
    now = read_preferences(request.db)
    return {
        "rules": [
            {
                "field": setting.name.partition(".")[2],
                "setting": setting,
                "is_switch": setting.type is bool,
                "value": _shown(now, setting, given),
            }
            for setting in settings()
            if setting.name != TRANSCRIBER
        ],
        "transcribers": [(name, one.title) for name, one in sorted(transcribers(request.db).items())],
        "transcriber": context.preferences[TRANSCRIBER],
        "boxes": [
            (box, ", ".join(sorted(people[one] for one in by_box.get(box.id, ()) if one in people)))
            for box in boxes
        ],
        "people": find_people(request.db, most=_MOST_PEOPLE),
        "texts": {name: given.get(name, "") for name in ("name", "extension", "members", "pin_extension")},
        "errors": errors or {},
    }


def _shown(now: Preferences, setting: Setting, given: Any) -> Any:
    field = setting.name.partition(".")[2]
    if given.get("do") == "rules":
        return field in given if setting.type is bool else given.get(field, "")
    return now[setting.name]
