"""A partner's host names: one added works at once, nobody gets near another's, what is found about them is shown."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import select, text

from ringstead.api import HostToCheck
from ringstead.api.testing import Client, Tenants
from ringstead.db.engine import Database
from ringstead.tenancy import host_checks, portal_hosts
from ringstead.tenancy.models import AuditEntry, Host, Partner

Make = Callable[..., Any]
LOOK_UP = host_checks.addresses_of


@pytest.fixture
def partner(tenants: Tenants) -> Partner:
    return tenants.partner("Harborline Voice")


@pytest.fixture
def client(tenants: Tenants, partner: Partner, console: Make) -> Client:
    made: Client = console(tenants.staff(partner))
    return made


@pytest.fixture(autouse=True)
def dns(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """What DNS says in a test; nothing of any name that is not here."""
    known: dict[str, set[str]] = {}
    monkeypatch.setattr(host_checks, "addresses_of", lambda name: known.get(name, set()))
    return known


def add(client: Client, name: str, status: int = 303) -> Any:
    return client.post_form("/addresses", {"do": "add", "name": name}, status=status)


def host_names(database: Database, partner: Partner) -> set[str]:
    with database.in_partner(partner.id) as session:
        return set(session.scalars(select(Host.name).where(Host.partner_id == partner.id)))


def test_an_added_address_is_a_portal_from_the_next_request(
    client: Client, partner: Partner, wsgi: Any
) -> None:
    name = f"voice.{partner.slug}.example"
    Client(wsgi, name).get("/sign-in", status=421)
    add(client, f"  {name.upper()} ")
    assert "Harborline Voice" in Client(wsgi, name).get("/sign-in").text
    assert name in client.get("/addresses").text


def test_a_removed_address_is_none_any_more_and_it_is_asked_first(
    client: Client, partner: Partner, wsgi: Any
) -> None:
    name = f"voice.{partner.slug}.example"
    add(client, name)
    asked = client.post_form("/addresses", {"do": "remove", "name": name})
    assert f"Remove {name}?" in asked.text
    Client(wsgi, name).get("/sign-in", status=200)
    form = asked.html.select_one("#leaving-title").find_parent("form")
    sent = {one["name"]: one["value"] for one in form.select("input, button")}
    client.post("/addresses", sent, headers={"Origin": f"http://{client.host}"}, status=303)
    Client(wsgi, name).get("/sign-in", status=421)


def test_the_last_portal_and_the_console_stay(client: Client, partner: Partner, database: Database) -> None:
    before = host_names(database, partner)
    page = client.post_form(
        "/addresses", {"do": "remove", "name": f"{partner.slug}.test", "sure": "1"}, status=422
    )
    assert "This is the last address" in page.text
    page = client.post_form(
        "/addresses", {"do": "remove", "name": f"console.{partner.slug}.test", "sure": "1"}, status=422
    )
    assert "no such portal address" in page.text
    assert host_names(database, partner) == before


@pytest.mark.parametrize(
    "name",
    [
        "",
        "voice.example.com/x",
        "https://",
        "https://voice..example.com/x",
        "\u2603\ufe0f.example.com",
        "voice example",
        "192.0.2.7",
        "-",
        "a" * 300,
        "*.x.example",
    ],
)
def test_what_is_no_host_name_is_refused_and_stays_in_the_field(
    client: Client, partner: Partner, database: Database, name: str
) -> None:
    before = host_names(database, partner)
    page = add(client, name, status=422)
    assert "Enter a host name, such as" in page.html.select_one("#name-error").get_text()
    assert page.html.select_one("#name")["value"] == name[:300]
    assert host_names(database, partner) == before


def test_nobody_gets_at_or_near_anothers_name(
    client: Client, tenants: Tenants, partner: Partner, database: Database, wsgi: Any
) -> None:
    other = tenants.partner("Marigold Telephony")
    theirs = f"{other.slug}.test"
    before = host_names(database, partner)
    for name in (theirs, f"sub.{theirs}", f"console.{theirs}"):
        page = add(client, name, status=422)
        assert "This name cannot be used here" in page.text
        assert other.name not in page.text
    for platform in wsgi.registry["ringstead.settings"].platform_hosts:
        add(client, platform, status=422)
    assert host_names(database, partner) == before
    client.post_form("/addresses", {"do": "remove", "name": theirs, "sure": "1"}, status=422)
    client.post_form("/addresses", {"do": "remove", "name": theirs}, status=404)
    assert theirs in host_names(database, other)


def test_a_suffix_is_nobodys(client: Client, partner: Partner, database: Database) -> None:
    """Whoever had it would keep everybody else from the names below it."""
    before = host_names(database, partner)
    for suffix in ("co.uk", "com.br", "github.io"):
        page = add(client, suffix, status=422)
        assert "Anybody can have a name below this one" in page.html.select_one("#name-error").get_text()
    assert host_names(database, partner) == before


def test_nobody_gets_beside_anothers_name(client: Client, tenants: Tenants, console: Make) -> None:
    """A wildcard that serves one name of a domain serves all others."""
    other = tenants.partner("Marigold Telephony")
    domain = f"{other.slug}.co.uk"
    add(console(tenants.staff(other)), f"voice.{domain}")
    for name in (f"login.{domain}", domain, f"x.y.{domain}"):
        assert "This name cannot be used here" in add(client, name, status=422).text
    add(client, f"voice.{other.slug}-two.co.uk")


def test_a_whole_address_and_a_name_in_its_own_letters_are_understood(
    client: Client, partner: Partner, database: Database
) -> None:
    add(client, f"https://Voice.{partner.slug}.example/sign-in?x=1")
    add(client, f"m\u00fcnchen.{partner.slug}.example")
    found = host_names(database, partner)
    assert {f"voice.{partner.slug}.example", f"xn--mnchen-3ya.{partner.slug}.example"} <= found


def test_a_name_twice_and_too_many(client: Client, partner: Partner, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"voice.{partner.slug}.example"
    add(client, name)
    assert "You have this address already" in add(client, name, status=422).text
    monkeypatch.setattr(portal_hosts, "MOST_HOSTS", 3)
    assert "as many addresses as there may be" in add(client, f"2.{name}", status=422).text


def test_the_database_itself_refuses_to_write_anothers_host(
    tenants: Tenants, partner: Partner, database: Database
) -> None:
    other = tenants.partner()
    with database.in_partner(partner.id) as session:
        for change in ("UPDATE host SET kind = 'console'", "DELETE FROM host"):
            changed = session.execute(
                text(f"{change} WHERE partner_id = :other RETURNING name"), {"other": other.id}
            )
            assert changed.all() == []
    assert len(host_names(database, other)) == 2


def test_each_change_is_in_the_audit_trail(client: Client, partner: Partner, database: Database) -> None:
    name = f"voice.{partner.slug}.example"
    add(client, name)
    client.post_form("/addresses", {"do": "remove", "name": name, "sure": "1"}, status=303)
    with database.in_partner(partner.id) as session:
        found = session.execute(select(AuditEntry.action, AuditEntry.target).order_by(AuditEntry.id)).all()
    assert [tuple(row) for row in found] == [("host.added", name), ("host.removed", name)]


def test_support_may_not(tenants: Tenants, partner: Partner, console: Make) -> None:
    support = console(tenants.staff(partner, "partner_support"))
    support.get("/addresses", status=403)
    add(support, "voice.example.com", status=403)


def findings(client: Client, name: str) -> list[str]:
    rows = client.get("/addresses?look=1").html.select(".list li")
    (row,) = [row for row in rows if row.select_one("a.t1").get_text() == name]
    return [" ".join(one.get_text(" ").split()) for one in row.select(".finding")]


def test_what_dns_says_is_shown(client: Client, partner: Partner, dns: dict[str, set[str]]) -> None:
    here, away, nowhere = (f"{word}.{partner.slug}.example" for word in ("here", "away", "nowhere"))
    for name in (here, away, nowhere):
        add(client, name)
    dns |= {client.host: {"198.51.100.7"}, here: {"198.51.100.7"}, away: {"8.8.8.8", "10.0.0.1"}}
    assert findings(client, here)[0] == "DNS: Good Leads here."
    assert findings(client, away)[0].startswith("DNS: To do Leads to 8.8.8.8, and not to where")
    assert "10.0.0.1" not in client.get("/addresses?look=1").text
    assert findings(client, nowhere)[0].startswith("DNS: To do DNS does not know this name")
    assert findings(client, here)[1] == "Certificate: Not known Pages are served without encryption here."


def test_localhost_is_this_machine_whatever_dns_says() -> None:
    assert "127.0.0.1" in LOOK_UP("console.harborline.localhost")
    assert LOOK_UP("no.such.name.invalid") == set()


def test_a_console_that_dns_does_not_know_is_not_told_to_lead_to_itself(client: Client) -> None:
    assert findings(client, client.host)[0] == "DNS: To do DNS does not know this name."


def test_without_being_asked_nothing_is_looked_at(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(host_checks, "addresses_of", asked.append)
    assert client.get("/addresses").html.select(".finding") == []
    assert asked == []


class Certified:
    """A server on this machine that shows a certificate for a name, valid for so many days."""

    def __init__(self, folder: Path, name: str, days: float) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        begins = now - timedelta(days=30)
        made = (
            x509.CertificateBuilder()
            .subject_name(named)
            .issuer_name(named)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(key, hashes.SHA256())
        )
        self.path = folder / "certificate.pem"
        plain = serialization.NoEncryption()
        self.path.write_bytes(
            made.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, args=(context,), daemon=True)
        self.thread.start()

    def serve(self, context: ssl.SSLContext) -> None:
        while True:
            try:
                plain, _address = self.listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(plain, server_side=True) as secured:
                    secured.recv(1)
            except OSError:
                continue

    @property
    def trusting(self) -> ssl.SSLContext:
        """What a browser trusts that trusts this certificate."""
        return ssl.create_default_context(cafile=str(self.path))


@pytest.fixture
def certified(tmp_path: Path) -> Iterator[Callable[..., Certified]]:
    made: list[Certified] = []

    def make(days: float = 90) -> Certified:
        made.append(Certified(tmp_path, "voice.example.com", days))
        return made[-1]

    yield make
    for one in made:
        one.listener.close()


def test_a_certificate_is_good_while_a_browser_trusts_it(certified: Make) -> None:
    server = certified()
    found = host_checks.certificate_at("voice.example.com", "127.0.0.1", server.port, server.trusting)
    assert (found.state, str(found.text)) == ("good", "Valid.")
    assert found.at is not None
    assert timedelta(days=89) < found.at - datetime.now(UTC) < timedelta(days=91)


def test_a_certificate_that_ends_soon_says_so(certified: Make) -> None:
    server = certified(days=10)
    found = host_checks.certificate_at("voice.example.com", "127.0.0.1", server.port, server.trusting)
    assert found.state == "soon"


@pytest.mark.parametrize("days", [90, -1])
def test_what_a_browser_would_warn_of_is_wrong(certified: Make, days: int) -> None:
    server = certified(days)
    for name, context in (("voice.example.com", None), ("other.example.com", server.trusting)):
        found = host_checks.certificate_at(name, "127.0.0.1", server.port, context)
        assert found.state == "wrong"
        assert "Browsers would warn" in found.text


def test_nothing_that_listens_is_wrong_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert host_checks.certificate_at("voice.example.com", "127.0.0.1", port).state == "wrong"


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "fe80::1%eth0"]
)
def test_no_machine_that_only_this_one_reaches_is_connected_to(
    address: str, dns: dict[str, set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *_arguments, **_words: pytest.fail("connected"))
    dns |= {"inside.example.com": {address}, "console.example.com": {"198.51.100.7"}}
    host = HostToCheck(name="inside.example.com", console="console.example.com", scheme="https")
    assert host_checks.check_certificate(host).state == "unknown"
    assert address not in host_checks.check_dns(host).text % {}
