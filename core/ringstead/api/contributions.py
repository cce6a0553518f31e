"""What a plugin may contribute: frozen, keyword-only declarations that the registry checks and stamps.

Every string that a person reads is a translation string (`translations("your_package")`). Ids and names start with
the plugin's name: `calllogs.list`, `calllogs:call:read`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from pyramid.request import Request
    from pyramid.response import Response
    from sqlalchemy import Select

    from ringstead.db.engine import Database
    from ringstead.db.session import TenantSession
    from ringstead.events import Event
    from ringstead.switch.nodes import SwitchNode
    from ringstead.tenancy.context import SubscriberInfo, TenantContext

API_VERSION = (1, 0)

Role = Literal["subscriber", "org_admin", "partner_support", "partner_admin"]
Site = Literal["portal", "console"]
Level = Literal["platform", "partner", "organization", "package", "subscriber"]

SIGNED_IN = "core:session:use"
"""Permission that everybody has who is signed in."""
PUBLIC = "core:page:public"
"""Permission that everybody has, signed in or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """Who a plugin is. `api` is the (major, minor) of `API_VERSION` it was written for."""

    name: str
    title: str
    version: str
    api: tuple[int, int]
    package: str
    """Import package whose `templates/`, `static/`, `locale/` and `migrations/` belong to the plugin."""
    addon: bool = True
    """Whether its pages stand under «Add-ons» and its cards carry its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """A right named `plugin:resource:action`, and the roles that have it unless an organization says otherwise."""

    name: str
    title: str
    default_roles: frozenset[Role]


Support = Literal["open", "private", "closed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A page or action: an address and the view that answers it.

    `view(context, request)` gets the `TenantContext` and returns a dict for `renderer` or a response. It is
    reached only when the plugin is on for the organization and the reader holds `permission`.
    """

    name: str
    pattern: str
    view: "Callable[[TenantContext, Request], Any]"
    permission: str
    methods: tuple[str, ...] = ("GET",)
    renderer: str | None = None
    site: Site = "portal"
    uploads: int = 0
    """How many bytes each file of a form may have; 0: no files. They are in `request.uploads` by field name."""
    support: Support = "open"
    """What the partner's staff may do here in a support session: `open`, `private` (only where the organization lets
    support hear what was said) or `closed`. In a session that only looks, everything but GET is closed too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NavItem:
    """An entry of the navigation. `icon` names a symbol of the sprite; `section` is main, addons or account."""

    id: str
    title: str
    route: str
    permission: str
    icon: str = "puzzle"
    section: Literal["main", "addons", "account"] = "main"
    order: int = 500
    tab: bool = False
    """Whether it may stand in the phone's tab bar (the first three by order do, between Home and More)."""
    site: Site = "portal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card of the landing page.

    Its data is a single SELECT, so that the cards of all plugins are read in one statement. `query(ctx)` builds it on
    the plugin's ORM classes (it is scoped to the organization; ask for the subscriber's rows yourself);
    `present(ctx, rows)` turns the rows (dicts by column label) into the template's variables and gets no session: it
    has two seconds.
    """

    id: str
    title: str
    permission: str
    template: str
    present: "Callable[[TenantContext, Sequence[Mapping[str, Any]]], Mapping[str, Any]]"
    query: "Callable[[TenantContext], Select[Any]] | None" = None
    area: Literal["top", "main", "side"] = "side"
    size: Literal[1, 2] = 1
    order: int = 500
    link_route: str | None = None
    link_title: str | None = None
    assets: tuple[str, ...] = ()
    """Style sheets and script modules that it needs: files of the plugin's `static/` (`notes/card.css`), or the core's
    `core/features.css`. The landing page links them while the card is on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A preference in the cascade platform → partner → organization → package → subscriber.

    `level` is the deepest level that may set it; a package is what a kind of subscriber has. `type` is bool, int,
    str or list, bounded by `choices`, `minimum` and `maximum`.
    """

    name: str
    title: str
    type: type
    default: Any
    level: Level
    help: str = ""
    choices: tuple[Any, ...] = ()
    minimum: int | None = None
    maximum: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """A background job. `run(database, **arguments)` takes ids, never rows, and must stand being run twice.

    `every` is a cron expression for a periodic job, which gets no arguments; with `per="organization"` it is run once
    for each organization, as `run(database, org_id=…)`.
    """

    name: str
    run: "Callable[..., None]"
    every: str | None = None
    attempts: int = 10
    per: Literal["organization"] | None = None
    everywhere: bool = False
    """Whether it is also run for organizations that are suspended or have the plugin off: what a law asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventListener:
    """`handle(session, event)` runs in the worker, after the commit of what emitted `event`, in its organization."""

    name: str
    event: "type[Event]"
    handle: "Callable[[TenantSession, Event], None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchMessage:
    """A message that a switch may send to `POST /switch/v1/<path>`, or what it may fetch there with other `methods`.

    A word of the path in braces stands for anything, and is in `request.matchdict`: `voicemail/greetings/{id}`.
    `handle(node, request, database)` answers it; the node is already authenticated. The body is a bounded stream:
    read `request.body_file`, never more than it needs.
    """

    path: str
    handle: "Callable[[SwitchNode, Request, Database], Response]"
    methods: tuple[str, ...] = ("POST",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something an operator does for organizations: `ringstead run NAME PARTNER/ORGANIZATION`.

    `run(database, org_id, **options)` does it for one of them and returns a sentence that says what it did.
    `options` are `click.Option`s; their values come by name.
    """

    name: str
    help: str
    run: "Callable[..., str]"
    options: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberAct:
    """Something that helpers do for a subscriber with a button on the profile: take away a forgotten PIN.

    `run(session, subscriber_id)` works in the organization's session and returns what was done in a sentence, or None
    when there was nothing to do. `hint` says beforehand what it does.
    """

    name: str
    title: str
    run: "Callable[[TenantSession, UUID], str | None]"
    hint: str = ""
    icon: str = "settings"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatePart:
    """What a plugin puts into a template of organizations, so that a new one begins with it.

    `read(session)` takes it from an organization as a JSON object, `write(session, values)` gives it to a new one.
    `values` may be of an older release of the plugin: take what still fits.
    """

    name: str
    title: str
    read: "Callable[[TenantSession], dict[str, Any]]"
    write: "Callable[[TenantSession, dict[str, Any]], None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenWords:
    """A recording to be written down: `path` is a 16-bit mono WAV file, `language` a tag such as `de-AT`, or empty."""

    path: "Path"
    seconds: float
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What was said. `language` is a tag (BCP 47), empty when it is not known."""

    text: str
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcriber:
    """Somebody who writes down what was said: a service, or a program. An organization chooses one.

    `transcribe(words)` runs in a job. It returns None when there is nothing to write down; when it raises, it is called
    again later.
    """

    name: str
    title: str
    transcribe: "Callable[[SpokenWords], Transcript | None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureCall:
    """A feature code that somebody dials: by whom, as which digits, and what came after the code."""

    subscriber: "SubscriberInfo"
    dialled: str
    argument: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureCode:
    """A code that people dial, such as `*97`. `takes` says what follows it: nothing, or an extension.

    `answer(session, call)` says what the switch shall do, as a mapping that becomes JSON; None when it does not apply.
    """

    name: str
    title: str
    code: str
    answer: "Callable[[TenantSession, FeatureCall], Mapping[str, Any] | None]"
    takes: Literal["nothing", "extension"] = "nothing"
    help: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostToCheck:
    """A host name of a partner that is looked at from outside. `console` is the host that the partner's console is on,
    which leads here; `scheme` is what browsers use (`https`, or `http` where there are no certificates)."""

    name: str
    console: str
    scheme: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFinding:
    """What was found about a host name: `good`, `soon` (good now, and needs care soon), `wrong` or `unknown`.

    `text` says it in a sentence, and in a wrong case what to do. `at` is a time that belongs to it (UTC), such as the
    end of a certificate.
    """

    state: Literal["good", "soon", "wrong", "unknown"]
    text: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCheck:
    """A look at a partner's host names: whether people who open them arrive. Shown on the page of addresses.

    `check(host)` runs in a thread of its own, without a database; after five seconds the page goes on without its
    answer. `replaces` names a check whose place it takes, such as `core.dns`.
    """

    name: str
    title: str
    check: "Callable[[HostToCheck], HostFinding]"
    replaces: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contributions:
    """All that one plugin declared, checked."""

    permissions: tuple[Permission, ...] = ()
    navigation: tuple[NavItem, ...] = ()
    cards: tuple[Card, ...] = ()
    routes: tuple[Route, ...] = ()
    settings: tuple[Setting, ...] = ()
    jobs: tuple[JobSpec, ...] = ()
    listeners: tuple[EventListener, ...] = ()
    switch_messages: tuple[SwitchMessage, ...] = ()
    commands: tuple[Command, ...] = ()
    transcribers: tuple[Transcriber, ...] = ()
    subscriber_acts: tuple[SubscriberAct, ...] = ()
    template_parts: tuple[TemplatePart, ...] = ()
    feature_codes: tuple[FeatureCode, ...] = ()
    host_checks: tuple[HostCheck, ...] = ()
    hooks: Mapping[str, Any] = field(default_factory=dict)
    """The plugin's implementations of ask and privacy hooks, by hook name."""
