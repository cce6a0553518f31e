"""Rights of voicemail. Organizations give and take each of them by role."""

from ringstead.api import Permission, Role, translations

_ = translations("ringstead_voicemail")
_EVERYBODY: frozenset[Role] = frozenset({"subscriber", "org_admin"})

LISTEN = Permission(
    name="voicemail:message:listen",
    title=_("Hear, move and delete one’s own messages"),
    default_roles=_EVERYBODY,
)
DOWNLOAD = Permission(
    name="voicemail:message:download",
    title=_("Download one’s own messages"),
    default_roles=_EVERYBODY,
)
FORWARD = Permission(
    name="voicemail:message:forward",
    title=_("Send one’s own messages on to colleagues, and by e-mail"),
    default_roles=_EVERYBODY,
)
GREETINGS = Permission(
    name="voicemail:greeting:manage",
    title=_("Record and choose greetings"),
    default_roles=_EVERYBODY,
)
PIN = Permission(
    name="voicemail:pin:change",
    title=_("Change the PIN of one’s mailbox"),
    default_roles=_EVERYBODY,
)
SETTINGS = Permission(
    name="voicemail:settings:change",
    title=_("Change the settings of one’s mailbox"),
    default_roles=_EVERYBODY,
)
ORGANIZATION = Permission(
    name="voicemail:organization:manage",
    title=_("Decide on voicemail for everybody: shared mailboxes, room, how long messages are kept"),
    default_roles=frozenset({"org_admin"}),
)
ALL = [LISTEN, DOWNLOAD, FORWARD, GREETINGS, PIN, SETTINGS, ORGANIZATION]
