"""The services of signing in, made for an application and put into its registry."""

from typing import Final, cast

from limits.errors import ConfigurationError
from limits.storage import Storage, storage_from_string
from pyramid.config import Configurator

from ringstead.auth.address import client_address
from ringstead.auth.csrf import add_forgery_protection
from ringstead.auth.guard import SignInGuard
from ringstead.auth.limit_storage import PostgresStorage
from ringstead.auth.passwords import Passwords
from ringstead.auth.policy import SecurityPolicy, add_declared_permissions
from ringstead.auth.throttle import Throttle
from ringstead.db.engine import Database
from ringstead.settings import Settings, SettingsError

# Seconds. A Redis that hangs must not hang every sign-in: PostgreSQL takes over.
_PATIENCE: Final = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}


def make_throttle(settings: Settings, database: Database) -> Throttle:
    """The counters of this deployment. With Redis, PostgreSQL takes over while Redis does not answer."""
    in_database = PostgresStorage(engine=database.app_engine)
    if settings.rate_limit_url == "postgresql":
        return Throttle(in_database)
    try:
        in_redis = cast(Storage, storage_from_string(settings.rate_limit_url, **_PATIENCE))
    except ConfigurationError as error:
        raise SettingsError(
            f"rate_limit_url: Redis cannot be used here ({error}). Install the extra `ringstead[redis]`, or set "
            "rate_limit_url to postgresql."
        ) from error
    return Throttle(in_redis, in_database)


def includeme(config: Configurator) -> None:
    """Add the security policy, forgery protection, `request.client_address` and the services of the sign-in pages."""
    settings: Settings = config.registry["ringstead.settings"]
    throttle = make_throttle(settings, config.registry["ringstead.database"])
    config.registry["ringstead.keys"] = settings.keys()
    config.registry["ringstead.passwords"] = Passwords(settings.web_threads)
    config.registry["ringstead.throttle"] = throttle
    config.registry["ringstead.sign_in_guard"] = SignInGuard(throttle)
    config.set_security_policy(SecurityPolicy())
    config.add_request_method(client_address, "client_address", reify=True)
    add_declared_permissions(config)
    add_forgery_protection(config)
