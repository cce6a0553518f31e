"""The frame: static files, brand, navigation, home and its arrangement, notices, errors."""

import hashlib
import importlib.util
import json
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ringstead.api.testing import Client, Person, Tenants
from ringstead.plugins.loader import load_module
from ringstead.web.addresses import is_local
from ringstead.web.assets import CORE_STATIC
from ringstead.web.home import greeting
from ringstead.web.static_files import StaticFiles

HTML = {"Accept": "text/html,application/xhtml+xml"}
PLUGIN = '''
    """A feature with two pages and four cards, one of which fails."""

    from ringstead.api import *

    _ = translations("ringstead_sample")
    READ = "sample:thing:read"


    def no_values(ctx, rows):
        return {}


    def fail(ctx, rows):
        raise RuntimeError("the queue server said no")


    def card(name, title, area, present=no_values, **more):
        return Card(id=f"sample.{name}", title=_(title), permission=READ, template="sample/card.pt",
                    present=present, area=area, **more)


    def page(context, request):
        return {}


    @hookimpl
    def plugin_info():
        return PluginInfo(name="sample", title="Sample", version="1.2", api=(1, 0), package="ringstead_sample")


    @hookimpl
    def declare_permissions():
        return [Permission(name=READ, title=_("Read"), default_roles=frozenset({"subscriber"}))]


    @hookimpl
    def declare_routes():
        return [Route(name="sample.list", pattern="/sample", view=page, permission=READ, renderer="sample/page.pt"),
                Route(name="sample.one", pattern="/sample/{id}", view=page, permission=READ, renderer="sample/page.pt")]


    @hookimpl
    def declare_navigation():
        return [NavItem(id="sample.list", title=_("Samples"), route="sample.list", permission=READ, section="addons")]


    @hookimpl
    def declare_cards():
        return [card("first", "First", "main", order=1, link_route="sample.list", link_title=_("All of them")),
                card("second", "Second", "main", order=2), card("third", "Third", "side", order=3),
                card("broken", "Broken", "side", present=fail, order=4)]


    @hookimpl
    def search(ctx, session, query, limit):
        return [SearchHit(title=f"Found {query}", url="/sample/1"), SearchHit(title="Away", url="//evil.example/")]
'''
PAGE = """\
<metal:page use-macro="shell" i18n:domain="ringstead_sample"><metal:title fill-slot="title">Sample</metal:title>
<metal:main fill-slot="main"><div class="page"><h1>Sample</h1></div></metal:main></metal:page>
"""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """A plugin on disk, as an add-on's package is."""
    home = tmp_path_factory.mktemp("site") / "ringstead_sample"
    (home / "templates" / "sample").mkdir(parents=True)
    (home / "static").mkdir()
    (home / "templates" / "sample" / "page.pt").write_text(PAGE)
    (home / "templates" / "sample" / "card.pt").write_text('<p class="card-body">Body</p>')
    (home / "static" / "sample.js").write_text("export {};\n")
    (home / "plugin.py").write_text(textwrap.dedent(PLUGIN))
    spec = importlib.util.spec_from_file_location("ringstead_sample.plugin", home / "plugin.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def app(sample: ModuleType, app_with: Callable[..., Any]) -> Any:
    """The application with that plugin only; its failures are contained as in production."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ringstead.app.load_plugins", lambda *_: [load_module("sample", sample, "sample 1.2")])
        return app_with(plugin_strict=False)


@pytest.fixture
def juno(tenants: Tenants) -> Person:
    """A subscriber whose organization has the plugin on."""
    return tenants.person(tenants.organization(None, "sample"), "Juno Birdsong", extension="214")


@pytest.fixture
def client(app: Any, juno: Person, portal: Callable[..., Client]) -> Client:
    """Juno, signed in."""
    return portal(juno, app)


# --- Static files -------------------------------------------------------------------------------------


def test_vendored_files_are_the_ones_listed() -> None:
    listed = tomllib.loads((CORE_STATIC / "vendored.toml").read_text())["vendored"]
    for entry in listed:
        assert (CORE_STATIC / entry["licence_file"]).is_file(), entry["name"]
        for name, digest in entry["files"].items():
            assert hashlib.sha256((CORE_STATIC / name).read_bytes()).hexdigest() == digest, name
    files = {name for entry in listed for name in entry["files"]}
    binary = {
        p.relative_to(CORE_STATIC).as_posix() for p in CORE_STATIC.rglob("*") if p.suffix in (".woff2",)
    }
    vendor = {p.relative_to(CORE_STATIC).as_posix() for p in (CORE_STATIC / "vendor").iterdir()}
    assert binary | vendor <= files


def test_nothing_served_names_the_product() -> None:
    for path in CORE_STATIC.rglob("*"):
        if path.suffix in (".css", ".js", ".svg", ".txt"):
            assert "ringstead" not in path.read_text().lower(), path


def test_style_sheets_name_no_side_by_left_or_right() -> None:
    for path in CORE_STATIC.glob("*.css"):
        for word in (
            "margin-left",
            "margin-right",
            "padding-left",
            "padding-right",
            "text-align: left",
            " left:",
        ):
            assert word not in path.read_text(), (path.name, word)


def test_static_file_is_kept_for_ever_under_its_digest(client: Client, app: Any) -> None:
    url = app.registry["ringstead.static"].url("core/app.js")
    answer = client.get(url)
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.content_type == "text/javascript"
    client.get(url, headers={"If-None-Match": answer.headers["ETag"]}, status=304)
    packed = client.get(url, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["ETag"] == answer.headers["ETag"][:-1] + '-gz"'
    assert packed.headers["Vary"] == "Accept-Encoding"
    old = client.get(url.replace(app.registry["ringstead.static"].digest, "0000"))
    assert old.headers["Cache-Control"] == "public, no-cache"


def test_plugins_have_static_files_under_their_name(client: Client, app: Any) -> None:
    assert client.get(app.registry["ringstead.static"].url("sample/sample.js")).text == "export {};\n"


@pytest.mark.parametrize(
    "path",
    [
        "core/../layout.py",
        "core/%2e%2e/layout.py",
        "..%2fapp.py",
        "core/vendored.toml",
        "core/vendor",
        "x",
        "%00",
    ],
)
def test_static_paths_lead_nowhere_else(path: str, client: Client) -> None:
    assert client.get(f"/static/0000/{path}", status="*").status_int in (400, 404)


def test_digest_covers_contents_and_links_stay_inside(tmp_path: Path) -> None:
    root, other = tmp_path / "static", tmp_path / "other"
    root.mkdir()
    other.mkdir()
    (other / "secret.txt").write_text("secret")
    (root / "a.css").write_text("a{}")
    (root / "link.txt").symlink_to(other / "secret.txt")
    first = StaticFiles({"core": root})
    with pytest.raises(KeyError, match=r"core/link\.txt"):
        first.url("core/link.txt")
    (root / "a.css").write_text("b{}")
    assert StaticFiles({"core": root}).digest != first.digest


# --- Brand --------------------------------------------------------------------------------------------


def test_brand_is_served_on_its_own_host(app: Any, tenants: Tenants, visitor: Callable[..., Client]) -> None:
    brand = {"name": "Marigold", "color": "#ffb400", "accent": "#7a2fb8", "radius": 16, "font": "nunito"}
    client = visitor(tenants.partner("Marigold", brand=brand), app=app)
    page = client.get("/sign-in").html
    sheet = page.find("link", href=lambda url: url and url.startswith("/brand/") and url.endswith(".css"))[
        "href"
    ]
    answer = client.get(sheet)
    assert answer.text.startswith(":root { --brand: #ffb400; --brand-accent: #7a2fb8; --brand-radius: 16px;")
    assert answer.headers["Cache-Control"].endswith("immutable")
    client.get(sheet, headers={"If-None-Match": answer.headers["ETag"]}, status=304)
    assert client.get(page.find("link", rel="icon")["href"]).content_type == "image/svg+xml"
    assert client.get("/brand/0000.css").headers["Cache-Control"] == "public, no-cache"
    client.get("/brand/0000.html", status=404)
    assert "Disallow: /" in client.get("/robots.txt").text


def test_no_page_names_the_product(
    client: Client, app: Any, juno: Person, visitor: Callable[..., Client]
) -> None:
    for path in ("/", "/home/arrange", "/search?q=first", "/more", "/account", "/sample", "/nowhere"):
        answer = client.get(path, headers=HTML, status="*")
        assert "ringstead" not in (answer.text + str(answer.headers)).lower(), path
    for path in ("/sign-in", "/forgot", "/reset/unknown", "/"):
        answer = visitor(juno.partner, app=app).get(path, headers=HTML, status="*")
        assert "ringstead" not in (answer.text + str(answer.headers)).lower(), path


# --- The frame ----------------------------------------------------------------------------------------


def test_navigation_marks_where_the_reader_is(client: Client) -> None:
    for path in ("/sample", "/sample/7"):
        page = client.get(path).html
        current = page.select(".side .nav a[aria-current=page]")
        assert [link.text for link in current] == ["Samples"]
        assert [link.text for link in page.select(".tabbar a[aria-current=page]")] == ["More"]
    assert [link.text for link in client.get("/").html.select(".tabbar a[aria-current=page]")] == ["Home"]
    assert client.get("/search").html.select(".tabbar a[aria-current]") == []


def test_page_has_its_landmarks_and_one_heading(client: Client) -> None:
    for path in ("/", "/home/arrange", "/search", "/more", "/sample"):
        page = client.get(path).html
        assert len(page.find_all("h1")) == 1, path
        assert page.select("body > a.skip[href='#main']"), path
        assert page.find("main", id="main"), path
        assert page.select(".toasts[role=status]"), path
        labels = [nav["aria-label"] for nav in page.find_all("nav")]
        assert len(labels) == len(set(labels)), path


def test_page_is_free_of_inline_code_and_style(client: Client) -> None:
    for path in ("/", "/home/arrange", "/search?q=a", "/more", "/sign-in", "/nowhere"):
        page = client.get(path, headers=HTML, status="*").html
        assert page.find_all("style") == []
        assert [script for script in page.find_all("script") if not script.get("src")] == []
        for element in page.find_all(True):
            assert not [
                name for name in element.attrs if name == "style" or name.startswith(("on", "hx-on"))
            ], path


def test_entry_without_the_right_or_the_feature_is_not_there(app: Any, tenants: Tenants, portal: Any) -> None:
    off = portal(tenants.person(tenants.organization()), app)
    assert "Samples" not in off.get("/").text
    other_role = portal(tenants.person(tenants.organization(None, "sample"), role="org_admin"), app)
    assert "Samples" not in other_role.get("/more").text


def test_frame_is_shared_and_words_are_the_readers_own(
    app: Any, juno: Person, tenants: Tenants, portal: Any
) -> None:
    """Two people of one organization get the same rendered frame, each with own name, extension and token."""
    assert juno.organization is not None
    other = portal(tenants.person(juno.organization, "Otis <b>", extension="215"), app)
    before = len(app.registry["ringstead.frames"]._known)
    pages = [portal(juno, app).get("/more"), other.get("/more")]
    assert len(app.registry["ringstead.frames"]._known) == before + 1
    for page, name, extension in zip(pages, ("Juno Birdsong", "Otis <b>"), ("214", "215"), strict=True):
        assert {tag.text for tag in page.html.select(".person b")} == {name}
        assert page.html.select_one(".side .person .muted").text == f"Ext. {extension}"
        assert "\ue000" not in page.text
        assert "\ue001" not in page.text
    tokens = {page.html.find("meta", attrs={"name": "csrf-token"})["content"] for page in pages}
    assert len(tokens) == 2
    fields = {field["value"] for field in pages[0].html.find_all("input", {"name": "csrf_token"})}
    assert fields < tokens


def test_theme_is_kept_by_the_browser(client: Client) -> None:
    assert client.get("/").html.html.get("data-theme") is None
    answer = client.post_form("/theme", {"theme": "dark"}, headers={"Referer": f"http://{client.host}/more"})
    assert answer.headers["Location"] == f"http://{client.host}/more"
    assert "theme=dark" in answer.headers["Set-Cookie"]
    client.post_form("/theme", {"theme": "mauve"}, status=400)


# --- Home ---------------------------------------------------------------------------------------------


def cards(client: Client) -> list[str]:
    """Titles of the cards on the landing page, in their order."""
    return [heading.text for heading in client.get("/").html.select("section.card .card-head h2")]


def test_home_shows_the_cards_of_features(client: Client) -> None:
    page = client.get("/").html
    assert page.h1.text.endswith(", Juno")
    assert "Ext. 214" in page.select_one(".page-head").text
    first = page.select_one("#card-sample-first")
    assert first.select_one("a.btn")["href"] == "/sample"
    assert first.select_one(".badge.line").text == "Sample"
    assert "Body" in first.text
    assert cards(client) == ["First", "Second", "Third", "Broken"]


def test_failing_card_costs_only_itself(client: Client) -> None:
    page = client.get("/").html
    broken = page.select_one("#card-sample-broken")
    assert "failed" in broken["class"]
    assert "This add-on isn’t answering." in broken.text
    assert "sample 1.2" in broken.select_one("details").text
    assert len(page.select("section.card.failed")) == 1


def test_home_without_features_says_so(app: Any, tenants: Tenants, portal: Callable[..., Client]) -> None:
    page = portal(tenants.person(tenants.organization()), app).get("/").html
    assert page.select_one(".empty h2").text == "Nothing here yet"


def test_cards_move_hide_and_come_back(client: Client) -> None:
    client.post_form("/home/arrange", {"do": "down", "card": "sample.first"})
    assert cards(client) == ["Second", "First", "Third", "Broken"]
    client.post_form("/home/arrange", {"do": "down", "card": "sample.first"})
    assert cards(client) == ["Second", "First", "Third", "Broken"]
    client.post_form("/home/arrange", {"do": "hide", "card": "sample.second"})
    assert cards(client) == ["First", "Third", "Broken"]
    assert "Hidden" in client.get("/home/arrange").text
    client.post_form("/home/arrange", {"do": "show", "card": "sample.second"})
    assert cards(client) == ["Second", "First", "Third", "Broken"]
    client.post_form("/home/arrange", {"do": "rest", "card": "sample.broken", "back": "/"})
    assert cards(client) == ["Second", "First", "Third"]
    client.post_form("/home/arrange", {"do": "reset"})
    assert cards(client) == ["First", "Second", "Third", "Broken"]


def test_hiding_everything_leaves_a_way_back(client: Client) -> None:
    for name in ("first", "second", "third", "broken"):
        client.post_form("/home/arrange", {"do": "hide", "card": f"sample.{name}"})
    page = client.get("/").html
    assert page.select_one(".empty h2").text == "All your cards are hidden"
    assert page.select_one(".empty a")["href"] == "/home/arrange"


@pytest.mark.parametrize("values", [{}, {"do": "explode"}, {"do": "up"}, {"do": "up", "card": "other.card"}])
def test_nonsense_arrangement_is_refused(values: dict[str, str], client: Client) -> None:
    answer = client.post_form("/home/arrange", values, headers=HTML, status=400)
    assert "The field “" in answer.text
    assert cards(client) == ["First", "Second", "Third", "Broken"]


def test_hiding_for_today_can_be_taken_back(client: Client) -> None:
    done = client.post_form("/home/arrange", {"do": "rest", "card": "sample.broken", "back": "/"})
    cookie = done.headers["Set-Cookie"].partition(";")[0]
    signed_in = client.extra_environ["HTTP_COOKIE"]
    client.extra_environ["HTTP_COOKIE"] += f"; {cookie}"
    [undo] = client.get("/").html.select("main [data-notice] form")
    client.extra_environ["HTTP_COOKIE"] = signed_in
    page = client.get("/home/arrange").html
    assert "Hidden until tomorrow" in page.text
    assert page.select_one("button[value=reset]")
    fields = {field["name"]: field["value"] for field in undo.select("input")}
    assert client.post_form(undo["action"], fields).location == f"http://{client.host}/"
    assert cards(client) == ["First", "Second", "Third", "Broken"]


def test_moving_a_card_is_announced(client: Client) -> None:
    moved = client.post_form("/home/arrange", {"do": "down", "card": "sample.first"})
    assert moved.follow().html.select_one("[data-announce]").text == "Moved to position 2 of 2"
    client.post_form("/home/arrange", {"do": "reset"})


def test_notice_shows_once(client: Client) -> None:
    done = client.post_form("/home/arrange", {"do": "hide", "card": "sample.third"})
    cookie = done.headers["Set-Cookie"].partition(";")[0]
    client.extra_environ["HTTP_COOKIE"] += f"; {cookie}"
    shown = client.get("/home/arrange")
    assert [notice.text for notice in shown.html.select("main [data-notice] .grow")] == ["Third is hidden"]
    assert "note=;" in shown.headers["Set-Cookie"]
    client.extra_environ["HTTP_COOKIE"] += "x"
    assert client.get("/home/arrange").html.select("[data-notice]") == []


def test_a_notice_shows_on_the_host_that_it_is_of(tenants: Tenants, visitor: Callable[..., Client]) -> None:
    ours, theirs = visitor(tenants.partner()), visitor(tenants.partner())
    token = ours.get("/sign-in").html.find("input", {"name": "csrf_token"})["value"]
    ours.post("/sign-out", {"csrf_token": token}, status=303)
    for client, texts in ((theirs, []), (ours, ["You are signed out."])):
        client.set_cookie("note", ours.cookies["note"])
        page = client.get("/sign-in").html
        assert [notice.text for notice in page.select(".notices .banner")] == texts


def test_greeting_follows_the_clock() -> None:
    said = [str(greeting(hour, "Juno Birdsong")).split(",")[0] for hour in (0, 5, 11, 12, 17, 18, 23)]
    assert said == ["Good evening"] + ["Good morning"] * 2 + ["Good afternoon"] * 2 + ["Good evening"] * 2


# --- Search -------------------------------------------------------------------------------------------


def test_search_jumps_and_asks_the_features(client: Client) -> None:
    page = client.get("/search?q=Sam").html
    assert [hit.text for hit in page.select(".result .t1")] == ["Samples", "Found Sam"]
    assert [hit["href"] for hit in page.select(".result")] == ["/sample", "/sample/1"]


@pytest.mark.parametrize("query", ["x" * 101, "a%00b", "%ff%fe", "a%08b"])
def test_nonsense_search_is_refused(query: str, client: Client) -> None:
    client.get(f"/search?q={query}", headers=HTML, status=400)


def test_search_finds_colleagues_of_the_organization_only(
    client: Client, juno: Person, tenants: Tenants
) -> None:
    assert juno.organization is not None
    tenants.subscriber(juno.organization, "Fern Castellan", "201", number="+12125550123")
    tenants.subscriber(tenants.organization(), "Fern Stranger", "202")
    for query in ("castel", "201", "(212) 555-0123"):
        hit = client.get("/search", {"q": query}).html.select_one(".result")
        assert (hit["href"], hit.select_one(".t1").text) == ("tel:201", "Fern Castellan"), query
    assert "Stranger" not in client.get("/search?q=Fern").text
    assert "Fern" not in client.get("/search?q=%25").text


def test_search_finds_pages_by_what_people_call_them(client: Client) -> None:
    page = client.get("/search?q=passw").html
    assert page.select_one(".result")["href"] == "/account"
    assert page.select_one(".side-search input")["value"] == "passw"
    assert client.get("/").html.select_one(".side-search input")["value"] == ""


def test_language_is_the_subscribers_preference(client: Client) -> None:
    client.post_form("/language", {"locale": "de"}, status=303)
    page = client.get("/more").html
    assert page.html["lang"] == "de"
    [current] = page.select("main button[name=locale][aria-pressed=true]")
    assert current.text == "Deutsch"
    client.post_form("/language", {"locale": "xx"}, status=400)
    client.post_form("/language", {"locale": "en"}, status=303)
    assert client.get("/more").html.html["lang"] == "en"


def test_only_paths_of_this_portal_are_local() -> None:
    assert is_local("/calls?q=1")
    assert not any(
        map(is_local, ["//evil.example", "/\\evil.example", "https://evil.example", "calls", "/a\nb", ""])
    )


# --- Errors -------------------------------------------------------------------------------------------


def test_missing_page_is_branded_and_offers_a_way_out(client: Client) -> None:
    page = client.get("/nowhere", headers=HTML, status=404).html
    assert page.h1.text == "There’s nothing here"
    assert page.select_one("a.btn.primary")["href"] == "/"
    assert page.select_one(".brandmark span").text == "Partner"
    assert page.select_one(".nav a[href='/sample']")


def test_missing_page_shows_a_visitor_no_navigation(
    app: Any, juno: Person, visitor: Callable[..., Client]
) -> None:
    page = visitor(juno.partner, app=app).get("/nowhere", headers=HTML, status=404).html
    assert page.h1.text == "There’s nothing here"
    assert not page.select(".nav")


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/account/password", "/account"),
        ("/account/sign-out-everywhere", "/account"),
        ("/account/sessions/1/sign-out", "/account"),
        ("/sign-out", "/"),
        ("/theme", "/more"),
        ("/language", "/more"),
    ],
)
def test_address_of_a_form_leads_to_its_page(path: str, page: str, client: Client) -> None:
    assert client.get(path, headers=HTML, status=303).location == f"http://{client.host}{page}"


def test_form_that_was_refused_keeps_its_entry_marked(client: Client) -> None:
    page = client.post_form("/account/password", {"password": "short"}, headers=HTML, status=422).html
    assert page.select_one(".nav [aria-current]").text.strip() == "Sign-in and security"
    assert [line.text for line in page.select(".errsum a")] == [
        "Current password: Enter your current password.",
        "New password: Use at least 10 characters.",
    ]


def test_host_of_nobody_is_said_in_words_to_browsers(client: Client) -> None:
    client.extra_environ["HTTP_HOST"] = "nobody.test"
    page = client.get("/", headers=HTML, status=421)
    assert page.html.h1.text == "There’s no site at this address"
    assert client.get("/", status=421).content_type == "text/plain"


def test_platform_host_lists_the_demos_sites(app_with: Callable[..., Any]) -> None:
    app = app_with(list_demo_sites=True)
    client = Client(app, "localhost")
    assert client.get("/", headers=HTML, status=404).html.h1.text == "There’s no site at this address"
    sites = {"portals": {"a": "http://a.test:1"}, "consoles": {"a": "http://console.a.test:1"}}
    (app.settings.var_dir / "demo.json").write_text(json.dumps(sites))
    page = client.get("/", headers=HTML)
    assert [link["href"] for link in page.html.select(".result")] == [
        "http://a.test:1",
        "http://console.a.test:1",
    ]
    assert client.get("/", status=404).content_type == "application/problem+json"


def test_program_gets_a_problem_document(client: Client) -> None:
    answer = client.get("/nowhere", headers={"Accept": "application/json"}, status=404)
    assert answer.content_type == "application/problem+json"
    assert answer.json["status"] == 404


def test_wrong_method_names_the_right_ones(client: Client) -> None:
    answer = client.post_form("/search", headers=HTML, status=405)
    assert answer.headers["Allow"] == "GET, HEAD"
    assert "That can’t be done here" in answer.text


def test_part_of_a_page_gets_a_part(client: Client) -> None:
    answer = client.get("/nowhere", headers={**HTML, "HX-Request": "true"}, status=404)
    assert answer.text.startswith('<div class="banner danger"')
    assert "turned off" in answer.text
    assert "mistyped" not in answer.text


def test_failed_part_can_be_asked_for_again(client: Client) -> None:
    headers = {**HTML, "HX-Request": "true", "HX-Current-URL": f"http://{client.host}/sample"}
    part = client.get(f"/search?q={'x' * 101}", headers=headers, status=400).html
    [again] = part.select(".banner a")
    assert again["hx-get"] == again["href"] == f"/search?q={'x' * 101}"
    assert (again["hx-target"], again["hx-swap"]) == ("closest .banner", "outerHTML")
    posted = client.post_form("/home/arrange", {"do": "explode"}, headers=headers, status=400).html
    assert [link["href"] for link in posted.select(".banner a")] == ["/sample"]
    headers["HX-Current-URL"] = "http://evil.example/"
    elsewhere = client.post_form("/home/arrange", {"do": "explode"}, headers=headers, status=400).html
    assert [link["href"] for link in elsewhere.select(".banner a")] == ["/"]


def test_visitor_is_led_to_sign_in_and_back(app: Any, juno: Person, visitor: Callable[..., Client]) -> None:
    client = visitor(juno.partner, app=app)
    answer = client.get("/search?q=a", headers=HTML, status=303)
    assert answer.headers["Location"].endswith("/sign-in?next=%2Fsearch%3Fq%3Da")
    client.get("/", headers={"Accept": "application/json"}, status=401)


def test_page_without_the_right_is_refused_not_led_to_sign_in(
    app: Any, tenants: Tenants, portal: Callable[..., Client]
) -> None:
    client = portal(tenants.person(tenants.organization(None, "sample"), role="org_admin"), app)
    page = client.get("/sample", headers=HTML, status=403).html
    assert page.h1.text == "This isn’t yours to open"


def test_fault_of_ours_shows_a_reference_and_nothing_else(
    client: Client, sample: Any, monkeypatch: Any
) -> None:
    def explode(*_: Any) -> Any:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr("ringstead.web.home.greeting", explode)
    answer = client.get("/", headers=HTML, status=500)
    assert "hunter2" not in answer.text
    assert len(answer.html.select_one(".code-line .mono").text) == 9
    assert answer.headers["Cache-Control"] == "no-store"
