"""Makes Django's own tables, its users and their sessions, beside Ringstead's in the same database."""

from __future__ import annotations

from benchmarks.world import BYPASS, DATABASE, TIME_ZONE, World


def prepare(world: World) -> list[str]:
    """Returns the session keys of the world's visitors, in their order."""
    from benchmarks.djangosite.app import configure

    configure(world.server.url("postgres", DATABASE))
    from django.contrib.auth.models import Group, Permission, User
    from django.contrib.sessions.backends.db import SessionStore
    from django.core.management import call_command
    from django.db import connections, transaction

    from benchmarks.djangosite.models import Profile

    call_command("migrate", verbosity=0)  # first those that the profile's foreign key points to
    call_command("migrate", run_syncdb=True, verbosity=0)
    keys = []
    with transaction.atomic():
        readers = Group.objects.create(name="subscriber")
        readers.permissions.add(Permission.objects.get(codename="read_calls"))
        for number, visitor in enumerate(world.visitors):
            user = User(username=f"person{number}", email=visitor.email, first_name=visitor.name)
            user.set_unusable_password()
            user.save()
            user.groups.add(readers)
            Profile.objects.create(
                user=user,
                organization_id=visitor.org_id,
                subscriber_id=visitor.subscriber_id,
                name=visitor.name,
                extension=visitor.extension,
                time_zone=TIME_ZONE,
            )
            session = SessionStore()
            session["_auth_user_id"] = str(user.pk)
            session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
            session["_auth_user_hash"] = user.get_session_auth_hash()
            session.create()
            keys.append(session.session_key)
    with connections["default"].cursor() as cursor:
        cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {BYPASS}")
    connections.close_all()
    return keys
