"""The settings of a mailbox: mails, prompts, PIN, how full it is, and whether the lamp agrees."""

import hashlib
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from sqlalchemy import select

from ringstead.api import PUBLIC, Route, TenantContext, new_id, translations
from ringstead.api.audit import declare_action, record
from ringstead.api.directory import find_subscribers
from ringstead.api.feature_codes import codes_of
from ringstead.api.models import TenantScopeMissing
from ringstead.api.secrets import (
    Busy,
    TooManyTries,
    hash_secret,
    is_password,
    sign,
    unsign,
    verify_secret,
)
from ringstead.api.throttling import seconds_to_wait
from ringstead.api.transcribing import NOBODY
from ringstead.api.work import queue_mail
from ringstead_voicemail.box_views import chosen_box, form_of, page_url, tabs
from ringstead_voicemail.lamp import lamp_state, queue_lamp
from ringstead_voicemail.mailboxes import lock_mailbox, read_preferences, room_in
from ringstead_voicemail.models import Mailbox, NotificationAddress
from ringstead_voicemail.notices import AFTER_MAIL, NOTIFY
from ringstead_voicemail.permissions import PIN, SETTINGS
from ringstead_voicemail.pin import PinPolicy, count_failure, count_success, tries_left
from ringstead_voicemail.presenting import BASE
from ringstead_voicemail.settings import MESSAGE_SECONDS, TRANSCRIBER

_ = translations("ringstead_voicemail")
PAGE: Final = "settings"
PURPOSE: Final = "voicemail.address"
MOST_ADDRESSES: Final = 5
ADDRESSES_A_MINUTE, ADDRESSES_A_DAY = 5, 30
_CONFIRM_SECONDS: Final = 3 * 24 * 3600
PROMPTS: Final = {
    "caller": (_("Say who called"), _("Before each message, on the phone.")),
    "time": (_("Say when they called"), _("Before each message, on the phone.")),
    "instructions": (
        _("Tell callers what to do"),
        _("“Leave a message after the tone”, after your greeting."),
    ),
    "skip_pin": (_("Skip the PIN from my own phones"), _("They open the mailbox directly.")),
}
PIN_CHANGED: Final = declare_action("voicemail.pin_changed", _("Voicemail PIN changed"))


def routes() -> list[Route]:
    """The page and its forms."""
    page = "/voicemail/settings"
    return [
        Route(
            name="voicemail.settings",
            pattern=page,
            view=show_settings,
            permission=SETTINGS.name,
            renderer="voicemail/settings.pt",
        ),
        Route(
            name="voicemail.settings.change",
            pattern=page,
            view=change_settings,
            permission=SETTINGS.name,
            support="closed",
            methods=("POST",),
            renderer="voicemail/settings.pt",
        ),
        Route(
            name="voicemail.pin",
            pattern="/voicemail/pin",
            view=show_pin,
            permission=PIN.name,
            support="closed",
            renderer="voicemail/pin.pt",
        ),
        Route(
            name="voicemail.pin.change",
            pattern="/voicemail/pin",
            view=change_pin,
            permission=PIN.name,
            support="closed",
            methods=("POST",),
            renderer="voicemail/pin.pt",
        ),
        Route(
            name="voicemail.confirm",
            pattern="/voicemail/confirm/{token}",
            view=show_confirmation,
            permission=PUBLIC,
            renderer="voicemail/confirm.pt",
        ),
        Route(
            name="voicemail.confirm.do",
            pattern="/voicemail/confirm/{token}",
            view=confirm_address,
            permission=PUBLIC,
            methods=("POST",),
            renderer="voicemail/confirm.pt",
        ),
    ]


