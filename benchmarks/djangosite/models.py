"""Ringstead's tables as Django models, and the profile that ties a Django user to a subscriber."""

from __future__ import annotations

from django.conf import settings
from django.db import models


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
    linked_id = models.TextField()
    direction = models.TextField()
    disposition = models.TextField()
    missed = models.BooleanField()
    other_number = models.TextField(null=True)
    other_name = models.TextField(null=True)
    other_subscriber_id = models.UUIDField(null=True)
    answered_by = models.TextField(null=True)
    devices = models.TextField()
    search_text = models.TextField()
    answered_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField()
    ring_seconds = models.IntegerField()
    talk_seconds = models.IntegerField()
    leg_count = models.SmallIntegerField()

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
