"""Files that go with a mail, and what is done once a real server has taken it, and not before."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from mail_servers import Behaviour, MailServer
from sqlalchemy import text

from ringstead.api import JobSpec
from ringstead.api.blobs import org_blobs
from ringstead.api.testing import Tenants, test_settings
from ringstead.api.work import MailAttachment, queue_mail
from ringstead.app import load_registry
from ringstead.blobs import BLOBS, open_blobs
from ringstead.db.engine import Database, DatabaseUrls
from ringstead.jobs.runner import JobRunner
from ringstead.mail.compose import Composer
from ringstead.mail.delivery import Postman
from ringstead.mail.transport import open_transport
from ringstead.tenancy.models import Organization

AFTER = "core.after"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return test_settings(tmp_path_factory.mktemp("var"), plugin_strict=False)


@pytest.fixture(scope="module")
def composer(settings: Any) -> Composer:
    return Composer(settings, load_registry(settings))


@pytest.fixture
def with_blobs(work_urls: DatabaseUrls, settings: Any) -> Iterator[Database]:
    database = Database(work_urls, info={BLOBS: open_blobs(settings)})
    with database.app_engine.begin() as connection:
        connection.execute(text("DELETE FROM procrastinate_jobs"))
    yield database
    database.dispose()


@pytest.fixture
def organization(tenants: Tenants) -> Organization:
    return tenants.organization(tenants.partner())


@pytest.fixture
def run(with_blobs: Database, composer: Composer) -> Callable[[str], list[UUID]]:
    """`run(mail_url)`: what a worker does now; what was done after a mail was taken."""
    done: list[UUID] = []

    def after(_database: Database, *, message_id: UUID) -> None:
        done.append(message_id)

    def work(mail_url: str) -> list[UUID]:
        transport = open_transport(mail_url, Path("unused"), timeout=0.5)
        jobs = {spec.name: spec for spec in Postman(composer, transport).jobs()}
        jobs[AFTER] = JobSpec(name=AFTER, run=after)
        for _ in range(2):
            JobRunner(jobs, with_blobs, concurrency=2).run(wait=False)
        return done

    return work


def send(database: Database, organization: Organization, mark: UUID, *keys: str) -> None:
    with database.run_as(organization.org_id) as session:
        org_blobs(session).put("core/sound", [b"so", b"und"])
        queue_mail(
            session,
            to="juno@example.com",
            template="core/mail/reset",
            values={"name": "Juno", "url": "http://x.test/"},
            attachments=[MailAttachment(key, "voicemail.mp3", "audio/mpeg") for key in keys],
            on_sent=(AFTER, {"message_id": mark}),
        )


def test_a_file_arrives_and_then_the_job_runs(
    with_blobs: Database, organization: Organization, run: Callable[[str], list[UUID]]
) -> None:
    behaviour = Behaviour()
    with MailServer(behaviour) as server:
        send(with_blobs, organization, organization.org_id, "core/sound", "core/gone")
        assert run(server.url()) == [organization.org_id]
    (message,) = behaviour.taken
    (file,) = message.iter_attachments()
    assert (file.get_filename(), file.get_content_type()) == ("voicemail.mp3", "audio/mpeg")
    assert file.get_content() == b"sound"
    assert message.get_body(("plain",)) is not None
    assert message["Content-Language"] == "en"


@pytest.mark.parametrize("answer", ["451 later", "550 no such mailbox", "hang"])
def test_a_server_that_has_not_taken_it_starts_nothing(
    with_blobs: Database, organization: Organization, run: Callable[[str], list[UUID]], answer: str
) -> None:
    behaviour = Behaviour(data=answer)
    with MailServer(behaviour) as server:
        send(with_blobs, organization, organization.org_id)
        assert run(server.url()) == []
    assert behaviour.taken == []
