"""`ringstead jobs` and `ringstead mail`: what waits, what gave up and why, and trying it again."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import click

from ringstead.cli.shared import actor, open_database, print_table
from ringstead.settings import load_settings


@click.group()
def jobs() -> None:
    """See the queue of background jobs; try failed ones again."""


@jobs.command(name="status")
def jobs_status() -> None:
    """Count the jobs that wait, run and gave up."""
    from ringstead.jobs import job_counts

    with open_database(load_settings(), "app") as database:
        counts = job_counts(database)
    click.echo(
        f"waiting {counts.waiting}, scheduled {counts.scheduled}, running {counts.running}, failed {counts.failed}"
    )


@jobs.command(name="failed")
def jobs_failed() -> None:
    """List the jobs that gave up, newest first, with the reason."""
    from ringstead.jobs import failed_jobs

    with open_database(load_settings(), "app") as database:
        found = failed_jobs(database)
    rows = [(str(job.id), job.name, _minute(job.failed_at), str(job.attempts), job.error) for job in found]
    print_table(("Job", "Name", "Failed at", "Tries", "Why"), rows, "No job has failed.")


@jobs.command(name="retry")
@click.argument("ids", nargs=-1, type=int, metavar="[JOB]...")
@click.option("--all", "every", is_flag=True, help="Every failed job.")
def jobs_retry(ids: tuple[int, ...], every: bool) -> None:
    """Queue failed jobs again."""
    from ringstead.jobs import retry_jobs

    _check_choice(bool(ids), every)
    with open_database(load_settings(), "app") as database:
        done = retry_jobs(database, None if every else ids)
    _tell_queued(len(done), len(ids), every, "job")


@click.group()
def mail() -> None:
    """See the mail that was given up; send it again."""


@mail.command(name="failed")
def mail_failed() -> None:
    """List the mails that were given up, newest first, with what the server said."""
    from ringstead.mail import failed_mail

    with open_database(load_settings(), "operator") as database:
        found = failed_mail(database, actor())
    rows = [(str(one.id), one.recipient, one.template, one.last_error) for one in found]
    print_table(("Mail", "To", "Kind", "Why"), rows, "No mail was given up.")


@mail.command(name="retry")
@click.argument("ids", nargs=-1, type=click.UUID, metavar="[MAIL]...")
@click.option("--all", "every", is_flag=True, help="Every mail that was given up.")
def mail_retry(ids: tuple[UUID, ...], every: bool) -> None:
    """Queue mails again that were given up."""
    from ringstead.mail import retry_mail

    _check_choice(bool(ids), every)
    with open_database(load_settings(), "operator") as database:
        done = retry_mail(database, actor(), None if every else ids)
    _tell_queued(len(done), len(ids), every, "mail")


def _minute(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else ""


def _check_choice(some: bool, every: bool) -> None:
    if some == every:
        raise click.UsageError("Name what to try again, or give --all.")


def _tell_queued(done: int, asked: int, every: bool, thing: str) -> None:
    click.echo(f"{done} {thing}{'' if done == 1 else 's'} queued again.")
    if not every and done < asked:
        raise click.ClickException(f"{asked - done} of them had not failed; see the list of failed ones.")
