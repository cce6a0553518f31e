"""Builds the WSGI application of one process."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import pyramid_tm
from pyramid.config import Configurator
from pyramid.response import Response
from pyramid.router import Router
from webob.request import DisconnectionError

from ringstead.db.engine import Database, DatabaseUrls
from ringstead.db.listen import Listener
from ringstead.plugins.enablement import FEATURES_CHANNEL, Enablement
from ringstead.plugins.gate import Gate
from ringstead.plugins.host_checks import HostChecks
from ringstead.plugins.loader import load_module, load_plugins
from ringstead.plugins.registry import CORE, Registry
from ringstead.resources import session_info
from ringstead.settings import Settings
from ringstead.tenancy.hosts import HOSTS_CHANNEL, HostDirectory
from ringstead.web import plugin as core_plugin
from ringstead.web.conditions import drop_unreadable
from ringstead.web.routes import SitePredicate, add_plugin_routes
from ringstead.web.transactions import attempts, needs_transaction, retry_lost_connections
from ringstead.web.uploads import ROUTES as UPLOAD_ROUTES

# Outermost first. An exception view runs inside the transaction, which is then rolled back.
TWEENS = (
    "ringstead.auth.headers.headers_tween_factory",
    "ringstead.web.limits.body_limit_tween_factory",
    "ringstead.web.site.site_tween_factory",
    "pyramid_tm.tm_tween_factory",
    "pyramid.tweens.excview_tween_factory",
    "ringstead.web.limits.form_tween_factory",
)
ROOMS = (
    "web.request",
    "web.i18n",
    "web.renderer",
    "web.assets",
    "web.errors",
    "web.platform",
    "web.demo_mail",
    "auth.services",
    "switch",
)
GONE = Response(status=400, content_type="text/plain", charset="utf-8", body=b"The body ended too early.\n")


class Application:
    """The portal as a WSGI callable, with what it holds open. `close` ends its threads and connections."""

    def __init__(self, router: Router, settings: Settings, database: Database, listener: Listener) -> None:
        self._router, self.settings, self.database, self._listener = router, settings, database, listener
        self.registry = router.registry

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        response: Iterable[bytes]
        drop_unreadable(environ)
        try:
            response = self._router(environ, start_response)
        except DisconnectionError:
            # Its sender left in the middle of the body: nobody reads the answer, and it is no fault to be logged.
            response = GONE(environ, start_response)
        return response

    def close(self) -> None:
        """Stop listening and give the connections back."""
        self._listener.stop()
        self.database.dispose()


def load_registry(settings: Settings) -> Registry:
    """The core's own contributions and those of all installed plugins."""
    core = load_module(CORE, core_plugin, "ringstead")
    return Registry(
        [core, *load_plugins(settings.disabled_plugins, settings.plugin_strict)], settings.plugin_strict
    )


def make_app(settings: Settings, urls: DatabaseUrls, *, listen: bool = True) -> Application:
    """The application of one process: own engines, own caches, own listener (so call it after a fork, not before).

    Without `listen` it hears no news of other processes: for a command that asks it something and is done.
    """
    registry = load_registry(settings)
    database = Database(urls, pool_size=settings.web_threads + 2, info=session_info(settings, registry))
    retry_lost_connections(database.app_engine)
    enablement, hosts = Enablement(registry), HostDirectory(database.app_engine)
    config = Configurator(
        settings={
            "pyramid.tweens": "\n".join(TWEENS),
            "tm.manager_hook": pyramid_tm.explicit_manager,
            "tm.annotate_user": False,
            "tm.activate_hook": needs_transaction,
            "retry.attempts": 3,
            "retry.activate_hook": attempts,
        }
    )
    config.registry.update(
        {
            "ringstead.settings": settings,
            "ringstead.database": database,
            "ringstead.plugins": registry,
            "ringstead.declared_settings": registry.settings(),
            "ringstead.enablement": enablement,
            "ringstead.hosts": hosts,
            "ringstead.host_checks": HostChecks(registry.host_checks()),
            "ringstead.gate": Gate(registry, settings.plugin_strict),
            UPLOAD_ROUTES: {o.item.name: o.item.uploads for o in registry.routes() if o.item.uploads},
        }
    )
    config.include("pyramid_retry")
    config.include("pyramid_tm")
    config.add_route_predicate("site_kind", SitePredicate)
    for room in ROOMS:
        config.include(f"ringstead.{room}")
    add_plugin_routes(config, registry)

    def forget_all() -> None:
        enablement.forget_all()
        hosts.forget_all()

    listener = Listener(
        urls.app,
        {FEATURES_CHANNEL: lambda org: enablement.forget(UUID(org)), HOSTS_CHANNEL: hosts.forget},
        on_reconnect=forget_all,
    )
    if listen:
        listener.start()
    return Application(config.make_wsgi_app(), settings, database, listener)
