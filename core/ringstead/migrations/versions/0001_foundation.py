"""Partners, hosts, organizations, subscribers, accounts, web sessions, features, preferences, audit.

Revision ID: 0001
Revises:
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from ringstead.db.policy import DIRECTORY_RULE, ORG, ORG_RULE, PARTNER, PARTNER_RULE, grant, protect

revision = "0001"
down_revision = None

NOW = sa.text("now()")
HOST = "current_setting('ringstead.host', true)"


def upgrade() -> None:
    _backups()
    _tenancy()
    _accounts()
    _features()
    _settings()
    _audit()
    _functions()
    _protect()


def _backups() -> None:
    """Let the operator read what will ever be made here (version tables, partitions, sequences), to back it up."""
    for what in ("TABLES", "SEQUENCES"):
        op.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON {what} TO ringstead_operator")
    # Made by the runner just before.
    op.execute("GRANT SELECT ON alembic_version TO ringstead_operator")


def _uuid(name: str, **options: Any) -> Any:
    return sa.Column(name, sa.Uuid(), **options)


def _text(name: str, default: str | None = None, nullable: bool = False, **options: Any) -> Any:
    return sa.Column(name, sa.Text(), server_default=default, nullable=nullable, **options)


def _at(name: str, nullable: bool = False, now: bool = True) -> Any:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=NOW if now else None)


def _value() -> tuple[Any, Any]:
    return _text("name"), sa.Column("value", JSONB, nullable=False)


def _locked() -> Any:
    return sa.Column("locked", sa.Boolean, nullable=False, server_default="false")


def _tenancy() -> None:
    op.create_table(
        "partner",
        _uuid("id", primary_key=True),
        _text("slug", unique=True),
        _text("name"),
        _text("status", "active"),
        sa.Column("brand", JSONB, nullable=False, server_default="{}"),
        sa.Column("features_version", sa.Integer, nullable=False, server_default="1"),
        _at("created_at"),
        sa.CheckConstraint("status IN ('active', 'suspended')", name="status"),
    )
    op.create_table(
        "host",
        _text("name", primary_key=True),
        _uuid("partner_id", nullable=False),
        _uuid("org_id", nullable=True),
        _text("kind"),
        sa.CheckConstraint("kind IN ('portal', 'console', 'sip')", name="kind"),
        sa.CheckConstraint("name = lower(name)", name="lower"),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], ondelete="CASCADE"),
    )
    op.create_index("ix_host_partner_id", "host", ["partner_id"])
    op.create_table(
        "organization",
        _uuid("org_id", primary_key=True),
        _uuid("partner_id", nullable=False),
        _text("slug"),
        _text("name"),
        _text("status", "active"),
        sa.Column("features_version", sa.Integer, nullable=False, server_default="1"),
        _at("created_at"),
        sa.CheckConstraint("status IN ('active', 'suspended')", name="status"),
    )
    op.create_index("ix_organization_partner_id_name", "organization", ["partner_id", "name"])
    op.create_table(
        "subscriber",
        _uuid("org_id", nullable=False),
        _uuid("id", nullable=False),
        _uuid("partner_id", nullable=False),
        _text("name"),
        _text("extension"),
        _text("number", nullable=True),
        _text("status", "active"),
        _at("created_at"),
        sa.PrimaryKeyConstraint("org_id", "id"),
        sa.UniqueConstraint("org_id", "extension"),
        sa.UniqueConstraint("org_id", "number"),
        sa.CheckConstraint("status IN ('active', 'suspended')", name="status"),
    )
    op.create_table(
        "membership",
        _uuid("org_id", nullable=False),
        _uuid("id", nullable=False),
        _uuid("partner_id", nullable=False),
        _uuid("account_id", nullable=False),
        _uuid("subscriber_id", nullable=False),
        _text("role"),
        sa.PrimaryKeyConstraint("org_id", "id"),
        sa.UniqueConstraint("org_id", "account_id", "subscriber_id"),
        sa.ForeignKeyConstraint(
            ["org_id", "subscriber_id"], ["subscriber.org_id", "subscriber.id"], ondelete="CASCADE"
        ),
        sa.CheckConstraint("role IN ('subscriber', 'org_admin')", name="role"),
    )
    op.create_index("ix_membership_partner_id_account_id", "membership", ["partner_id", "account_id"])


def _accounts() -> None:
    op.create_table(
        "account",
        _uuid("partner_id", nullable=False),
        _uuid("id", nullable=False),
        _text("email"),
        _text("name"),
        _text("password_hash", nullable=True),
        _at("password_changed_at", nullable=True, now=False),
        _text("staff_role", nullable=True),
        _text("status", "active"),
        _at("created_at"),
        sa.PrimaryKeyConstraint("partner_id", "id"),
        sa.UniqueConstraint("partner_id", "email"),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], ondelete="CASCADE"),
        sa.CheckConstraint("email = lower(email)", name="lower"),
        sa.CheckConstraint("staff_role IN ('partner_admin', 'partner_support')", name="staff_role"),
        sa.CheckConstraint("status IN ('active', 'suspended')", name="status"),
    )
    op.create_table(
        "web_session",
        _uuid("partner_id", nullable=False),
        _uuid("id", nullable=False),
        sa.Column("token_hash", sa.LargeBinary, nullable=False),
        _uuid("account_id", nullable=False),
        _uuid("org_id", nullable=True),
        _uuid("membership_id", nullable=True),
        _text("site"),
        _text("csrf_token"),
        _text("address", ""),
        _text("user_agent", ""),
        _at("created_at"),
        _at("last_seen_at"),
        _at("expires_at", now=False),
        sa.PrimaryKeyConstraint("partner_id", "id"),
        sa.UniqueConstraint("partner_id", "token_hash"),
        sa.ForeignKeyConstraint(
            ["partner_id", "account_id"], ["account.partner_id", "account.id"], ondelete="CASCADE"
        ),
        sa.CheckConstraint("site IN ('portal', 'console')", name="site"),
    )
    op.create_index("ix_web_session_partner_id_account_id", "web_session", ["partner_id", "account_id"])
    op.create_index("ix_web_session_expires_at", "web_session", ["expires_at"])


def _features() -> None:
    op.create_table(
        "organization_feature",
        _uuid("org_id", nullable=False),
        _text("plugin"),
        sa.Column("enabled", sa.Boolean, nullable=False),
        _at("changed_at"),
        sa.PrimaryKeyConstraint("org_id", "plugin"),
    )
    op.create_table(
        "partner_feature",
        _uuid("partner_id", nullable=False),
        _text("plugin"),
        sa.Column("allowed", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("partner_id", "plugin"),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], ondelete="CASCADE"),
    )
    op.create_table(
        "role_permission",
        _uuid("org_id", nullable=False),
        _text("role"),
        _text("permission"),
        sa.Column("granted", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "role", "permission"),
    )


def _settings() -> None:
    op.create_table("platform_setting", *_value(), _locked(), sa.PrimaryKeyConstraint("name"))
    op.create_table(
        "partner_setting",
        _uuid("partner_id", nullable=False),
        *_value(),
        _locked(),
        sa.PrimaryKeyConstraint("partner_id", "name"),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], ondelete="CASCADE"),
    )
    op.create_table(
        "organization_setting",
        _uuid("org_id", nullable=False),
        *_value(),
        _locked(),
        sa.PrimaryKeyConstraint("org_id", "name"),
    )
    op.create_table(
        "subscriber_setting",
        _uuid("org_id", nullable=False),
        _uuid("subscriber_id", nullable=False),
        *_value(),
        sa.PrimaryKeyConstraint("org_id", "subscriber_id", "name"),
        sa.ForeignKeyConstraint(
            ["org_id", "subscriber_id"], ["subscriber.org_id", "subscriber.id"], ondelete="CASCADE"
        ),
    )


def _audit() -> None:
    op.create_table(
        "audit_entry",
        _uuid("partner_id", nullable=False),
        _uuid("id", nullable=False),
        _uuid("org_id", nullable=True),
        _at("at"),
        _uuid("actor_account_id", nullable=True),
        _text("actor_name", ""),
        _uuid("subject_subscriber_id", nullable=True),
        _text("action"),
        _text("target", ""),
        sa.Column("detail", JSONB, nullable=False, server_default="{}"),
        _text("address", ""),
        sa.PrimaryKeyConstraint("partner_id", "id"),
    )
    op.create_index("ix_audit_entry_partner_id_org_id_id", "audit_entry", ["partner_id", "org_id", "id"])
    op.create_table(
        "operator_audit",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        _at("at"),
        _text("database_role", "current_user"),
        _text("actor"),
        _text("reason"),
    )
    op.execute("ALTER TABLE operator_audit ALTER COLUMN database_role SET DEFAULT current_user")
    op.execute("""
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'insufficient_privilege';
        END $$
    """)
    for table in ("audit_entry", "operator_audit"):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "EXECUTE FUNCTION refuse_change()"
        )


def _functions() -> None:
    op.execute("""
        CREATE FUNCTION enter_organization(p_org uuid) RETURNS uuid LANGUAGE plpgsql AS $$
        DECLARE v_partner uuid;
        BEGIN
            PERFORM set_config('ringstead.partner_id', '', true), set_config('ringstead.org_id', p_org::text, true);
            SELECT o.partner_id INTO v_partner FROM organization o WHERE o.org_id = p_org;
            PERFORM set_config('ringstead.partner_id', coalesce(v_partner::text, ''), true);
            RETURN v_partner;
        END $$
    """)
    op.execute("""
        CREATE FUNCTION resolve_host(p_host text)
        RETURNS TABLE (kind text, org_id uuid, partner_id uuid, slug text, name text, status text, brand jsonb)
        LANGUAGE plpgsql AS $$
        DECLARE v_partner uuid;
        BEGIN
            PERFORM set_config('ringstead.host', p_host, true);
            SELECT h.partner_id INTO v_partner FROM host h WHERE h.name = p_host;
            PERFORM set_config('ringstead.partner_id', coalesce(v_partner::text, ''), true);
            RETURN QUERY SELECT h.kind, h.org_id, p.id, p.slug, p.name, p.status, p.brand
                FROM host h JOIN partner p ON p.id = h.partner_id WHERE h.name = p_host;
        END $$
    """)
    op.execute("""
        CREATE FUNCTION setting_levels(p_partner uuid, p_org uuid, p_subscriber uuid)
        RETURNS jsonb LANGUAGE sql STABLE AS $$
            SELECT jsonb_build_object(
                'platform', (SELECT jsonb_object_agg(s.name, jsonb_build_array(s.value, s.locked))
                             FROM platform_setting s),
                'partner', (SELECT jsonb_object_agg(s.name, jsonb_build_array(s.value, s.locked))
                            FROM partner_setting s WHERE s.partner_id = p_partner),
                'organization', (SELECT jsonb_object_agg(s.name, jsonb_build_array(s.value, s.locked))
                                 FROM organization_setting s WHERE s.org_id = p_org),
                'subscriber', (SELECT jsonb_object_agg(s.name, jsonb_build_array(s.value, false))
                               FROM subscriber_setting s WHERE s.org_id = p_org AND s.subscriber_id = p_subscriber))
        $$
    """)
    op.execute(OPEN_SESSION)


# One round trip for the whole beginning of a page: who is signed in, where, with which rights and preferences.
OPEN_SESSION = """
    CREATE FUNCTION open_session(p_partner uuid, p_site text, p_org uuid, p_token bytea, p_idle_minutes integer)
    RETURNS TABLE (
        session_id uuid, csrf_token text, account_id uuid, account_name text, email text, role text,
        org_id uuid, org_slug text, org_name text, org_status text,
        subscriber_id uuid, subscriber_name text, extension text, number text,
        org_features_version integer, partner_features_version integer, exceptions jsonb, settings jsonb,
        expires_at timestamptz)
    LANGUAGE plpgsql AS $$
    DECLARE
        s web_session%ROWTYPE;
        a account%ROWTYPE;
    BEGIN
        PERFORM set_config('ringstead.partner_id', p_partner::text, true), set_config('ringstead.org_id', '', true);
        IF p_token IS NULL THEN RETURN; END IF;
        SELECT * INTO s FROM web_session w
            WHERE w.partner_id = p_partner AND w.token_hash = p_token AND w.site = p_site
              -- A host of one organization knows nobody of another, whatever cookie was carried over.
              AND (p_org IS NULL OR w.org_id = p_org)
              AND w.expires_at > now() AND w.last_seen_at > now() - make_interval(mins => p_idle_minutes);
        IF NOT FOUND THEN RETURN; END IF;
        SELECT * INTO a FROM account c WHERE c.partner_id = p_partner AND c.id = s.account_id AND c.status = 'active';
        IF NOT FOUND THEN RETURN; END IF;
        -- Not at each request: that would be a write for each page. But well before the session would end.
        IF s.last_seen_at < now() - make_interval(secs => least(300, p_idle_minutes * 30)) THEN
            UPDATE web_session w SET last_seen_at = now() WHERE w.partner_id = p_partner AND w.id = s.id;
        END IF;
        IF p_site = 'console' THEN
            IF a.staff_role IS NULL THEN RETURN; END IF;
            RETURN QUERY SELECT s.id, s.csrf_token, a.id, a.name, a.email, a.staff_role,
                NULL::uuid, NULL::text, NULL::text, NULL::text, NULL::uuid, NULL::text, NULL::text, NULL::text,
                NULL::integer, p.features_version, NULL::jsonb, setting_levels(p_partner, NULL, NULL), s.expires_at
                FROM partner p WHERE p.id = p_partner;
            RETURN;
        END IF;
        PERFORM set_config('ringstead.org_id', s.org_id::text, true);
        RETURN QUERY SELECT s.id, s.csrf_token, a.id, a.name, a.email, m.role,
            o.org_id, o.slug, o.name, o.status, b.id, b.name, b.extension, b.number,
            o.features_version, p.features_version,
            (SELECT jsonb_object_agg(r.permission, r.granted) FROM role_permission r
             WHERE r.org_id = o.org_id AND r.role = m.role),
            setting_levels(p_partner, o.org_id, b.id), s.expires_at
            FROM membership m
            JOIN organization o ON o.org_id = m.org_id
            JOIN subscriber b ON b.org_id = m.org_id AND b.id = m.subscriber_id
            JOIN partner p ON p.id = p_partner
            WHERE m.org_id = s.org_id AND m.id = s.membership_id AND m.account_id = s.account_id
              AND b.status = 'active';
        IF NOT FOUND THEN PERFORM set_config('ringstead.org_id', '', true); END IF;
    END $$
