"""The call-log page beside an ordinary Pyramid page with one query, and beside Django doing the same."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.djangosite.prepare import prepare
from benchmarks.load import Load, Target, fetch, load, write_targets
from benchmarks.measure import Section, Series, interleave
from benchmarks.site import Site
from benchmarks.world import World
from ringstead.serving import APP_FACTORY

PAGE = "/calls"
HOME = "/"


def measure(world: World, rounds: int, seconds: float, server: str) -> Section:
    """Load the three side by side: one process with four threads each, four connections."""
    ours = [visitor.target(PAGE) for visitor in world.visitors]
    bare = [Target(f"{PAGE}?org={v.org_id}&person={v.subscriber_id}", v.host) for v in world.visitors]
    sessions = prepare(world)
    django = [
        Target(PAGE, v.host, f"sessionid={key}") for v, key in zip(world.visitors, sessions, strict=True)
    ]
    free = world.environment(world.bypass_urls)
    with contextlib.ExitStack() as stack:
        sites = {
            "page": Site(APP_FACTORY, ours[0], world.environment(), server),
            "bare": Site("benchmarks.bare:make_app", bare[0], free, server),
            "django": Site("benchmarks.djangosite.app:make_app", django[0], free, server),
        }
        for site in sites.values():
            stack.enter_context(site)
        files: dict[str, Path] = {
            name: write_targets(targets)
            for name, targets in (("page", ours), ("bare", bare), ("django", django))
        }
        home = write_targets([visitor.target(HOME) for visitor in world.visitors])
        cases: dict[str, Callable[[], Load]] = {
            name: partial(load, site.port, files[name], seconds) for name, site in sites.items()
        }
        cases["home"] = partial(load, sites["page"].port, home, seconds)
        for case in cases.values():
            case()
        seen = interleave(rounds, cases)
        sizes = {name: len(fetch(site.port, site.probe)[1]) for name, site in sites.items()}
        sizes["home"] = len(fetch(sites["page"].port, world.visitors[0].target(HOME))[1])
    return _report(seen, sizes, server)


def _report(seen: dict[str, list[Load]], sizes: dict[str, int], server: str) -> Section:
    rates = {name: Series(tuple(x.rate for x in loads)) for name, loads in seen.items()}
    section = Section("The call-log page")
    section.at_least("call-log page against a bare one-query page, req/s", rates["page"] / rates["bare"], 0.5)
    section.at_least(
        "call-log page against the same page in Django, req/s", rates["page"] / rates["django"], 1.3
    )
    names = {
        "bare": "bare Pyramid, one query, plain text",
        "page": "the call-log page",
        "django": "the same page in Django",
        "home": "the landing page, ten cards",
    }
    rows = []
    for name, words in names.items():
        p50, p99 = (Series(tuple(getattr(x, f) for x in seen[name])).median for f in ("p50", "p99"))
        failed = sum(x.refused + x.broken for x in seen[name])
        if failed:
            raise RuntimeError(f"{words}: {failed} requests failed")
        ratio = (rates[name] / rates["bare"]).median
        rate = rates[name]
        rows.append(
            [words, f"{rate.median:.0f}", f"{ratio:.2f}", f"{rate.spread:.2f}", f"{p50:.1f}", f"{p99:.1f}",
             f"{sizes[name]:,}"]
        )  # fmt: skip
    section.table(["", "req/s", "ratio", "spread", "p50 ms", "p99 ms", "bytes"], rows)
    section.text.append(_EXPLAINED.format(server=server))
    return section


_EXPLAINED = """\
All under {server}, each in one process with four threads, four keep-alive connections, 240 signed-in people by turns,
one database of three partners with four organizations each and some 90 days of calls in monthly partitions.

* *the call-log page*: host, session, both walls, permissions, ten plugins on, navigation, filters, the newest
  calls grouped by day, the frame, all security headers.
* *bare*: Pyramid, pyramid_tm, one SQLAlchemy session per request with zope.sqlalchemy, one ORM query of as many
  rows of the same table, as text. No sign-in, no tenant, no template; a role that no policy holds.
* *Django*: Django 5.2 on the same rows, as its documentation would have it: sessions in the database, its
  users and groups, CSRF, messages, security and clickjacking middleware, host → partner (kept in the process),
  profile, permission check, navigation from the organization's features (kept in the process), forms, template
  inheritance with cached templates, one transaction per request, kept connections; a role that no policy holds."""
