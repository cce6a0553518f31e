"""Looking after a directory: limits, ranges of numbers and extensions, hours of locations, imports, search by words.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from ringstead.api.migrations import create_partner_table, create_tenant_table
from ringstead.db.listing import allow_owner_to_read
from ringstead.db.policy import DIRECTORY_RULE, protect

revision = "0020"
down_revision = "0019"

NOW = sa.text("now()")


def upgrade() -> None:
    # NULL: as many as there come.
    op.add_column("organization", sa.Column("subscriber_limit", sa.Integer(), nullable=True))
    op.create_check_constraint("subscriber_limit", "organization", "subscriber_limit > 0")
    # Going: closed, to be exported, and removed on a day.
    op.add_column("organization", sa.Column("leaves_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_constraint("status", "organization")
    op.create_check_constraint("status", "organization", "status IN ('active', 'suspended', 'leaving')")
    op.add_column("location", sa.Column("time_zone", sa.Text(), nullable=True))
    op.add_column("location", sa.Column("hours", JSONB(), nullable=True))
    # To count them for the partner.
    op.create_index("ix_subscriber_partner_id_status", "subscriber", ["partner_id", "status"])
    _ranges()
    _imports()
    _templates()
    _features_in_use()
    _words()


def _ranges() -> None:
    op.create_table(
        "number_range",
        _uuid("org_id"),
        _uuid("id"),
        _uuid("partner_id"),
        _text("kind"),
        # Of the same length, so that they compare as text.
        _text("first"),
        _text("last"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=NOW),
        sa.PrimaryKeyConstraint("org_id", "id"),
        sa.CheckConstraint("kind IN ('did', 'extension')", name="kind"),
        sa.CheckConstraint('length(first) = length(last) AND first <= last COLLATE "C"', name="order"),
    )
    op.create_index("ix_number_range_partner_id_kind_first", "number_range", ["partner_id", "kind", "first"])
    protect("number_range", DIRECTORY_RULE)

    _numbers_are_taken()


def _numbers_are_taken() -> None:
    """A number rings at one place of the whole installation. The answer says no more than yes or no."""
    op.execute("""
        CREATE INDEX ix_subscriber_number ON subscriber (length(number), (number COLLATE "C"))
        WHERE number IS NOT NULL
    """)
    op.execute(
        """CREATE INDEX ix_number_range_first ON number_range (kind, length(first), (first COLLATE "C"))"""
    )
    for table in ("subscriber", "number_range"):
        allow_owner_to_read(table)
    op.execute("""
        CREATE FUNCTION numbers_are_taken(p_first text, p_last text, p_org uuid, p_but uuid) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        DECLARE
            v_org text := coalesce(current_setting('ringstead.org_id', true), '');
            v_partner text := coalesce(current_setting('ringstead.partner_id', true), '');
            v_taken boolean;
        BEGIN
            PERFORM set_config('ringstead.org_id', '', true), set_config('ringstead.partner_id', '', true);
            v_taken := EXISTS (
                    SELECT FROM subscriber s
                    WHERE s.number IS NOT NULL AND length(s.number) = length(p_first)
                      AND s.number COLLATE "C" BETWEEN p_first AND p_last
                      AND CASE WHEN p_first = p_last THEN p_but IS NULL OR s.id <> p_but ELSE s.org_id <> p_org END)
                -- Ranges have nothing in common with one another, so the last that begins before the end decides.
                OR EXISTS (
                    SELECT FROM (SELECT r.last, r.org_id FROM number_range r
                                 WHERE r.kind = 'did' AND length(r.first) = length(p_first)
                                   AND r.first COLLATE "C" <= p_last
                                 ORDER BY r.first COLLATE "C" DESC LIMIT 1) b
                    WHERE b.last COLLATE "C" >= p_first AND (p_first <> p_last OR b.org_id <> p_org));
            PERFORM set_config('ringstead.org_id', v_org, true), set_config('ringstead.partner_id', v_partner, true);
            RETURN v_taken;
        END $$
    """)
    op.execute("REVOKE ALL ON FUNCTION numbers_are_taken(text, text, uuid, uuid) FROM PUBLIC")
    op.execute(
        "GRANT EXECUTE ON FUNCTION numbers_are_taken(text, text, uuid, uuid) TO ringstead_app, ringstead_operator"
    )


def _features_in_use() -> None:
    """How many organizations of the session's partner have each plugin on: counts, and nothing of whom."""
    allow_owner_to_read("organization_feature")
    allow_owner_to_read("organization")
    op.execute("""
        CREATE FUNCTION features_in_use() RETURNS TABLE (plugin text, organizations bigint)
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        DECLARE
            v_org text := coalesce(current_setting('ringstead.org_id', true), '');
            v_partner text := coalesce(current_setting('ringstead.partner_id', true), '');
        BEGIN
            PERFORM set_config('ringstead.org_id', '', true), set_config('ringstead.partner_id', '', true);
            RETURN QUERY SELECT f.plugin, count(*) FROM organization_feature f
                JOIN organization o ON o.org_id = f.org_id
                WHERE f.enabled AND o.partner_id = nullif(v_partner, '')::uuid GROUP BY f.plugin;
            PERFORM set_config('ringstead.org_id', v_org, true), set_config('ringstead.partner_id', v_partner, true);
        END $$
    """)
    op.execute("REVOKE ALL ON FUNCTION features_in_use() FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION features_in_use() TO ringstead_app, ringstead_operator")