"""


def _protect() -> None:
    protect("partner", f"id = {PARTNER}")
    # The only row of `host` that a request may read without a partner is the one that it names.
    protect("host", f"name = {HOST} OR partner_id = {PARTNER}")
    for table in ("organization", "subscriber", "membership"):
        protect(table, DIRECTORY_RULE)
    # Inside an organization only the accounts of its own members exist.
    members = f"SELECT m.account_id FROM membership m WHERE m.org_id = {ORG}"
    protect("account", f"{PARTNER_RULE} AND ({ORG} IS NULL OR id IN ({members}))")
    # And only their sessions, wherever those are: a new password ends them all.
    protect("web_session", f"{PARTNER_RULE} AND ({ORG} IS NULL OR account_id IN ({members}))")
    for table in ("partner_feature", "partner_setting"):
        protect(table, PARTNER_RULE)
    for table in ("organization_feature", "role_permission", "organization_setting", "subscriber_setting"):
        protect(table, ORG_RULE)
    protect(
        "audit_entry", f"{PARTNER_RULE} AND ({ORG} IS NULL OR org_id = {ORG})", grants=("SELECT", "INSERT")
    )
    grant("platform_setting", grants=("SELECT",))
    op.execute("GRANT SELECT, INSERT ON operator_audit TO ringstead_operator")
