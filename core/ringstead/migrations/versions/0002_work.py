"""Work after a request: the job queue, events and their deliveries, mail.

Revision ID: 0002
Revises: 0001
"""

from importlib import resources
from importlib.metadata import version

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from ringstead.db.policy import NO_TENANT, ORG, ORG_RULE, PARTNER_RULE, grant, protect

revision = "0002"
down_revision = "0001"

NOW = sa.text("now()")
QUEUE_TABLES = (
    "procrastinate_workers",
    "procrastinate_jobs",
    "procrastinate_periodic_defers",
    "procrastinate_events",
)


def upgrade() -> None:
    _queue()
    _events()
    _mail()
    _retention()


def _queue() -> None:
    schema = (resources.files("procrastinate.sql") / "schema.sql").read_text(encoding="utf-8")
    # Through psycopg itself: the file holds many statements, and percent signs that are no parameters.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None, "migrations run on a live connection"
    driver.execute(schema)
    # A later migration reads this to find out which of the library's own migrations are still to be applied.
    op.execute(f"COMMENT ON TABLE procrastinate_jobs IS 'procrastinate {version('procrastinate')}'")
    for table in QUEUE_TABLES:
        grant(table)
        op.execute(f"GRANT USAGE ON SEQUENCE {table}_id_seq TO ringstead_app, ringstead_operator")
    op.execute(ENQUEUE_JOB)
    # Why a job failed last; the library keeps only that it did. Gone with the job.
    op.create_table(
        "job_failure",
        sa.Column("job_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=NOW),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["procrastinate_jobs.id"], ondelete="CASCADE"),
    )
    grant("job_failure")


# A job of which one in the queue is enough must not be skipped because of one that a worker may take before we commit:
# the lock on the waiting job's row keeps workers off it (they skip locked rows) until then. Without a queueing lock it
# is a plain insert.
ENQUEUE_JOB = """
    CREATE FUNCTION enqueue_job(
        p_name text, p_arguments jsonb, p_run_at timestamptz, p_lock text, p_queueing_lock text)
    RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
        v_jobs procrastinate_job_to_defer_v1[] :=
            ARRAY[ROW('default', p_name, 0, p_lock, p_queueing_lock, p_arguments, p_run_at)];
        v_id bigint;
    BEGIN
        IF p_queueing_lock IS NULL THEN
            RETURN (procrastinate_defer_jobs_v1(v_jobs))[1];
        END IF;
        FOR attempt IN 1..10 LOOP
            SELECT j.id INTO v_id FROM procrastinate_jobs j
                WHERE j.queueing_lock = p_queueing_lock AND j.status = 'todo' FOR SHARE;
            IF FOUND THEN RETURN NULL; END IF;
            BEGIN
                RETURN (procrastinate_defer_jobs_v1(v_jobs))[1];
            EXCEPTION WHEN unique_violation THEN
                NULL; -- somebody queued the same meanwhile: look again
            END;
        END LOOP;
        RAISE EXCEPTION 'the job % with queueing lock % cannot be queued now', p_name, p_queueing_lock
            USING ERRCODE = 'serialization_failure';
    END $$
"""


def _events() -> None:
    op.create_table(
        "event_outbox",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("payload", JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=NOW),
        sa.Column("delivered_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("org_id", "id"),
    )
    op.create_index("ix_event_outbox_delivered_at", "event_outbox", ["delivered_at"])
    op.create_table(
        "event_delivery",
        sa.Column("org_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("listener", sa.Text(), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=False, server_default=NOW),
        sa.PrimaryKeyConstraint("org_id", "event_id", "listener"),
        sa.ForeignKeyConstraint(
            ["org_id", "event_id"], ["event_outbox.org_id", "event_outbox.id"], ondelete="CASCADE"
        ),
    )
    protect("event_outbox", ORG_RULE)
    protect("event_delivery", ORG_RULE)


def _mail() -> None:
    op.create_table(
        "mail_message",
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("org_id", sa.Uuid()),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text()),
        sa.Column("subject", sa.Text(), nullable=False, server_default=""),
        # What the template is filled with; dropped once the mail is sent, for it may hold a one-time link.
        sa.Column("values", JSONB()),
        sa.Column("state", sa.Text(), nullable=False, server_default="queued"),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("last_error", sa.Text(), nullable=False, server_default=""),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=NOW),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("partner_id", "id"),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], ondelete="CASCADE"),
        sa.CheckConstraint("state IN ('queued', 'sent', 'failed')", name="state"),
    )
    op.create_index(
        "ix_mail_message_failed", "mail_message", ["partner_id"], postgresql_where=sa.text("state = 'failed'")
    )
    op.create_index("ix_mail_message_finished_at", "mail_message", ["finished_at"])
    protect("mail_message", f"{PARTNER_RULE} AND ({ORG} IS NULL OR org_id = {ORG})")


# What is old may be deleted by the worker over all tenants, and nothing else: the policies say what is old, and hold
# only while no tenant is entered. A DELETE without WHERE reads no row, so the tenants' own policies, which would hide
# the rows, have no say; and with no tenant entered they let nothing be deleted either.
OLD = {
    "event_outbox": "delivered_at < now() - interval '7 days'",
    "mail_message": "(state = 'sent' AND finished_at < now() - interval '30 days')"
    " OR (state = 'failed' AND finished_at < now() - interval '90 days')",
}


def _retention() -> None:
    for table, rule in OLD.items():
        op.execute(
            f"CREATE POLICY old ON {table} FOR DELETE TO ringstead_app USING (({rule}) AND {NO_TENANT})"
        )
    deletions = "; ".join(f"DELETE FROM {table}" for table in OLD)
    op.execute(f"""
        CREATE FUNCTION forget_old_work() RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM set_config('ringstead.partner_id', '', true), set_config('ringstead.org_id', '', true);
            {deletions};
            DELETE FROM procrastinate_jobs j WHERE j.status IN ('succeeded', 'cancelled', 'aborted')
                OR (j.status = 'failed' AND EXISTS (
                    SELECT FROM job_failure f WHERE f.job_id = j.id AND f.at < now() - interval '90 days'));
        END $$
    """)
