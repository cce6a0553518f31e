"""Mail: in the partner's name, exactly what was asked for, and never lost, whatever the server does."""

import threading
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mail_servers import PASSWORD, TLS, USER, Behaviour, HangsUp, MailServer
from sqlalchemy import select, text

from ringstead.api.testing import Person, Tenants, test_settings
from ringstead.app import load_registry
from ringstead.db.engine import Database
from ringstead.jobs import failed_jobs, list_jobs
from ringstead.jobs.queue import forget_old_work
from ringstead.mail import MailMessage, failed_mail, mail_counts, queue_mail, retry_mail
from ringstead.mail.compose import Composer, sender
from ringstead.mail.delivery import ATTEMPTS, Postman
from ringstead.mail.markup import UnfitMarkup, html_of, styles, subject_of, text_of
from ringstead.mail.outbox import address
from ringstead.mail.transport import Refused, Transport, TryLater, open_transport
from ringstead.preferences.store import set_for_subscriber
from ringstead.tenancy.models import Host, Partner
from ringstead.theming import Brand, InvalidBrand

BRAND = {
    "name": "Harborline Voice",
    "color": "#0b6e6e",
    "mail_sender": "Harborline <desk@harborline.example>",
    "support_email": "help@harborline.example",
    "support_phone": "+12125550199",
}
RESET = "http://harborline.localhost/reset/one-time?x=1&y=2"


