"""What an add-on of others finds about a partner's host names, beside the core's looks or in the place of one."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from ringstead import app as application
from ringstead.api import HostCheck, HostFinding, HostToCheck
from ringstead.api.testing import Client, Tenants
from ringstead.plugins.host_checks import HostChecks
from ringstead.plugins.loader import load_plugins
from ringstead.plugins.registry import Owned
from ringstead.tenancy import host_checks

Make = Callable[..., Any]
ENDS = datetime(2027, 3, 4, 12, 0, tzinfo=UTC)


def renewals(host: HostToCheck) -> HostFinding:
    return HostFinding(state="soon", text=f"Renewed for {host.name} from {host.console}.", at=ENDS)


@pytest.fixture
def with_acme(loaded: Make, app_with: Make, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The application with an add-on that gets certificates, and that knows more of them than the core."""
    addon = loaded(
        "acme",
        declare_host_checks=[
            HostCheck(name="acme.certificate", title="Renewal", check=renewals, replaces="core.certificate")
        ],
    )

    def load(*arguments: Any, **words: Any) -> list[Any]:
        return [*load_plugins(*arguments, **words), addon]

    monkeypatch.setattr(application, "load_plugins", load)
    monkeypatch.setattr(host_checks, "addresses_of", lambda name: {"198.51.100.7"})
    return app_with()


def test_an_add_ons_look_takes_the_place_of_the_cores(
    with_acme: Any, tenants: Tenants, console: Make
) -> None:
    partner = tenants.partner()
    client: Client = console(tenants.staff(partner), with_acme)
    page = client.get("/addresses?look=1")
    (row,) = [li for li in page.html.select(".list li") if li.a.get_text() == f"{partner.slug}.test"]
    found = [" ".join(one.get_text(" ").split()) for one in row.select(".finding")]
    assert found[0] == "DNS: Good Leads here."
    assert found[1].startswith(
        f"Renewal: Soon Renewed for {partner.slug}.test from console.{partner.slug}.test. Until"
    )
    assert len(found) == 2


HOST = HostToCheck(name="voice.example.com", console="console.example.com", scheme="https")


def looked(check: Callable[[HostToCheck], Any], seconds: float = 5.0) -> HostFinding:
    owned = Owned("acme", HostCheck(name="acme.x", title="X", check=check))
    (seen,) = HostChecks([owned], seconds).look([HOST])[HOST.name]
    return seen.finding


def test_one_that_raises_costs_its_own_answer() -> None:
    def fall(_host: HostToCheck) -> HostFinding:
        raise OSError("the resolver fell off the wall")

    assert looked(fall).state == "unknown"
    assert looked(lambda _host: "fine").state == "unknown"
    assert looked(renewals).state == "soon"


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_one_that_hangs_costs_no_more_than_the_time_a_page_has(gate: threading.Event) -> None:
    asked: list[str] = []

    def hang(host: HostToCheck) -> HostFinding:
        asked.append(host.name)
        gate.wait(30)
        return HostFinding(state="good", text="At last.")

    checks = HostChecks([Owned("acme", HostCheck(name="acme.x", title="X", check=hang))], 0.05)
    assert "No answer in time" in checks.look([HOST])[HOST.name][0].finding.text
    assert "No answer in time" in checks.look([HOST])[HOST.name][0].finding.text
    assert asked == [HOST.name], "the one that runs is waited for, and no second is begun"
    gate.set()
    checks.seconds = 10
    assert checks.look([HOST])[HOST.name][0].finding.text == "At last."


def test_an_answer_is_kept_for_a_while() -> None:
    asked: list[str] = []

    def note(host: HostToCheck) -> HostFinding:
        asked.append(host.name)
        return HostFinding(state="good", text="Fine.")

    checks = HostChecks([Owned("acme", HostCheck(name="acme.x", title="X", check=note))])
    checks.look([HOST])
    checks.look([HOST])
    assert asked == [HOST.name]
    checks.forget(HOST.name)
    checks.look([HOST])
    assert asked == [HOST.name] * 2


def test_a_partners_slow_names_cost_others_nothing(gate: threading.Event) -> None:
    """However many names a partner has whose DNS does not answer."""
    asked: list[str] = []

    def hang(host: HostToCheck) -> HostFinding:
        if host.console == "console.slow.example":
            asked.append(host.name)
            gate.wait(30)
        return HostFinding(state="good", text="Fine.")

    checks = HostChecks([Owned("acme", HostCheck(name="acme.x", title="X", check=hang))], 0.05)
    slow = [
        HostToCheck(name=f"v{n}.slow.example", console="console.slow.example", scheme="https")
        for n in range(100)
    ]
    for _ in range(3):
        checks.look(slow)
    assert len(asked) == 3, "three at a time"
    checks.seconds = 10
    assert checks.look([HOST])[HOST.name][0].finding.text == "Fine."