def show_settings(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /voicemail/settings`, with `box` those of a shared mailbox."""
    return _page(context, request, chosen_box(context, request))


def change_settings(context: TenantContext, request: Request) -> Any:
    """`POST /voicemail/settings` with `do`: mail, prompts, speech, add or remove an address, or tell the lamp again."""
    box = chosen_box(context, request)
    do, given = request.POST.get("do", ""), request.POST
    errors: dict[str, Any] = {}
    if do == "mail":
        box.notify = given["notify"] if given.get("notify") in NOTIFY else box.notify
        box.after_mail = given["after_mail"] if given.get("after_mail") in AFTER_MAIL else box.after_mail
    elif do == "prompts":
        box.prompts = {name: name in given for name in PROMPTS}
    elif do == "speech":
        box.transcribe = "transcribe" in given
        language = given.get("language", "")
        box.language = language if language in _languages(request) else ""
    elif do == "add":
        errors = _add_address(context, request, box, given.get("email", "").strip())
    elif do == "remove":
        _remove_address(request, box, given.get("address", ""))
    elif do == "lamp":
        queue_lamp(request.db, box.id)
    else:
        raise HTTPNotFound
    if errors:
        request.response.status_int = 422
        return _page(context, request, box, errors)
    told = {"add": _("A mail with a link was sent there"), "lamp": _("The lamp is told again")}
    request.flash(told.get(do, _("Saved")))
    return HTTPSeeOther(page_url(box, PAGE))


def _languages(request: Request) -> list[str]:
    found: list[str] = request.registry["ringstead.translations"].languages
    return list(found)


def _add_address(context: TenantContext, request: Request, box: Mailbox, email: str) -> dict[str, Any]:
    mine = _addresses(request, box)
    if len(mine) >= MOST_ADDRESSES:
        return {"email": _("A mailbox has ${n} addresses at most.", mapping={"n": MOST_ADDRESSES})}
    if any(address.email.lower() == email.lower() for address in mine):
        return {"email": _("This address is there already.")}
    if seconds_to_wait(context, request, "voicemail.address", ADDRESSES_A_MINUTE, ADDRESSES_A_DAY):
        return {"email": _("That were many addresses in a short time. Try again later.")}
    address = NotificationAddress(
        id=new_id(), mailbox_id=box.id, subscriber_id=context.subscriber_id, email=email
    )
    token = sign(request.db, PURPOSE, {"org": str(context.org_id), "address": str(address.id)})
    assert context.account is not None
    try:
        queue_mail(
            request.db,
            to=email,
            template="voicemail/mail/confirm_address",
            values={
                "name": context.account.name,
                "url": f"{request.deployment.origin(request.site.host)}/voicemail/confirm/{token}",
            },
            locale=context.locale,
        )
    except ValueError:
        return {"email": _("That is no email address.")}
    address.token_hash = hashlib.sha256(token.encode()).digest()
    # Where one signs in already, nothing is to be proven.
    if email.lower() == context.account.email.lower():
        address.verified_at = datetime.now(UTC)
    request.db.add(address)
    return {}


def _remove_address(request: Request, box: Mailbox, text: str) -> None:
    for address in _addresses(request, box):
        if str(address.id) == text:
            request.db.delete(address)


def _addresses(request: Request, box: Mailbox) -> list[NotificationAddress]:
    found = select(NotificationAddress).where(NotificationAddress.mailbox_id == box.id)
    return list(request.db.scalars(found.order_by(NotificationAddress.id)))


def show_confirmation(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /voicemail/confirm/{token}`: the page behind the link in the mail, with a button."""
    return _confirmation(request, _named(request) is not None)


def confirm_address(context: TenantContext, request: Request) -> dict[str, Any]:
    """`POST /voicemail/confirm/{token}`: from now on this address hears of new messages."""
    named = _named(request)
    if named is None:
        return _confirmation(request, False)
    org_id, address_id = named
    digest = hashlib.sha256(request.matchdict["token"].encode()).digest()
    try:
        with request.database.run_as(org_id) as session:
            address = session.get(NotificationAddress, (org_id, address_id))
            if session.scope.partner_id != context.partner.id or address is None:
                return _confirmation(request, False)
            if address.verified_at is None and address.token_hash == digest:
                address.verified_at = datetime.now(UTC)
            return _confirmation(request, True, address.verified_at is not None)
    except TenantScopeMissing:
        return _confirmation(request, False)


def _confirmation(request: Request, is_good: bool, is_done: bool = False) -> dict[str, Any]:
    return {"is_good": is_good, "is_done": is_done, "page_url": request.path}


def _named(request: Request) -> tuple[UUID, UUID] | None:
    payload = unsign(request.db, PURPOSE, request.matchdict["token"], _CONFIRM_SECONDS)
    try:
        return None if payload is None else (UUID(payload["org"]), UUID(payload["address"]))
    except (KeyError, ValueError):
        return None


def show_pin(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /voicemail/pin`."""
    return _pin_page(context, request, chosen_box(context, request))


def change_pin(context: TenantContext, request: Request) -> Any:
    """`POST /voicemail/pin` with `pin`, `again`, and `current` (the PIN) or `password` (the account's).

    Wrong PINs count with those of the phone; the password is throttled as on the sign-in page. 422, or 429.
    """
    box = lock_mailbox(request.db, chosen_box(context, request).id)
    pin, again = request.POST.get("pin", ""), request.POST.get("again", "")
    errors: dict[str, Any] = {}
    wrong = PinPolicy.of(context.preferences).problem_with(pin, _numbers(request, context, box))
    if wrong is not None:
        errors["pin"] = wrong
    elif pin != again:
        errors["again"] = _("Both must be the same.")
    status = 422
    if not errors:
        try:
            errors, status = _proof(context, request, box)
            if not errors:
                box.pin_hash, box.pin_changed_at = hash_secret(request, pin), datetime.now(UTC)
        except Busy:
            errors, status = {"current": _("Too much is going on. Try again in a moment.")}, 503
    if errors:
        request.response.status_int = status
        return _pin_page(context, request, box, errors)
    count_success(box)
    record(request, PIN_CHANGED, target=str(box.id))
    request.flash(_("Your PIN is changed"))
    return HTTPSeeOther(page_url(box, PAGE))


def _proof(context: TenantContext, request: Request, box: Mailbox) -> tuple[dict[str, Any], int]:
    """What is wrong with the proof that it is their mailbox; nothing when it is right."""
    current, password = request.POST.get("current", ""), request.POST.get("password", "")
    if password:
        try:
            if is_password(context, request, password):
                return {}, 200
        except TooManyTries as refused:
            wait = {"n": max(1, refused.seconds // 60)}
            return {"password": _("Too many tries. Wait ${n} minutes.", mapping=wait)}, 429
        return {"password": _("That is not your password.")}, 422
    if box.pin_hash is None:
        return {"password": _("Enter the password that you sign in with.")}, 422
    now = datetime.now(UTC)
    tries = tries_left(box, now)
    if not tries.left:
        wait = {"n": max(1, tries.seconds // 60)}
        locked = _("The PIN was wrong too often. Wait ${n} minutes, or use your password.", mapping=wait)
        return {"current": locked}, 429
    if not current or not verify_secret(request, box.pin_hash, current[:64]):
        count_failure(box, now)
        return {"current": _("That is not your PIN.")}, 422
    return {}, 200


def _numbers(request: Request, context: TenantContext, box: Mailbox) -> list[str]:
    if box.subscriber_id is None:
        return [box.extension or ""]
    return [
        text
        for one in find_subscribers(request.db, ids=[box.subscriber_id])
        for text in (one.extension, one.number)
        if text
    ]


def _pin_page(
    context: TenantContext, request: Request, box: Mailbox, errors: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "box": box,
        "policy": PinPolicy.of(context.preferences),
        "page_url": page_url(box, "pin"),
        "tabs": tabs(context, box),
        "errors": errors or {},
    }


def _page(
    context: TenantContext, request: Request, box: Mailbox, errors: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "box": box,
        "list_url": f"{BASE}?box={box.id}" if box.is_shared else BASE,
        "page_url": page_url(box, PAGE),
        "tabs": tabs(context, box),
        "addresses": _addresses(request, box),
        "prompts": [(name, *PROMPTS[name], box.all_prompts[name]) for name in PROMPTS],
        "languages": _languages(request),
        "has_transcriber": context.preferences[TRANSCRIBER] != NOBODY,
        "room": room_in(request.db, box),
        "message_seconds": int(read_preferences(request.db, box.subscriber_id)[MESSAGE_SECONDS]),
        "lamp": lamp_state(box),
        "codes": [code for code in codes_of(context, request) if code.name.startswith("voicemail.")],
        "texts": {"email": form_of(request).get("email", "")},
        "errors": errors or {},
    }
