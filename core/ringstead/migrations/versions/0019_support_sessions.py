"""Support sessions: somebody of the partner opens a subscriber's portal, for a reason and a while, on record.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

from ringstead.db.policy import DIRECTORY_RULE, protect

revision = "0019"
down_revision = "0018"

_RETURNS = """
    session_id uuid, csrf_token text, account_id uuid, account_name text, email text, role text,
    org_id uuid, org_slug text, org_name text, org_status text,
    subscriber_id uuid, subscriber_name text, extension text, number text,
    org_features_version integer, partner_features_version integer, exceptions jsonb, settings jsonb,
    expires_at timestamptz, support jsonb
"""


def upgrade() -> None:
    op.create_table(
        "support_session",
        _uuid("org_id"),
        _uuid("id"),
        _uuid("partner_id"),
        _uuid("subscriber_id"),
        _uuid("actor_account_id"),
        _text("actor_name"),
        _text("actor_role"),
        _text("reason"),
        sa.Column("is_read_only", sa.Boolean(), nullable=False),
        _at("asked_at", nullable=False, server_default=sa.text("now()")),
        # Where the organization asks for consent: when the subscriber gave it, or refused.
        sa.Column("needs_consent", sa.Boolean(), nullable=False),
        _at("allowed_at"),
        _at("refused_at"),
        sa.Column("ticket_hash", sa.LargeBinary(), nullable=True),
        _at("ticket_expires_at"),
        _at("opened_at"),
        _at("ends_at"),
        _at("ended_at"),
        sa.PrimaryKeyConstraint("org_id", "id"),
        sa.ForeignKeyConstraint(
            ["org_id", "subscriber_id"], ["subscriber.org_id", "subscriber.id"], ondelete="CASCADE"
        ),
    )
    op.create_index(
        "ix_support_session_subscriber_id_id", "support_session", ["org_id", "subscriber_id", "id"]
    )
    # A ticket is looked up before anybody knows in which organization it is; it is one of 2^256.
    op.create_index(
        "ix_support_session_ticket_hash",
        "support_session",
        ["partner_id", "ticket_hash"],
        postgresql_where=sa.text("ticket_hash IS NOT NULL"),
    )
    protect("support_session", DIRECTORY_RULE)
    op.add_column("web_session", sa.Column("support_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "fk_web_session_support_id_support_session",
        "web_session",
        "support_session",
        ["org_id", "support_id"],
        ["org_id", "id"],
        ondelete="CASCADE",
    )
    # When the password was given last; asking for it again before something grave looks here.
    op.add_column("web_session", _at("verified_at", nullable=False, server_default=sa.text("now()")))
    _open_session()


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
                    s.expires_at, NULL::jsonb
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
                                       'is_read_only', v.is_read_only, 'ends_at', v.ends_at)
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
                setting_levels(p_partner, o.org_id, b.id), s.expires_at, NULL::jsonb
                FROM membership m
                JOIN organization o ON o.org_id = m.org_id
                JOIN subscriber b ON b.org_id = m.org_id AND b.id = m.subscriber_id
                JOIN partner p ON p.id = p_partner
                WHERE m.org_id = s.org_id AND m.id = s.membership_id AND m.account_id = s.account_id
                  AND b.status = 'active';
            IF NOT FOUND THEN PERFORM set_config('ringstead.org_id', '', true); END IF;
        END $$
    """)


def _uuid(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), nullable=False)


def _text(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=False)


def _at(name: str, nullable: bool = True, **more: object) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, **more)  # type: ignore[arg-type]