def _templates() -> None:
    create_partner_table(
        "organization_template",
        _uuid("id"),
        _text("name"),
        sa.Column("content", JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=NOW),
        sa.UniqueConstraint("partner_id", "name"),
    )


def _imports() -> None:
    create_tenant_table(
        "subscriber_import",
        _uuid("id"),
        _uuid("actor_account_id"),
        _text("actor_name"),
        _text("file_name"),
        _text("state"),
        # A list with an object per line of the file: what it says, what is wrong with it, whom it made.
        sa.Column("lines", JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=NOW),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('checked', 'applied', 'undone')", name="state"),
    )


def _words() -> None:
    """Words by which a partner finds subscribers: each lower-case and without accents, compared byte by byte.

    `source` says who keeps them: `core` those of name, extension, number and e-mail addresses; a plugin its own.
    LIKE and trigrams use no index under row-level security, ranges do.
    """
    op.execute("""
        CREATE TABLE directory_word (
            org_id uuid NOT NULL,
            subscriber_id uuid NOT NULL,
            source text NOT NULL,
            word text COLLATE "C" NOT NULL CHECK (length(word) BETWEEN 1 AND 254),
            partner_id uuid NOT NULL,
            CONSTRAINT pk_directory_word PRIMARY KEY (org_id, subscriber_id, source, word),
            FOREIGN KEY (org_id, subscriber_id) REFERENCES subscriber (org_id, id) ON DELETE CASCADE)
    """)
    op.execute("CREATE INDEX ix_directory_word_partner_id_word ON directory_word (partner_id, word)")
    op.execute("CREATE INDEX ix_directory_word_org_id_word ON directory_word (org_id, word)")
    protect("directory_word", DIRECTORY_RULE)
    op.execute("""
        CREATE FUNCTION folded_words(p_text text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
            SELECT array_remove(regexp_split_to_array(
                regexp_replace(normalize(lower(p_text), NFKD), '[\\u0300-\\u036f]', '', 'g'), '[^[:alnum:]]+'), '')
        $$
    """)
    # A number is found by its beginning, and turned round by its end. The address by its beginning, too.
    op.execute("""
        CREATE FUNCTION words_of(p_name text, p_extension text, p_number text, p_emails text[])
        RETURNS SETOF text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
            SELECT DISTINCT left(w, 254) FROM unnest(
                folded_words(p_name) || p_extension
                || CASE WHEN p_number IS NULL THEN '{}'::text[]
                   ELSE ARRAY[ltrim(p_number, '+'), '~' || reverse(ltrim(p_number, '+'))] END
                || p_emails) w WHERE w <> ''
        $$
    """)
    op.execute("""
        CREATE FUNCTION keep_words(p_org uuid, p_subscriber uuid) RETURNS void LANGUAGE sql AS $$
            DELETE FROM directory_word d
                WHERE d.org_id = p_org AND d.subscriber_id = p_subscriber AND d.source = 'core';
            INSERT INTO directory_word (org_id, subscriber_id, source, word, partner_id)
                SELECT s.org_id, s.id, 'core', w, s.partner_id
                FROM subscriber s, words_of(s.name, s.extension, s.number, ARRAY(
                    SELECT a.email FROM membership m
                    JOIN account a ON a.partner_id = s.partner_id AND a.id = m.account_id
                    WHERE m.org_id = p_org AND m.subscriber_id = p_subscriber)) w
                WHERE s.org_id = p_org AND s.id = p_subscriber;
        $$
    """)
    _keep_words_up_to_date()


def _keep_words_up_to_date() -> None:
    op.execute("""
        CREATE FUNCTION words_of_subscriber() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM keep_words(NEW.org_id, NEW.id);
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER words AFTER INSERT OR UPDATE OF name, extension, number ON subscriber
        FOR EACH ROW EXECUTE FUNCTION words_of_subscriber()
    """)
    # Late in the transaction: in an organization, an account is seen once its membership is there, and the membership
    # may be written first.
    op.execute("""
        CREATE FUNCTION words_of_membership() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' THEN
                PERFORM keep_words(OLD.org_id, OLD.subscriber_id);
            ELSE
                PERFORM keep_words(NEW.org_id, NEW.subscriber_id);
            END IF;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE CONSTRAINT TRIGGER words AFTER INSERT OR DELETE ON membership
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION words_of_membership()
    """)
    op.execute("""
        CREATE FUNCTION words_of_account() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM keep_words(m.org_id, m.subscriber_id) FROM membership m
                WHERE m.partner_id = NEW.partner_id AND m.account_id = NEW.id;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER words AFTER UPDATE OF email ON account
        FOR EACH ROW WHEN (OLD.email IS DISTINCT FROM NEW.email) EXECUTE FUNCTION words_of_account()
    """)
    # For the rows that there are. The owner is held by the policies, too: let go for this one statement.
    tables = ("subscriber", "membership", "account", "directory_word")
    for table in tables:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute("SELECT keep_words(org_id, id) FROM subscriber")
    for table in tables:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def _uuid(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), nullable=False)


def _text(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=False)
