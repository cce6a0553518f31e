"""Feature packages: what a kind of subscriber has, and who decides about their preferences.

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from ringstead.db.policy import PARTNER_RULE, protect

revision = "0022"
down_revision = "0021"

_RETURNS = """
    session_id uuid, csrf_token text, account_id uuid, account_name text, email text, role text,
    org_id uuid, org_slug text, org_name text, org_status text,
    subscriber_id uuid, subscriber_name text, extension text, number text,
    org_features_version integer, partner_features_version integer, exceptions jsonb, settings jsonb,
    expires_at timestamptz, support jsonb, package jsonb
"""


def upgrade() -> None:
    op.create_table(
        "feature_package",
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        # Names of plugins; names of permissions that are taken away; preferences as `{name: [value or null, who]}`.
        sa.Column("features", JSONB(), nullable=False),
        sa.Column("closed", JSONB(), nullable=False),
        sa.Column("settings", JSONB(), nullable=False),
        sa.Column("admins_give", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("partner_id", "id"),
        sa.UniqueConstraint("partner_id", "name"),
    )
    # Inside an organization it is read with every page: what its people have is said here.
    protect("feature_package", PARTNER_RULE)
    # No foreign key: a package belongs to no organization. One that is in use is not removed, and who has one that is
    # not there has nothing.
    for table in ("organization", "subscriber"):
        op.add_column(table, sa.Column("package_id", sa.Uuid(), nullable=True))
        op.create_index(
            f"ix_{table}_partner_id_package_id",
            table,
            ["partner_id", "package_id"],
            postgresql_where=sa.text("package_id IS NOT NULL"),
        )
    _package_of()
    _setting_levels()
    _open_session()


def _package_of() -> None:
    """What a package gives; NULL without one."""
    op.execute("""
        CREATE FUNCTION package_of(p_partner uuid, p_package uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
            SELECT CASE WHEN p_package IS NOT NULL THEN coalesce(
                (SELECT jsonb_build_object('name', k.name, 'features', k.features, 'closed', k.closed)
                 FROM feature_package k WHERE k.partner_id = p_partner AND k.id = p_package),
                '{"name": "", "features": [], "closed": []}') END
        $$
    """)


def _setting_levels() -> None:
    op.execute("""
        CREATE OR REPLACE FUNCTION setting_levels(p_partner uuid, p_org uuid, p_subscriber uuid)
        RETURNS jsonb LANGUAGE sql STABLE AS $$
            SELECT jsonb_build_object(
                'platform', (SELECT jsonb_object_agg(s.name, jsonb_build_array(s.value, s.locked))
                             FROM platform_setting s),
                'partner', (SELECT jsonb_object_agg(s.name, jsonb_build_array(s.value, s.locked))
                            FROM partner_setting s WHERE s.partner_id = p_partner),
                'organization', (SELECT jsonb_object_agg(s.name, jsonb_build_array(s.value, s.locked))
                                 FROM organization_setting s WHERE s.org_id = p_org),
                'package', (SELECT k.settings FROM feature_package k
                            WHERE k.partner_id = p_partner AND k.id = (
                                SELECT coalesce(b.package_id, o.package_id)
                                FROM subscriber b JOIN organization o ON o.org_id = b.org_id
                                WHERE b.org_id = p_org AND b.id = p_subscriber)),
                'subscriber', (SELECT jsonb_object_agg(s.name, jsonb_build_array(s.value, false))
                               FROM subscriber_setting s WHERE s.org_id = p_org AND s.subscriber_id = p_subscriber))
        $$
    """)


def _open_session() -> None:
    op.execute("DROP FUNCTION open_session(uuid, text, uuid, bytea, integer)")
    op.execute(f"""
        CREATE FUNCTION open_session(p_partner uuid, p_site text, p_org uuid, p_token bytea, p_idle_minutes integer)
        RETURNS TABLE ({_RETURNS})
        LANGUAGE plpgsql AS $$
        DECLARE
            s web_session%ROWTYPE;
            a account%ROWTYPE;
            v support_session%ROWTYPE;
        BEGIN
            PERFORM set_config('ringstead.partner_id', p_partner::text, true), set_config('ringstead.org_id', '', true);
            IF p_token IS NULL THEN RETURN; END IF;
            SELECT * INTO s FROM web_session w
                WHERE w.partner_id = p_partner AND w.token_hash = p_token AND w.site = p_site
                  -- A host of one organization knows nobody of another, whatever cookie was carried over.
                  AND (p_org IS NULL OR w.org_id = p_org)
                  AND w.expires_at > now() AND w.last_seen_at > now() - make_interval(mins => p_idle_minutes);
            IF NOT FOUND THEN RETURN; END IF;
            SELECT * INTO a FROM account c
                WHERE c.partner_id = p_partner AND c.id = s.account_id AND c.status = 'active';
            IF NOT FOUND THEN RETURN; END IF;
            -- Not at each request: that would be a write for each page. But well before the session would end.
            IF s.last_seen_at < now() - make_interval(secs => least(300, p_idle_minutes * 30)) THEN
                UPDATE web_session w SET last_seen_at = now() WHERE w.partner_id = p_partner AND w.id = s.id;
            END IF;
            IF p_site = 'console' THEN
                IF a.staff_role IS NULL THEN RETURN; END IF;
                RETURN QUERY SELECT s.id, s.csrf_token, a.id, a.name, a.email, a.staff_role,
                    NULL::uuid, NULL::text, NULL::text, NULL::text, NULL::uuid, NULL::text, NULL::text, NULL::text,
                    NULL::integer, p.features_version, NULL::jsonb, setting_levels(p_partner, NULL, NULL),
                    s.expires_at, NULL::jsonb, NULL::jsonb
                    FROM partner p WHERE p.id = p_partner;
                RETURN;
            END IF;
            IF s.support_id IS NOT NULL THEN
                -- As long as it lasts, and whoever opened it is of the partner's staff.
                SELECT * INTO v FROM support_session x
                    WHERE x.partner_id = p_partner AND x.org_id = s.org_id AND x.id = s.support_id
                      AND x.ended_at IS NULL AND x.ends_at > now();
                IF NOT FOUND OR a.staff_role IS NULL THEN RETURN; END IF;
                PERFORM set_config('ringstead.org_id', v.org_id::text, true);
                RETURN QUERY SELECT s.id, s.csrf_token, a.id, a.name, a.email, r.role,
                    o.org_id, o.slug, o.name, o.status, b.id, b.name, b.extension, b.number,
                    o.features_version, p.features_version,
                    (SELECT jsonb_object_agg(e.permission, e.granted) FROM role_permission e
                     WHERE e.org_id = o.org_id AND e.role = r.role),
                    setting_levels(p_partner, o.org_id, b.id), least(s.expires_at, v.ends_at),
                    jsonb_build_object('id', v.id, 'actor_role', v.actor_role, 'reason', v.reason,
                                       'is_read_only', v.is_read_only, 'ends_at', v.ends_at),
                    package_of(p_partner, coalesce(b.package_id, o.package_id))
                    FROM organization o
                    JOIN subscriber b ON b.org_id = o.org_id AND b.id = v.subscriber_id
                    JOIN partner p ON p.id = p_partner
                    -- What the subscriber is; where several people open the portal, no more than the least of them.
                    CROSS JOIN LATERAL (
                        SELECT CASE WHEN bool_and(m.role = 'org_admin') THEN 'org_admin' ELSE 'subscriber' END AS role
                        FROM membership m WHERE m.org_id = o.org_id AND m.subscriber_id = b.id) r
                    WHERE o.org_id = v.org_id;
                IF NOT FOUND THEN PERFORM set_config('ringstead.org_id', '', true); END IF;
                RETURN;
            END IF;
            PERFORM set_config('ringstead.org_id', s.org_id::text, true);
            RETURN QUERY SELECT s.id, s.csrf_token, a.id, a.name, a.email, m.role,
                o.org_id, o.slug, o.name, o.status, b.id, b.name, b.extension, b.number,
                o.features_version, p.features_version,
                (SELECT jsonb_object_agg(r.permission, r.granted) FROM role_permission r
                 WHERE r.org_id = o.org_id AND r.role = m.role),
                setting_levels(p_partner, o.org_id, b.id), s.expires_at, NULL::jsonb,
                package_of(p_partner, coalesce(b.package_id, o.package_id))
                FROM membership m
                JOIN organization o ON o.org_id = m.org_id
                JOIN subscriber b ON b.org_id = m.org_id AND b.id = m.subscriber_id
                JOIN partner p ON p.id = p_partner
                WHERE m.org_id = s.org_id AND m.id = s.membership_id AND m.account_id = s.account_id
                  AND b.status = 'active';
            IF NOT FOUND THEN PERFORM set_config('ringstead.org_id', '', true); END IF;
        END $$
    """)
