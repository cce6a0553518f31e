"""The audit trail as a chain: each entry is linked to the one before it by a digest, so that a change shows.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

from ringstead.db.policy import ORG, PARTNER_RULE, protect

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "audit_link",
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        # An organization's own, or the partner's (its id) for what concerns no organization.
        sa.Column("chain", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("partner_id", "chain", "seq"),
        sa.UniqueConstraint("partner_id", "entry_id"),
    )
    protect("audit_link", f"{PARTNER_RULE} AND ({ORG} IS NULL OR chain = {ORG})", grants=("SELECT",))
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_link "
        "EXECUTE FUNCTION refuse_change()"
    )
    op.create_index(
        "ix_audit_entry_partner_id_subject_subscriber_id_id",
        "audit_entry",
        ["partner_id", "subject_subscriber_id", "id"],
    )
    _functions()
    _link_what_is_there()


def _functions() -> None:
    # Times as microseconds: the text of a timestamp would depend on the session that asks.
    op.execute("""
        CREATE FUNCTION audit_content(e audit_entry) RETURNS bytea LANGUAGE sql STABLE AS $$
            SELECT sha256(convert_to(jsonb_build_array(
                e.partner_id, e.id, e.org_id, (extract(epoch FROM e.at) * 1000000)::bigint, e.actor_account_id,
                e.actor_name, e.subject_subscriber_id, e.action, e.target, e.detail, e.address)::text, 'UTF8'))
        $$
    """)
    # When its transaction commits, so that no chain is held while somebody works: only then it waits for its turn, and
    # sees what the one before it has linked. The owner does it: nobody else may write to the chain. It enters the
    # partner, whose wall holds for the owner too; nothing comes after it in the transaction.
    op.execute("""
        CREATE FUNCTION link_audit_entry() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = public, pg_temp AS $$
        DECLARE
            v_chain uuid := coalesce(NEW.org_id, NEW.partner_id);
            v_seq bigint := 0;
            v_digest bytea := '';
        BEGIN
            PERFORM set_config('ringstead.partner_id', NEW.partner_id::text, true),
                    set_config('ringstead.org_id', '', true);
            PERFORM pg_advisory_xact_lock(hashtextextended(v_chain::text, 18));
            SELECT l.seq, l.digest INTO v_seq, v_digest FROM audit_link l
             WHERE l.partner_id = NEW.partner_id AND l.chain = v_chain ORDER BY l.seq DESC LIMIT 1;
            INSERT INTO audit_link (partner_id, chain, seq, entry_id, digest)
            VALUES (NEW.partner_id, v_chain, coalesce(v_seq, 0) + 1, NEW.id,
                    sha256(coalesce(v_digest, '') || audit_content(NEW)));
            RETURN NULL;
        END $$
    """)
    op.execute(
        "CREATE CONSTRAINT TRIGGER link_entry AFTER INSERT ON audit_entry DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION link_audit_entry()"
    )
    op.execute("REVOKE ALL ON FUNCTION link_audit_entry() FROM PUBLIC")


def _link_what_is_there() -> None:
    op.execute("CREATE POLICY linking ON audit_entry FOR SELECT TO CURRENT_USER USING (true)")
    op.execute("""
        DO $$
        DECLARE
            e audit_entry;
            v_chain uuid;
            v_last uuid;
            v_seq bigint;
            v_digest bytea;
        BEGIN
            FOR e IN SELECT * FROM audit_entry ORDER BY partner_id, coalesce(org_id, partner_id), id LOOP
                v_chain := coalesce(e.org_id, e.partner_id);
                IF v_last IS DISTINCT FROM v_chain THEN
                    v_last := v_chain; v_seq := 0; v_digest := '';
                END IF;
                PERFORM set_config('ringstead.partner_id', e.partner_id::text, true);
                v_seq := v_seq + 1;
                v_digest := sha256(v_digest || audit_content(e));
                INSERT INTO audit_link VALUES (e.partner_id, v_chain, v_seq, e.id, v_digest);
            END LOOP;
            PERFORM set_config('ringstead.partner_id', '', true);
        END $$
    """)
    op.execute("DROP POLICY linking ON audit_entry")
