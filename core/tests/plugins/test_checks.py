"""Every mistake in a declaration stops that plugin at the start, with a message that names plugin, hook and field."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ringstead.api import (
    SIGNED_IN,
    Card,
    Command,
    EventListener,
    FeatureCode,
    HostCheck,
    HostFinding,
    JobSpec,
    NavItem,
    Permission,
    Route,
    Setting,
    SwitchMessage,
    Transcriber,
)
from ringstead.plugins.checks import collect
from ringstead.plugins.faults import PluginFault
from ringstead.plugins.loader import LoadedPlugin, load_module
from ringstead.plugins.registry import CORE, Registry

Loaded = Callable[..., LoadedPlugin]


def view(context: Any, request: Any) -> dict[str, Any]:
    return {}


async def later(context: Any, request: Any) -> dict[str, Any]:
    return {}


def permission(**values: Any) -> Permission:
    return Permission(
        **{"name": "sample:box:read", "title": "Read", "default_roles": frozenset({"subscriber"}), **values}
    )


def route(**values: Any) -> Route:
    return Route(
        **{"name": "sample.list", "pattern": "/sample", "view": view, "permission": SIGNED_IN, **values}
    )


def nav(**values: Any) -> NavItem:
    return NavItem(
        **{"id": "sample", "title": "S", "route": "sample.list", "permission": SIGNED_IN, **values}
    )


def card(**values: Any) -> Card:
    given = {"id": "sample.card", "title": "S", "permission": SIGNED_IN, "template": "sample/card.pt"}
    return Card(**{**given, "present": lambda ctx, rows: {}, **values})


def host_check(**values: Any) -> HostCheck:
    given = {"name": "sample.look", "title": "Look", "check": lambda host: HostFinding(state="good", text="")}
    return HostCheck(**{**given, **values})


def setting(**values: Any) -> Setting:
    given = {"name": "sample.size", "title": "Size", "type": int, "default": 5, "level": "subscriber"}
    return Setting(**{**given, **values})


def job(**values: Any) -> JobSpec:
    return JobSpec(**{"name": "sample.tidy", "run": lambda database: None, **values})


def message(**values: Any) -> SwitchMessage:
    return SwitchMessage(**{"path": "sample", "handle": lambda node, request, database: None, **values})


def command(**values: Any) -> Command:
    given = {"name": "sample.again", "help": "Do it again.", "run": lambda database, org_id, since: ""}
    return Command(**{**given, **values})


def listener(**values: Any) -> EventListener:
    return EventListener(
        **{"name": "sample.hear", "event": Exception, "handle": lambda session, event: None, **values}
    )


GOOD: dict[str, Any] = {
    "declare_permissions": [permission()],
    "declare_routes": [
        route(permission="sample:box:read"),
        route(name="sample.one", pattern="/sample/{id}", methods=("GET", "POST"), renderer="json"),
    ],
    "declare_navigation": [nav()],
    "declare_cards": [card(link_route="sample.list", query=lambda ctx: None)],
    "declare_settings": [setting(minimum=1, maximum=9)],
    "declare_jobs": [
        job(every="*/5 * * * *"),
        job(name="sample.prune", run=lambda database, *, org_id: None, every="1 2 * * *", per="organization"),
    ],
    "declare_listeners": [listener()],
    "declare_switch_messages": [message()],
    "declare_commands": [command()],
    "declare_transcribers": [
        Transcriber(name="sample.scribe", title="Scribe", transcribe=lambda words: None),
    ],
    "declare_host_checks": [host_check()],
    "declare_feature_codes": [
        FeatureCode(name="sample.code", title="Code", code="*77", answer=lambda session, call: None),
    ],
}


def collected(**hooks: Any) -> Any:
    return collect("sample", {name: lambda answer=answer: answer for name, answer in hooks.items()})


def test_a_good_plugin_passes() -> None:
    given = collected(**GOOD)
    assert [r.name for r in given.routes] == ["sample.list", "sample.one"]
    assert given.settings[0].default == 5


BAD: list[tuple[str, Any, str]] = [
    ("declare_routes", None, "declare_routes: must return a list of Route, not NoneType"),
    ("declare_routes", "abc", "declare_routes: must return a list of Route, not str"),
    ("declare_routes", [nav()], "declare_routes: must hold Route, not NavItem"),
    ("declare_routes", [route(), route()], "declare_routes.name: 'sample.list' is declared twice"),
    ("declare_routes", [route(name="other.list")], "declare_routes.name: 'other.list' must be"),
    ("declare_routes", [route(name="samples.list")], "declare_routes.name"),
    ("declare_routes", [route(name="sample.List")], "declare_routes.name"),
    ("declare_routes", [route(pattern="sample")], "declare_routes.pattern: 'sample' must start"),
    ("declare_routes", [route(pattern="/{any}")], "declare_routes.pattern: '/{any}' must start"),
    ("declare_routes", [route(pattern="/sample/*rest/x")], "declare_routes.pattern"),
    (
        "declare_routes",
        [route(pattern="/sample/{id:[}")],
        "declare_routes.pattern: '/sample/{id:[}' cannot be read",
    ),
    ("declare_routes", [route(pattern="/sample/{id")], "declare_routes.pattern"),
    ("declare_routes", [route(pattern=7)], "declare_routes.pattern: must be str, not int 7"),
    ("declare_routes", [route(methods=("FETCH",))], "declare_routes.methods"),
    ("declare_routes", [route(methods=())], "declare_routes.methods"),
    ("declare_routes", [route(methods="GET")], "declare_routes.methods: must be tuple"),
    ("declare_routes", [route(site="moon")], "declare_routes.site: must be one of 'portal', 'console'"),
    ("declare_routes", [route(permission="sample:box:read")], "declare_routes.permission: 'sample:box:read'"),
    ("declare_routes", [route(permission="core:account:edit")], "declare_routes.permission"),
    ("declare_routes", [route(view=None)], "declare_routes.view: must be a function, not NoneType"),
    (
        "declare_routes",
        [route(view=lambda: None)],
        "declare_routes.view: must be an ordinary function called",
    ),
    ("declare_routes", [route(view=later)], "declare_routes.view: must be an ordinary function called"),
    ("declare_routes", [route(renderer="core/home.pt")], "declare_routes.renderer"),
    ("declare_routes", [route(renderer="sample/../x.pt")], "declare_routes.renderer"),
    ("declare_permissions", [permission(name="read")], "declare_permissions.name: 'read' must look like"),
    ("declare_permissions", [permission(name="other:box:read")], "declare_permissions.name"),
    ("declare_permissions", [permission(default_roles={"subscriber"})], "declare_permissions.default_roles"),
    ("declare_permissions", [permission(default_roles=frozenset({"boss"}))], "declare_permissions.default_"),
    ("declare_permissions", [permission(title=None)], "declare_permissions.title: must be str"),
    ("declare_navigation", [nav(route="sample.missing")], "declare_navigation.route: 'sample.missing'"),
    (
        "declare_navigation",
        [nav(route="sample.one")],
        "declare_navigation.route: 'sample.one' has placeholders",
    ),
    (
        "declare_navigation",
        [nav(route="sample.send")],
        "declare_navigation.route: 'sample.send' is not opened",
    ),
    ("declare_navigation", [nav(site="console")], "declare_navigation.route: 'sample.list' is on the portal"),
    ("declare_navigation", [nav(icon="<svg>")], "declare_navigation.icon"),
    ("declare_navigation", [nav(order="first")], "declare_navigation.order: must be int, not str 'first'"),
    ("declare_navigation", [nav(tab=1)], "declare_navigation.tab: must be bool"),
    ("declare_cards", [card(id="sample-card")], "declare_cards.id"),
    ("declare_cards", [card(present=lambda ctx: {})], "declare_cards.present: must be an ordinary function"),
    ("declare_cards", [card(query=lambda: None)], "declare_cards.query: must be an ordinary function"),
    ("declare_cards", [card(query="SELECT 1")], "declare_cards.query: must be a function or None"),
    ("declare_cards", [card(template="card.pt")], "declare_cards.template: 'card.pt' must look like"),
    ("declare_cards", [card(area="attic")], "declare_cards.area"),
    ("declare_cards", [card(link_route="sample.one")], "declare_cards.link_route"),
    ("declare_settings", [setting(name="size")], "declare_settings.name"),
    ("declare_settings", [setting(type=dict)], "declare_settings.type: must be bool, int, str or list"),
    ("declare_settings", [setting(default="5")], "declare_settings.default: '5' must be int, not str"),
    ("declare_settings", [setting(default=True)], "declare_settings.default: True must be int, not bool"),
    ("declare_settings", [setting(minimum=6)], "declare_settings.default: 5 must be at least 6"),
    ("declare_settings", [setting(choices=(1, 2))], "declare_settings.default: 5 must be one of 1, 2"),
    ("declare_settings", [setting(level="planet")], "declare_settings.level"),
    ("declare_jobs", [job(every="now and then")], "declare_jobs.every: 'now and then' is not a cron"),
    ("declare_jobs", [job(every="99 * * * *")], "declare_jobs.every"),
    ("declare_jobs", [job(attempts=0)], "declare_jobs.attempts: 0 must be at least 1"),
    ("declare_jobs", [job(run=lambda: None)], "declare_jobs.run"),
    ("declare_jobs", [job(per="planet")], "declare_jobs.per: must be"),
    (
        "declare_jobs",
        [job(per="organization", run=lambda database, org_id: None)],
        "declare_jobs.per: only a job with `every`",
    ),
    ("declare_jobs", [job(everywhere=True)], "declare_jobs.everywhere: only a job per organization"),
    (
        "declare_jobs",
        [job(every="1 2 * * *", per="organization")],
        "declare_jobs.run: must be an ordinary function called with (database, org_id=…)",
    ),
    ("declare_listeners", [listener(event="happened")], "declare_listeners.event: must be a class"),
    ("declare_listeners", [listener(handle=lambda event: None)], "declare_listeners.handle"),
    ("declare_host_checks", [host_check(name="core.dns")], "declare_host_checks.name"),
    ("declare_host_checks", [host_check(check=lambda: None)], "declare_host_checks.check"),
    ("declare_host_checks", [host_check(replaces=None)], "declare_host_checks.replaces"),
    ("declare_commands", [command(name="again")], "declare_commands.name"),
    ("declare_commands", [command(run=lambda database: "")], "declare_commands.run"),
    ("declare_switch_messages", [message(path="/cdr")], "declare_switch_messages.path: '/cdr' is not a path"),
    ("declare_switch_messages", [message(), message()], "declare_switch_messages.path: 'sample' is declared"),
]


@pytest.mark.parametrize(("hook", "answer", "said"), BAD)
def test_a_mistake_names_plugin_hook_and_field(hook: str, answer: Any, said: str) -> None:
    routes = [
        route(),
        route(name="sample.one", pattern="/sample/{id}"),
        route(name="sample.send", pattern="/send", methods=("POST",)),
    ]
    with pytest.raises(PluginFault) as caught:
        collected(**{"declare_routes": routes, hook: answer})
    assert str(caught.value).startswith(f"plugin sample: {said}")


def test_a_declaration_that_raises_is_a_fault_of_its_hook() -> None:
    def declare() -> list[Card]:
        return [Card(id="sample.card")]  # type: ignore[call-arg]

    with pytest.raises(PluginFault, match=r"plugin sample: declare_cards: raised TypeError: .*missing"):
        collect("sample", {"declare_cards": declare})


def test_templates_must_be_in_the_package(tmp_path: Path) -> None:
    hooks = {"declare_cards": lambda: [card()]}
    with pytest.raises(
        PluginFault, match=r"declare_cards\.template: there is no file templates/sample/card\.pt"
    ):
        collect("sample", hooks, tmp_path)
    (tmp_path / "templates" / "sample").mkdir(parents=True)
    (tmp_path / "templates" / "sample" / "card.pt").write_text("<p></p>")
    assert collect("sample", hooks, tmp_path).cards[0].id == "sample.card"


def test_a_failed_plugin_is_listed_and_the_rest_work(loaded: Loaded) -> None:
    registry = Registry([loaded("bad", declare_routes=[route()]), loaded("sample", declare_routes=[route()])])
    assert registry.active == {"sample"}
    assert registry.plugins["bad"].state == "failed"
    assert "plugin bad: declare_routes.name: 'sample.list'" in registry.plugins["bad"].why
    assert [owned.plugin for owned in registry.routes()] == ["sample"]


def test_with_strict_a_fault_is_raised(loaded: Loaded) -> None:
    with pytest.raises(PluginFault, match="plugin bad"):
        Registry([loaded("bad", declare_routes=[route()])], strict=True)


def test_the_portal_does_not_start_without_its_own_contributions(
    module: Callable[..., Any],
) -> None:
    core = load_module(CORE, module(CORE, declare_routes=[route()]))
    with pytest.raises(PluginFault, match="plugin core"):
        Registry([core])


def pattern_of(plugin: str, pattern: str, **values: Any) -> Route:
    return route(name=f"{plugin}.page", pattern=pattern, **values)


@pytest.mark.parametrize(
    ("first", "second", "collide"),
    [
        ("/notes", "/notes", True),
        ("/notes/{id}", "/notes/{name}", True),
        ("/notes/{id}", "/notes/export", True),
        (r"/notes/{id:\d+}", "/notes/export", False),
        (r"/notes/{id:\d+}", "/notes/12", True),
        (r"/notes/{id:[0-9a-f]{2}}", "/notes/ab", True),
        ("/notes", "/notes.csv", False),
        ("/notes/{id}", "/notes/{id}/edit", False),
        ("/notes/*rest", "/notes/a/b", True),
        ("/notes/{id}/edit", "/notes/{id}/read", False),
    ],
)
def test_an_address_belongs_to_one_plugin(loaded: Loaded, first: str, second: str, collide: bool) -> None:
    registry = Registry(
        [
            loaded("alpha", declare_routes=[pattern_of("alpha", first)]),
            loaded("beta", declare_routes=[pattern_of("beta", second)]),
        ]
    )
    assert ("beta" in registry.active) is not collide
    if collide:
        assert "is taken by plugin 'alpha'" in registry.plugins["beta"].why


def test_other_methods_and_sites_do_not_collide(loaded: Loaded) -> None:
    registry = Registry(
        [
            loaded("alpha", declare_routes=[pattern_of("alpha", "/notes")]),
            loaded("beta", declare_routes=[pattern_of("beta", "/notes", methods=("POST",))]),
            loaded("gamma", declare_routes=[pattern_of("gamma", "/notes", site="console")]),
        ]
    )
    assert registry.active == {"alpha", "beta", "gamma"}


@pytest.mark.parametrize(
    "pattern", ["/static/x", "/switch/v1/cdr", "/healthz", "/brand/{file}", "/manifest.webmanifest"]
)
def test_the_portals_own_addresses_are_not_free(loaded: Loaded, pattern: str) -> None:
    registry = Registry([loaded("alpha", declare_routes=[pattern_of("alpha", pattern)])])
    assert "is the portal's own" in registry.plugins["alpha"].why


def test_a_switch_message_belongs_to_one_plugin(loaded: Loaded) -> None:
    registry = Registry([loaded(n, declare_switch_messages=[message(path="cdr")]) for n in ("alpha", "beta")])
    assert registry.switch_messages()["cdr"].plugin == "alpha"
    assert "'cdr' is taken by plugin 'alpha'" in registry.plugins["beta"].why


def test_a_plugin_that_is_refused_takes_nothing(loaded: Loaded) -> None:
    both = [pattern_of("beta", "/notes"), route(name="beta.free", pattern="/free")]
    registry = Registry(
        [
            loaded("alpha", declare_routes=[pattern_of("alpha", "/notes")]),
            loaded("beta", declare_routes=both),
            loaded("gamma", declare_routes=[pattern_of("gamma", "/free")]),
        ]
    )
    assert registry.active == {"alpha", "gamma"}
