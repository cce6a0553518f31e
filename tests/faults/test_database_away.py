"""The database goes away and comes back: pages say so meanwhile, and nothing has to be started again."""

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from house import House, until

from ringstead.api.testing import Tenants
from ringstead.db.engine import Database

pytestmark = pytest.mark.faults


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()
    print(house.end_of_log())  # shown when the test fails


def test_pages_say_that_the_database_is_away_and_recover_by_themselves(house: House) -> None:
    database = Database(house.urls)
    tenants = Tenants(database)
    known, new = tenants.partner(), tenants.partner()
    database.dispose()
    until(house.is_up, lambda: "the portal to come up")

    def page(slug: str, path: str = "/sign-in") -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{house.port}{path}", headers={"Host": f"{slug}.test"}, timeout=30)

    assert page(known.slug).status_code == 200
    web = house.process("web").pid
    house.kill("postgres")
    for slug in (known.slug, new.slug):
        away = page(slug)
        assert away.status_code == 503
        assert away.headers["Retry-After"]
        assert away.headers["Content-Type"].startswith("text/html")
        assert "<h1" in away.text
        assert "Traceback" not in away.text
    refused = httpx.post(house.cdr_url, content="{}", headers={"Authorization": "Bearer x"}, timeout=30)
    assert refused.status_code == 503
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert not house.is_up()
    house.revive()
    until(lambda: page(known.slug).status_code == 200, lambda: "the page to come back")
    until(lambda: page(new.slug).status_code == 200, lambda: "a page that was never seen")
    until(house.is_up, lambda: "the portal to say that it is well")
    assert house.process("web").pid == web
    assert house.process("worker").poll() is None
