"""Everything that voicemail contributes."""

from ringstead.api import (
    API_VERSION,
    Command,
    JobSpec,
    Permission,
    PluginInfo,
    Setting,
    SwitchMessage,
    hookimpl,
    translations,
)
from ringstead_voicemail import __version__, deposit, jobs, permissions, rendering, settings

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


@hookimpl
def declare_switch_messages() -> list[SwitchMessage]:
    return [SwitchMessage(path="voicemail", handle=deposit.receive_message)]


@hookimpl
def declare_commands() -> list[Command]:
    return [
        Command(
            name="voicemail.render",
            help="Make sound for browsers again, of recordings where that has failed.",
            run=rendering.render_again,
        )
    ]
