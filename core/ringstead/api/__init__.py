"""The only door for plugins: everything an add-on may import from Ringstead is here or one level below.

`ringstead.api` for contributions, hooks and services, `ringstead.api.models` for tables, `ringstead.api.migrations` for
migrations, `ringstead.api.testing` for tests. What is not reachable from here may change without notice.
"""

from pyramid.i18n import TranslationStringFactory as translations

from ringstead.api.contributions import (
    API_VERSION,
    PUBLIC,
    SIGNED_IN,
    CallAction,
    CallerName,
    CallInfo,
    Card,
    Command,
    Erasure,
    ErasureRefused,
    EventListener,
    FeatureCall,
    FeatureCode,
    JobSpec,
    NavCount,
    NavItem,
    Permission,
    PersonalData,
    PersonalFile,
    PluginInfo,
    Role,
    Route,
    SearchHit,
    Setting,
    Situation,
    SpokenWords,
    SwitchMessage,
    Transcriber,
    Transcript,
)
from ringstead.api.hookspecs import hookimpl
from ringstead.db.base import new_id
from ringstead.tenancy.context import TenantContext

__all__ = [
    "API_VERSION",
    "PUBLIC",
    "SIGNED_IN",
    "CallAction",
    "CallInfo",
    "CallerName",
    "Card",
    "Command",
    "Erasure",
    "ErasureRefused",
    "EventListener",
    "JobSpec",
    "NavCount",
    "NavItem",
    "Permission",
    "PersonalData",
    "PersonalFile",
    "PluginInfo",
    "Role",
    "Route",
    "SearchHit",
    "Setting",
    "SwitchMessage",
    "TenantContext",
    "Transcript",
    "Transcriber",
    "hookimpl",
    "new_id",
    "translations",
    "FeatureCall",
    "FeatureCode",
    "Situation",
    "SpokenWords",
]
