"""A later start of the demo: partners and sign-ins first, and the calls since the last time once the portal stands."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from ringstead.db.engine import DatabaseUrls
from ringstead.demo.setup import AppliedDemo, DemoError, apply_demo, send_new_calls
from ringstead.settings import Settings
from ringstead.tenancy.bundles import BundleError


class CatchingUp:
    """Runs beside web and jobs. What goes wrong is said and stops nothing: the portal stands as it stood before."""

    def __init__(self, settings: Settings, urls: DatabaseUrls) -> None:
        self._settings, self._urls = settings, urls
        self._demo: AppliedDemo | None = None

    def apply(self) -> None:
        """Apply the bundles again and write where the portal is."""
        try:
            self._demo = apply_demo(self._settings, self._urls)
        except (DemoError, BundleError, DBAPIError) as error:
            _say_why(error)

    def send_calls(self) -> None:
        """Send the calls since the last time, if the bundles were applied."""
        if self._demo is None:
            return
        try:
            send_new_calls(self._settings, self._urls, self._demo)
        except (DemoError, DBAPIError) as error:
            _say_why(error)


def _say_why(error: Exception) -> None:
    # A database that is gone is one that Ctrl-C has just stopped.
    if not isinstance(error, DBAPIError):
        print(f"The demo is not up to date: {error}", flush=True)
