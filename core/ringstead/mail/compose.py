"""Compose a message: the template in the partner's brand and the recipient's language, and the headers."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from ringstead.api.contributions import Setting
from ringstead.blobs import BLOBS, BlobMissing
from ringstead.db.engine import Database
from ringstead.db.session import TenantSession
from ringstead.jobs.arguments import decode
from ringstead.mail.markup import html_of, styles, subject_of, text_of
from ringstead.mail.outbox import MailAttachment, MailMessage
from ringstead.plugins.registry import Registry
from ringstead.preferences.cascade import Preferences
from ringstead.preferences.store import load
from ringstead.settings import Settings
from ringstead.tenancy.models import Account, Host, Membership, Partner
from ringstead.theming.brand import Brand
from ringstead.theming.brand_cache import BrandCache
from ringstead.theming.values import split_sender
from ringstead.web.formats import Formats, number_tag
from ringstead.web.i18n import (
    Translations,
    catalogue_folders,
    choose_locale,
    offered_languages,
    text_direction,
)
from ringstead.web.renderer import Templates, template_roots


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a mail depends on beside its own values: the recipient's language and time zone."""

    locale: str
    time_zone: ZoneInfo


class Composer:
    """Makes messages of this deployment. Safe for threads."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings, self.declared = settings, registry.settings()
        self._translations = Translations(catalogue_folders(registry), pseudo_locale=settings.pseudo_locale)
        self._templates = Templates(
            template_roots(registry), self._translations.translate, bundles=settings.tenants_dir
        )
        self._brands = BrandCache()

    def circumstances(self, database: Database, mail: MailMessage) -> Circumstances:
        """The language and time zone of whoever the mail goes to."""
        preferences = recipient_preferences(database, self.declared, mail)
        wish = mail.locale or str(preferences["core.locale"])
        with database.in_partner(mail.partner_id) as session:
            brand = self._brand(session.get_one(Partner, mail.partner_id))
        languages = offered_languages(self._translations.languages, brand.languages)
        return Circumstances(
            choose_locale(languages, subscriber=wish),
            ZoneInfo(preferences["core.time_zone"]),
        )

    def compose(self, session: TenantSession, mail: MailMessage, around: Circumstances) -> EmailMessage:
        """The message as it goes out, the same each time. Raises what a faulty template raises."""
        partner = session.get_one(Partner, mail.partner_id)
        brand = self._brand(partner)
        host = portal_host(session, mail.org_id)
        scope = self._scope(partner, brand, host, around)
        name = mail.template if mail.template.endswith(".pt") else f"{mail.template}.pt"
        markup = str(self._templates.render(name, scope, decode(mail.values or {})))
        message = EmailMessage(policy=SMTP)
        _put_headers(message, mail, sender(brand, host), subject_of(markup))
        if brand.support_email:
            message["Reply-To"] = Address(addr_spec=brand.support_email)
        message.set_content(text_of(markup))
        message.add_alternative(html_of(markup, styles(brand)), subtype="html")
        for file, content in attached(session, mail):
            main, _slash, sub = file.media_type.partition("/")
            message.add_attachment(content, maintype=main, subtype=sub, filename=file.name)
        message["Content-Language"] = around.locale  # last, for the lines above move Content-* into a part
        return message

    def _brand(self, partner: Partner) -> Brand:
        return self._brands.get(partner.slug, {"name": partner.name, **partner.brand})

    def _scope(self, partner: Partner, brand: Brand, host: str, around: Circumstances) -> dict[str, Any]:
        """What a mail's template knows beside its values."""
        locale = around.locale
        return {
            "brand": brand,
            "dir": text_direction(locale),
            "fmt": Formats(locale, around.time_zone, self._translations.translate),
            "locale": locale,
            "num": number_tag,
            "mail": self._templates.get("core/mail/layout.pt", partner.slug),
            "origin": self._settings.origin(host),
            "partner": partner.slug,
            "target_language": locale,
        }


def attached(session: TenantSession, mail: MailMessage) -> Iterator[tuple[MailAttachment, bytes]]:
    """The files that go with a mail, without those that are gone. Raises `BlobsAway`."""
    if not mail.attachments or mail.org_id is None:
        return
    blobs = session.info[BLOBS].of(mail.org_id)
    for stored in mail.attachments:
        file = MailAttachment(**stored)
        with suppress(BlobMissing):
            yield file, b"".join(blobs.read(file.key))


def sender(brand: Brand, host: str) -> Address:
    """Who a mail is from: the brand's sender under its name, or nobody in particular at the portal's host."""
    name, spec = split_sender(brand.mail_sender)
    return Address(name or brand.name, addr_spec=spec or f"no-reply@{host}")


def portal_host(session: TenantSession, org_id: UUID | None) -> str:
    """The portal that a mail's links lead to: the organization's own host, else the partner's (the shortest)."""
    hosts = session.scalars(
        select(Host).where(Host.partner_id == session.scope.partner_id, Host.kind == "portal")
    ).all()
    mine = [host for host in hosts if host.org_id is None or host.org_id == org_id]
    if not mine:
        raise LookupError("the partner has no portal host, so a mail has nowhere to lead to")
    return min(mine, key=lambda host: (host.org_id is None, len(host.name), host.name)).name


def recipient_preferences(database: Database, declared: dict[str, Setting], mail: MailMessage) -> Preferences:
    """The preferences of the subscriber whose account has the mail's address, or of the organization or partner."""
    with database.in_partner(mail.partner_id) as session:
        mine = select(Membership).join(Account, Account.id == Membership.account_id)
        mine = mine.where(Account.email == mail.recipient)
        if mail.org_id is not None:
            mine = mine.where(Membership.org_id == mail.org_id)
        membership = session.scalars(mine.order_by(Membership.id).limit(1)).one_or_none()
        org_id = mail.org_id if membership is None else membership.org_id
        if org_id is None:
            return load(session, declared)
    with database.run_as(org_id) as session:
        return load(session, declared, None if membership is None else membership.subscriber_id)


def _put_headers(message: EmailMessage, mail: MailMessage, sender: Address, subject: str) -> None:
    message["From"] = sender
    message["To"] = Address(addr_spec=mail.recipient)
    message["Subject"] = subject
    message["Date"] = format_datetime((mail.created_at or datetime.now(UTC)).astimezone(UTC))
    # The same at every attempt, so that a server that took a mail just before we were killed can drop the second.
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
