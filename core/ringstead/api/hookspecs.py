"""The hooks of Ringstead: the whole list of what the portal asks a plugin.

*Declare* hooks run once at start and return what the plugin contributes. *Ask* hooks run per request, through the gate,
only for plugins that are on for the organization. *Privacy* hooks are asked of every plugin, on or off, because rows
stay where a plugin is off. `docs/hooks.md` explains each; a test compares the two.
"""

from typing import TYPE_CHECKING

import pluggy

from ringstead.api.answers import (
    CallAction,
    CallerName,
    CallInfo,
    Erasure,
    HandedOver,
    NavCount,
    PersonalData,
    SearchHit,
    Situation,
    StepUp,
    SubscriberState,
)
from ringstead.api.contributions import (
    Card,
    Command,
    EventListener,
    FeatureCode,
    HostCheck,
    JobSpec,
    NavItem,
    Permission,
    PluginInfo,
    Route,
    Setting,
    SubscriberAct,
    SwitchMessage,
    TemplatePart,
    Transcriber,
)

if TYPE_CHECKING:
    from uuid import UUID

    from ringstead.db.session import TenantSession
    from ringstead.tenancy.context import TenantContext

PROJECT = "ringstead"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def plugin_info() -> PluginInfo:  # type: ignore[empty-body]
    """Say who the plugin is. Required."""


@hookspec
def declare_permissions() -> list[Permission]:  # type: ignore[empty-body]
    """The rights that the plugin's pages ask for."""


@hookspec
def declare_routes() -> list[Route]:  # type: ignore[empty-body]
    """Pages and actions."""


@hookspec
def declare_navigation() -> list[NavItem]:  # type: ignore[empty-body]
    """Entries of the sidebar and the phone's tab bar."""


@hookspec
def declare_cards() -> list[Card]:  # type: ignore[empty-body]
    """Cards of the landing page."""


@hookspec
def declare_settings() -> list[Setting]:  # type: ignore[empty-body]
    """Preferences that partner, organization or subscriber may set."""


@hookspec
def declare_jobs() -> list[JobSpec]:  # type: ignore[empty-body]
    """Background and periodic jobs."""


@hookspec
def declare_listeners() -> list[EventListener]:  # type: ignore[empty-body]
    """What to do, in the worker, after something happened."""


@hookspec
def declare_switch_messages() -> list[SwitchMessage]:  # type: ignore[empty-body]
    """Messages that a switch sends to the portal."""


@hookspec
def declare_commands() -> list[Command]:  # type: ignore[empty-body]
    """What an operator does for organizations on the command line."""


@hookspec
def declare_transcribers() -> list[Transcriber]:  # type: ignore[empty-body]
    """Who can write down what was said in a recording."""


@hookspec
def declare_subscriber_acts() -> list[SubscriberAct]:  # type: ignore[empty-body]
    """What helpers may do for a subscriber with a button on the profile."""


@hookspec
def declare_template_parts() -> list[TemplatePart]:  # type: ignore[empty-body]
    """What a new organization gets from the template that it is made from."""


@hookspec
def declare_feature_codes() -> list[FeatureCode]:  # type: ignore[empty-body]
    """Codes that people dial on their phones."""


@hookspec
def declare_host_checks() -> list[HostCheck]:  # type: ignore[empty-body]
    """Whether people who open a partner's host names arrive."""


@hookspec
def name_callers(ctx: "TenantContext", session: "TenantSession", numbers: list[str]) -> list[CallerName]:  # type: ignore[empty-body]
    """Say who has these numbers (E.164, or extensions), as far as the plugin knows and the reader may know."""


@hookspec
def nav_counts(ctx: "TenantContext", session: "TenantSession") -> list[NavCount]:  # type: ignore[empty-body]
    """How much is new for the reader, behind entries of the navigation. Asked once a minute while somebody looks."""


@hookspec
def situations(session: "TenantSession", subscriber_id: "UUID") -> list[Situation]:  # type: ignore[empty-body]
    """What may hold for a subscriber, and whether it does now. Asked for pages, and when a switch asks."""


@hookspec
def subscriber_state(session: "TenantSession", subscriber_id: "UUID") -> list[SubscriberState]:  # type: ignore[empty-body]
    """What explains how a subscriber's telephone behaves now, for the profile that helpers see."""


@hookspec
def hand_over(session: "TenantSession", subscriber_id: "UUID", to_id: "UUID") -> list[HandedOver]:  # type: ignore[empty-body]
    """Give what is a subscriber's to a colleague, because they leave; returns what went over."""


@hookspec
def step_ups(ctx: "TenantContext", session: "TenantSession", account_id: "UUID") -> list[StepUp]:  # type: ignore[empty-body]
    """The proofs, stronger than a password, that somebody of the partner's has set up. Asked before they do something
    grave, such as opening a subscriber's portal."""


@hookspec
def search(ctx: "TenantContext", session: "TenantSession", query: str, limit: int) -> list[SearchHit]:  # type: ignore[empty-body]
    """Answer the search box: at most `limit` hits for `query` (1 to 100 characters) that the reader may see."""


@hookspec
def call_actions(ctx: "TenantContext", session: "TenantSession", call: CallInfo) -> list[CallAction]:  # type: ignore[empty-body]
    """What the reader may do about a call that they have opened: save the caller, block the number, explain the way."""


@hookspec
def export_person(session: "TenantSession", subscriber_id: "UUID") -> list[PersonalData]:  # type: ignore[empty-body]
    """Everything that the plugin knows about a subscriber, for themselves to have."""


@hookspec
def erase_person(session: "TenantSession", subscriber_id: "UUID", despite_hold: bool) -> list[Erasure]:  # type: ignore[empty-body]
    """Forget a subscriber, and leave to others what is theirs."""


DECLARE_HOOKS: dict[str, type] = {
    "declare_permissions": Permission,
    "declare_routes": Route,
    "declare_navigation": NavItem,
    "declare_cards": Card,
    "declare_settings": Setting,
    "declare_jobs": JobSpec,
    "declare_listeners": EventListener,
    "declare_switch_messages": SwitchMessage,
    "declare_commands": Command,
    "declare_transcribers": Transcriber,
    "declare_subscriber_acts": SubscriberAct,
    "declare_template_parts": TemplatePart,
    "declare_feature_codes": FeatureCode,
    "declare_host_checks": HostCheck,
}
ASK_HOOKS = (
    "search",
    "call_actions",
    "name_callers",
    "nav_counts",
    "situations",
    "subscriber_state",
    "hand_over",
    "step_ups",
)
PRIVACY_HOOKS = ("export_person", "erase_person")