@pytest.fixture(autouse=True)
def empty_queue(work_database: Database) -> None:
    with work_database.app_engine.begin() as connection:
        connection.execute(text("DELETE FROM procrastinate_jobs"))


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of partner bundles."""
    return tmp_path_factory.mktemp("tenants")


@pytest.fixture(scope="module")
def composer(tmp_path_factory: pytest.TempPathFactory, bundles: Path) -> Composer:
    settings = test_settings(tmp_path_factory.mktemp("var"), tenants_dir=bundles, plugin_strict=False)
    return Composer(settings, load_registry(settings))


@pytest.fixture
def partner(tenants: Tenants) -> Partner:
    return tenants.partner(brand=BRAND)


@pytest.fixture
def run_mail(run_due: Callable[..., None], composer: Composer) -> Callable[[str], None]:
    """`run_mail(mail_url)`: what a worker with this setting does now."""

    def run(mail_url: str) -> None:
        transport = open_transport(mail_url, Path("unused"), timeout=0.5)
        run_due({spec.name: spec for spec in Postman(composer, transport).jobs()})

    return run


@pytest.fixture
def server() -> Iterator[tuple[Behaviour, str]]:
    """A server that takes everything until it is told otherwise, and its address."""
    behaviour = Behaviour()
    with MailServer(behaviour) as running:
        yield behaviour, running.url()


def ask_reset(database: Database, partner: Partner, to: str = "juno@example.com", **values: Any) -> UUID:
    with database.in_partner(partner.id) as session:
        values = {"name": "Juno", "url": RESET, **values}
        return queue_mail(session, to=to, template="core/mail/reset", values=values)


def stored(database: Database, partner: Partner, mail_id: UUID) -> MailMessage:
    with database.in_partner(partner.id) as session:
        return session.get_one(MailMessage, (partner.id, mail_id))


def make_due(database: Database) -> None:
    with database.app_engine.begin() as connection:
        connection.execute(text("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'"))


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    content = body.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


def test_a_mail_arrives_in_the_partners_name(
    work_database: Database,
    partner: Partner,
    server: tuple[Behaviour, str],
    run_mail: Callable[[str], None],
) -> None:
    mail_id = ask_reset(work_database, partner, name="Juno <b>")
    run_mail(server[1])
    (message,) = server[0].taken
    assert server[0].recipients == ["juno@example.com"]
    assert str(message["From"]) == "Harborline <desk@harborline.example>"
    assert str(message["To"]) == "juno@example.com"
    assert str(message["Reply-To"]) == "help@harborline.example"
    assert str(message["Subject"]) == "Choose a new password"
    assert str(message["Message-ID"]) == f"<{mail_id}@harborline.example>"
    assert str(message["Auto-Submitted"]) == "auto-generated"
    assert message["Date"].datetime.tzinfo is not None
    assert message.get_content_type() == "multipart/alternative"
    assert [p.get_content_type() for p in message.iter_parts()] == ["text/plain", "text/html"]
    assert f"Choose a new password:\n{RESET}\n" in part(message, "plain")
    assert "Hello Juno <b>," in part(message, "plain")
    assert "Hello Juno &lt;b&gt;," in part(message, "html")
    assert 'href="http://harborline.localhost/reset/one-time?x=1&amp;y=2"' in part(message, "html")
    assert "background:#0b6e6e" in part(message, "html")
    assert f"http://{partner.slug}.test:8080" in part(message, "plain")
    assert "ringstead" not in message.as_string().lower()


def test_a_sent_mail_is_marked_and_its_one_time_link_forgotten(
    work_database: Database,
    partner: Partner,
    server: tuple[Behaviour, str],
    run_mail: Callable[[str], None],
) -> None:
    mail_id = ask_reset(work_database, partner)
    assert stored(work_database, partner, mail_id).state == "queued"
    run_mail(server[1])
    mail = stored(work_database, partner, mail_id)
    assert (mail.state, mail.attempts, mail.values, mail.last_error) == ("sent", 1, None, "")
    assert mail.finished_at is not None
    assert mail.subject == "Choose a new password"


def test_what_was_rolled_back_sends_no_mail(
    work_database: Database,
    partner: Partner,
    server: tuple[Behaviour, str],
    run_mail: Callable[[str], None],
) -> None:
    def queue_and_fail() -> None:
        with work_database.in_partner(partner.id) as session:
            queue_mail(session, to="juno@example.com", template="core/mail/reset", values={})
            raise LookupError("the page failed after it queued the mail")

    with pytest.raises(LookupError):
        queue_and_fail()
    run_mail(server[1])
    assert server[0].taken == []


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
def test_a_mail_put_off_is_sent_later(
    work_database: Database,
    partner: Partner,
    server: tuple[Behaviour, str],
    run_mail: Callable[[str], None],
    step: str,
) -> None:
    behaviour, url = server
    setattr(behaviour, step, "451 4.7.1 Greylisted, try again later")
    mail_id = ask_reset(work_database, partner)
    run_mail(url)
    mail = stored(work_database, partner, mail_id)
    assert (mail.state, mail.attempts) == ("queued", 1)
    assert mail.last_error == "451 4.7.1 Greylisted, try again later"
    (job,) = list_jobs(work_database, "todo")
    assert job.run_at is not None
    assert behaviour.taken == []
    setattr(behaviour, step, "250 OK")
    make_due(work_database)
    run_mail(url)
    assert stored(work_database, partner, mail_id).state == "sent"
    assert [str(m["Message-ID"]) for m in behaviour.taken] == [f"<{mail_id}@harborline.example>"]


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
def test_a_refused_mail_is_kept_with_the_reason_and_can_be_sent_again(
    work_database: Database,
    partner: Partner,
    server: tuple[Behaviour, str],
    run_mail: Callable[[str], None],
    step: str,
) -> None:
    behaviour, url = server
    setattr(behaviour, step, "550 5.1.1 No such user here")
    mail_id = ask_reset(work_database, partner)
    run_mail(url)
    mail = stored(work_database, partner, mail_id)
    assert (mail.state, mail.last_error) == ("failed", "550 5.1.1 No such user here")
    assert list_jobs(work_database, "todo") == []
    assert mail_id in [m.id for m in failed_mail(work_database, "tests")]
    assert mail_counts(work_database, "tests").failed >= 1
    setattr(behaviour, step, "250 OK")
    assert retry_mail(work_database, "tests", [mail_id]) == [mail_id]
    run_mail(url)
    assert stored(work_database, partner, mail_id).state == "sent"
    assert len(behaviour.taken) == 1


def test_a_mail_that_is_put_off_for_too_long_is_given_up(
    work_database: Database,
    partner: Partner,
    server: tuple[Behaviour, str],
    run_mail: Callable[[str], None],
) -> None:
    server[0].rcpt = "452 Mailbox full"
    mail_id = ask_reset(work_database, partner)
    with work_database.in_partner(partner.id) as session:
        session.get_one(MailMessage, (partner.id, mail_id)).attempts = ATTEMPTS - 1
    run_mail(server[1])
    mail = stored(work_database, partner, mail_id)
    assert (mail.state, mail.attempts, mail.last_error) == ("failed", ATTEMPTS, "452 Mailbox full")
    assert list_jobs(work_database, "todo") == []
    assert failed_jobs(work_database) == []


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
def test_a_silent_server_is_not_waited_for_for_ever(
    work_database: Database,
    partner: Partner,
    server: tuple[Behaviour, str],
    run_mail: Callable[[str], None],
    step: str,
) -> None:
    setattr(server[0], step, "hang")
    mail_id = ask_reset(work_database, partner)
    run_mail(server[1])
    mail = stored(work_database, partner, mail_id)
    assert (mail.state, mail.attempts) == ("queued", 1)
    assert "timed out" in mail.last_error
    assert len(list_jobs(work_database, "todo")) == 1


def test_a_server_that_hangs_up_in_the_middle_has_not_taken_the_mail(
    work_database: Database, partner: Partner, run_mail: Callable[[str], None]
) -> None:
    behaviour = Behaviour()
    mail_id = ask_reset(work_database, partner)
    with MailServer(behaviour, kind=HangsUp) as running:
        run_mail(running.url())
    mail = stored(work_database, partner, mail_id)
    assert (mail.state, mail.attempts) == ("queued", 1)
    assert mail.last_error
    with MailServer(behaviour) as running:
        make_due(work_database)
        run_mail(running.url())
    assert stored(work_database, partner, mail_id).state == "sent"
    assert len(behaviour.taken) == 1


def test_no_server_at_all_is_tried_again(
    work_database: Database, partner: Partner, run_mail: Callable[[str], None]
) -> None:
    with MailServer(Behaviour()) as running:
        gone = running.url()
    mail_id = ask_reset(work_database, partner)
    run_mail(gone)
    mail = stored(work_database, partner, mail_id)
    assert (mail.state, mail.attempts) == ("queued", 1)
    assert "refused" in mail.last_error


def message_to(recipient: str = "juno@example.com") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "desk@harborline.example", recipient, "Hello"
    message.set_content("Hello.")
    return message


def test_tls_is_used_when_it_is_offered() -> None:
    behaviour = Behaviour()
    with MailServer(behaviour, starttls=True) as running:
        open_transport(running.url(), Path("unused"), 5).send(message_to(), "x")
    with MailServer(behaviour, implicit_tls=True) as running:
        open_transport(running.url("smtps"), Path("unused"), 5).send(message_to(), "x")
    assert behaviour.encrypted == [True, True]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_password_goes_only_to_a_server_that_is_who_it_says(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    behaviour = Behaviour()
    sign_in = f"{USER}:{quote(PASSWORD, safe='')}@"
    secure = {"starttls": scheme == "smtp", "implicit_tls": scheme == "smtps"}
    with MailServer(behaviour, auth=scheme == "smtp", **secure) as running:
        transport = open_transport(running.url(scheme, sign_in), Path("unused"), 5)
        with pytest.raises(TryLater, match="CERTIFICATE_VERIFY_FAILED"):
            transport.send(message_to(), "x")
        assert behaviour.taken == []
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "cert.pem"))
    with MailServer(behaviour, auth=True, starttls=True) as running:
        open_transport(running.url("smtp", sign_in), Path("unused"), 5).send(message_to(), "x")
    assert (behaviour.encrypted, behaviour.signed_in) == ([True], [True])


@pytest.mark.parametrize("sign_in", ["", f"{USER}:wrong@"])
def test_a_refused_sign_in_is_the_operators_affair_and_costs_no_mail(
    monkeypatch: pytest.MonkeyPatch, sign_in: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "cert.pem"))
    with (
        MailServer(Behaviour(), auth=True, starttls=True) as running,
        pytest.raises(TryLater, match=r"53[05]"),
    ):
        open_transport(running.url("smtp", sign_in), Path("unused"), 5).send(message_to(), "x")


def test_the_servers_answer_decides() -> None:
    for answer, verdict in (("554 no", Refused), ("421 closing", TryLater), ("552 too big", Refused)):
        with MailServer(Behaviour(data=answer)) as running, pytest.raises(verdict):
            open_transport(running.url(), Path("unused"), 5).send(message_to(), "x")


def test_a_folder_takes_mail_whole_or_not_at_all(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    work_database: Database,
    partner: Partner,
    composer: Composer,
    run_due: Callable[..., None],
) -> None:
    transport = open_transport("file:", tmp_path)
    mail_id = ask_reset(work_database, partner)
    run_due({spec.name: spec for spec in Postman(composer, transport).jobs()})
    (file,) = (tmp_path / "mail").iterdir()
    assert file.name == f"{mail_id}.eml"
    assert b"Subject: Choose a new password\r\n" in file.read_bytes()
    transport.send(message_to(), str(mail_id))
    assert [f.name for f in (tmp_path / "mail").iterdir()] == [f"{mail_id}.eml"]

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ringstead.mail.transport.os.fsync", full)
    with pytest.raises(TryLater, match="No space left"):
        transport.send(message_to(), "other")
    assert [f.name for f in (tmp_path / "mail").iterdir()] == [f"{mail_id}.eml"]


def test_two_workers_with_one_mail_send_it_once(
    work_database: Database, partner: Partner, composer: Composer
) -> None:
    sent: list[str] = []
    inside, go_on = threading.Event(), threading.Event()

    class Slow(Transport):
        def send(self, _message: EmailMessage, name: str) -> None:
            inside.set()
            assert go_on.wait(10)
            sent.append(name)

    postman = Postman(composer, Slow())
    job = {"partner_id": partner.id, "mail_id": ask_reset(work_database, partner)}
    threads = [threading.Thread(target=postman.send, args=(work_database,), kwargs=job) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert inside.wait(10)
    go_on.set()
    for thread in threads:
        thread.join()
    assert sent == [str(job["mail_id"])]


def test_a_faulty_template_costs_only_its_mail_and_can_be_mended(
    work_database: Database,
    partner: Partner,
    server: tuple[Behaviour, str],
    run_mail: Callable[[str], None],
) -> None:
    with work_database.in_partner(partner.id) as session:
        faulty = queue_mail(session, to="juno@example.com", template="core/mail/nothing", values={})
        lacking = queue_mail(session, to="juno@example.com", template="core/mail/reset", values={})
    run_mail(server[1])
    assert "core/mail/nothing" in stored(work_database, partner, faulty).last_error
    assert "NameError" in stored(work_database, partner, lacking).last_error
    assert server[0].taken == []


def test_mail_speaks_the_recipients_language_and_its_links_lead_to_their_portal(
    work_database: Database,
    tenants: Tenants,
    partner: Partner,
    composer: Composer,
    server: tuple[Behaviour, str],
    run_mail: Callable[[str], None],
) -> None:
    person: Person = tenants.person(tenants.organization(partner))
    assert person.organization is not None
    assert person.subscriber is not None
    own_host = f"own.{partner.slug}.test"
    with work_database.as_operator("tests", "a host of its own") as operator:
        operator.add(
            Host(name=own_host, partner_id=partner.id, org_id=person.organization.org_id, kind="portal")
        )
    with work_database.run_as(person.organization.org_id) as session:
        set_for_subscriber(session, composer.declared, person.subscriber.id, "core.locale", "de")
        values = {"name": person.account.name, "url": RESET}
        queue_mail(session, to=person.account.email, template="core/mail/reset", values=values)
    ask_reset(work_database, partner, to=person.account.email)
    ask_reset(work_database, partner, to="stranger@example.com")
    run_mail(server[1])
    told = {(str(m["Content-Language"]), own_host in part(m, "html")) for m in server[0].taken}
    assert told == {("de", True), ("de", False), ("en", False)}


def test_a_partners_bundle_may_bring_its_own_template(
    work_database: Database,
    partner: Partner,
    bundles: Path,
    server: tuple[Behaviour, str],
    run_mail: Callable[[str], None],
) -> None:
    file = bundles / partner.slug / "templates" / "core" / "mail" / "reset.pt"
    file.parent.mkdir(parents=True)
    file.write_text(
        '<html metal:use-macro="mail"><tal:x metal:fill-slot="subject">Hello ${name}</tal:x>'
        '<tal:x metal:fill-slot="body"><p>Our own words, ${name}: <a href="${url}">here</a>.</p></tal:x></html>'
    )
    evil = "Eve\r\nBcc: eve@example.org\r\n\r\nsecond body"
    ask_reset(work_database, partner, name=evil)
    run_mail(server[1])
    (message,) = server[0].taken
    assert str(message["Subject"]) == "Hello Eve Bcc: eve@example.org second body"
    assert message["Bcc"] is None
    assert server[0].recipients == ["juno@example.com"]
    assert f"here <{RESET}>." in " ".join(part(message, "plain").split())


@pytest.mark.parametrize(
    "to",
    [
        "",
        "juno",
        "juno@example.com\nBcc: eve@example.org",
        "juno@example.com\r\n",
        "Juno <juno@example.com>",
        "juno@example.com, eve@example.org",
        "ju\x00no@example.com",
        "juno@exa mple.com",
        "j" * 300 + "@example.com",
    ],
)
def test_what_is_no_address_is_refused_before_anything_is_stored(
    work_database: Database, partner: Partner, to: str
) -> None:
    if to.strip() == "juno@example.com":
        assert address(to) == "juno@example.com"
        return
    with work_database.in_partner(partner.id) as session:
        with pytest.raises(ValueError, match="e-mail address"):
            queue_mail(session, to=to, template="core/mail/reset", values={})
        assert session.scalars(select(MailMessage)).all() == []


@given(st.text())
def test_no_address_breaks_out_of_its_header(typed: str) -> None:
    try:
        checked = address(f"{typed}@example.com")
    except ValueError:
        return
    lines = message_to(checked).as_bytes().split(b"\n\n")[0].splitlines()
    names = [line.partition(b":")[0] for line in lines if not line.startswith(b" ")]
    assert set(names) <= {
        b"From",
        b"To",
        b"Subject",
        b"Content-Type",
        b"Content-Transfer-Encoding",
        b"MIME-Version",
    }


@example("Acme, Inc.", "desk@acme.example")
@example("Acme; X", "desk@acme.example")
@example("[Acme]", "desk@acme.example")
@example("Acme: Help", "desk@acme.example")
@example("desk@evil.example", "desk@acme.example")
@example("", "des\u212a@acme.example")
@given(st.text(max_size=80), st.sampled_from(("desk@acme.example", "des\u212a@acme.example")))
def test_a_mail_is_from_whom_the_brand_says(name: str, spec: str) -> None:
    """Whatever sender a brand takes, its address is the one that was checked, and its name is whole."""
    try:
        brand = Brand(name="Acme", mail_sender=f"{name} <{spec}>" if name else spec)
    except InvalidBrand:
        return
    message = EmailMessage()
    message["From"] = sender(brand, "portal.acme.example")
    read = message_from_bytes(message.as_bytes(), policy=policy.default)["From"].addresses
    assert [one.addr_spec for one in read] == [spec]
    assert " ".join(read[0].display_name.split()) == " ".join((name.strip() or "Acme").split())


@given(st.text(min_size=1))
def test_whatever_a_value_says_the_mail_stays_well_formed(value: str) -> None:
    from html import escape

    markup = f"<title>Hello {escape(value)}</title><p>{escape(value)}</p>"
    subject = subject_of(markup)
    assert "\n" not in subject
    assert "\r" not in subject
    out = html_of(markup, styles(Brand(name="Harborline")))
    assert "<script" not in out
    assert out.count("<p") == 1 + value.count("&lt;p")
    assert text_of(markup).endswith("\n")


@pytest.mark.parametrize(
    "markup",
    [
        '<a href="/calls">relative</a>',
        '<a href="javascript:alert(1)">script</a>',
        "<script>alert(1)</script>",
        '<p onclick="x()">on</p>',
        '<form action="x"></form>',
    ],
)
def test_markup_that_has_no_place_in_a_mail_is_refused(markup: str) -> None:
    with pytest.raises(UnfitMarkup):
        html_of(markup, {})


def test_a_mail_has_a_subject() -> None:
    with pytest.raises(UnfitMarkup, match="subject"):
        subject_of("<title> </title><p>Hello</p>")


def test_plain_text_reads_like_a_letter() -> None:
    markup = """<html><head><title>T</title></head><body><h1>Missed  calls</h1>
    <ul><li>Ada, 9:41</li><li>Ben, 10:02</li></ul><p>One<br/>two. <a href="mailto:a@b.example">a@b.example</a></p>
    <table><tr><th>From</th><td>101</td></tr></table></body></html>"""
    assert text_of(markup) == (
        "Missed calls\n\n- Ada, 9:41\n- Ben, 10:02\n\nOne\ntwo. a@b.example\n\nFrom 101\n"
    )


def test_every_core_template_makes_a_mail(
    work_database: Database,
    partner: Partner,
    server: tuple[Behaviour, str],
    run_mail: Callable[[str], None],
) -> None:
    folder = Path(__file__).parents[2] / "ringstead" / "web" / "templates" / "core" / "mail"
    names = sorted(path.stem for path in folder.glob("*.pt") if path.stem != "layout")
    assert {"password_changed", "reset"} <= set(names)
    with work_database.in_partner(partner.id) as session:
        for name in names:
            values = {
                "name": "Juno",
                "url": RESET,
                "actor": "Tansy",
                "reason": "Ticket 4821",
                "extension": "214",
                "is_new": True,
                "organization": "Bramble & Finch",
            }
            queue_mail(session, to="juno@example.com", template=f"core/mail/{name}", values=values)
    run_mail(server[1])
    assert len(server[0].taken) == len(names)


def test_old_mail_is_forgotten(work_database: Database, partner: Partner) -> None:
    ids = [ask_reset(work_database, partner) for _ in range(4)]
    ages = (("sent", 31), ("sent", 29), ("failed", 31), ("failed", 91))
    with work_database.in_partner(partner.id) as session:
        for mail_id, (state, days) in zip(ids, ages, strict=True):
            session.execute(
                text(
                    "UPDATE mail_message SET state = :state, finished_at = now() - make_interval(days => :days)"
                    " WHERE id = :id"
                ),
                {"state": state, "days": days, "id": mail_id},
            )
    forget_old_work(work_database)
    with work_database.in_partner(partner.id) as session:
        assert set(session.scalars(select(MailMessage.id))) == {ids[1], ids[2]}
