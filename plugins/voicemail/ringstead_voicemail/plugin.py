"""Everything that voicemail contributes."""

from ringstead.api import (
    API_VERSION,
    JobSpec,
    Permission,
    PluginInfo,
    Setting,
    hookimpl,
    translations,
)
from ringstead_voicemail import __version__, jobs, permissions, settings

_ = translations("ringstead_voicemail")


@hookimpl
def plugin_info() -> PluginInfo:
    return PluginInfo(
        name="voicemail",
        title=_("Voicemail"),
        version=__version__,
        api=API_VERSION,
        package="ringstead_voicemail",
        addon=False,
    )


@hookimpl
def declare_permissions() -> list[Permission]:
    return permissions.ALL


@hookimpl
def declare_settings() -> list[Setting]:
    return settings.settings()


@hookimpl
def declare_jobs() -> list[JobSpec]:
    return jobs.jobs()
