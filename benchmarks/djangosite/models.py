"""Ringstead's tables as Django models, and the profile that ties a Django user to a subscriber."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

RECEIVED = {
    "answered": _("Received"),
    "missed": _("Missed"),
    "voicemail": _("Went to voicemail"),
    "answered_elsewhere": _("Answered elsewhere"),
    "busy": _("Busy"),
    "failed": _("Not reachable"),
}
DIALLED = {
    "answered": _("Dialled"),
    "missed": _("No answer"),
    "voicemail": _("Reached voicemail"),
    "busy": _("Busy"),
    "failed": _("Not connected"),
}
ICONS = {"missed": "phone-missed", "voicemail": "voicemail"}


class Partner(models.Model):
    """A reseller."""

    id = models.UUIDField(primary_key=True)
    slug = models.TextField()
    name = models.TextField()
    status = models.TextField()

    class Meta:
        managed = False
        db_table = "partner"


class Host(models.Model):
    """A host name of a partner."""

    name = models.TextField(primary_key=True)
    partner = models.ForeignKey(Partner, models.DO_NOTHING)
    kind = models.TextField()

    class Meta:
        managed = False
        db_table = "host"


class Organization(models.Model):
    """A customer of a partner."""

    org_id = models.UUIDField(primary_key=True)
    partner = models.ForeignKey(Partner, models.DO_NOTHING)
    slug = models.TextField()
    name = models.TextField()

    class Meta:
        managed = False
        db_table = "organization"


class OrganizationFeature(models.Model):
    """Whether a plugin is on for an organization."""

    pk = models.CompositePrimaryKey("org_id", "plugin")
    org_id = models.UUIDField()
    plugin = models.TextField()
    enabled = models.BooleanField()

    class Meta:
        managed = False
        db_table = "organization_feature"


class Conversation(models.Model):
    """One row of somebody's call log."""

    pk = models.CompositePrimaryKey("org_id", "started_at", "id")
    org_id = models.UUIDField()
    started_at = models.DateTimeField()
    id = models.UUIDField()
    subscriber_id = models.UUIDField()
    kind = models.TextField()
    direction = models.TextField()
    disposition = models.TextField()
    number = models.TextField(null=True)
    name = models.TextField(null=True)
    name_folded = models.TextField()
    ring_seconds = models.IntegerField()
    talk_seconds = models.IntegerField()
    devices = models.JSONField()

    @property
    def is_missed(self) -> bool:
        """Whether it stands in the list of missed calls."""
        return self.kind == "missed"

    @property
    def who(self) -> str:
        """Who is at the other end, in one line."""
        return self.name or self.number or gettext("Number withheld")

    @property
    def dial(self) -> str | None:
        """The address that dials."""
        return f"tel:{self.number}" if self.number else None

    @property
    def label(self) -> str:
        """How it ended, in a word or two."""
        texts = DIALLED if self.direction == "outgoing" else RECEIVED
        return str(texts.get(self.disposition, self.disposition))

    @property
    def icon(self) -> str:
        """The symbol of a call."""
        return (
            "phone-outgoing"
            if self.direction == "outgoing"
            else ICONS.get(self.disposition, "phone-incoming")
        )

    class Meta:
        managed = False
        db_table = "calllogs_conversation"


class Profile(models.Model):
    """The subscriber that a user is."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE)
    organization = models.ForeignKey(Organization, models.DO_NOTHING, db_constraint=False)
    subscriber_id = models.UUIDField()
    name = models.TextField()
    extension = models.TextField()
    time_zone = models.TextField()

    class Meta:
        db_table = "bench_profile"
        permissions = [("read_calls", "Can read the own calls")]
