"""Whether people who open a partner's host names arrive: what DNS says, and the certificate. Plugins add more looks.

A partner chooses the names, so nothing is told about machines that only this one can reach: addresses that are not
public are neither shown nor connected to, unless the console itself is there.
"""

import ipaddress
import socket
import ssl
from datetime import UTC, datetime, timedelta
from typing import Final

from pyramid.i18n import TranslationStringFactory

from ringstead.api.contributions import HostCheck, HostFinding, HostToCheck

_ = TranslationStringFactory("ringstead")
PORT: Final = 443
SECONDS: Final = 3.0
"""How long each of connecting and greeting may take."""
SOON: Final = timedelta(days=14)
_SHOWN: Final = 4


def checks() -> list[HostCheck]:
    """The core's own."""
    return [
        HostCheck(name="core.dns", title=_("DNS"), check=check_dns),
        HostCheck(name="core.certificate", title=_("Certificate"), check=check_certificate),
    ]


def addresses_of(name: str) -> set[str]:
    """Where a name leads to: IPv4 and IPv6 addresses, none when DNS does not know it.

    The resolver of the system decides how long that takes; who calls it has a limit of their own. Names below
    `localhost` are this machine's to browsers, whatever a resolver says (RFC 6761, section 6.3).
    """
    if name.rpartition(".")[2] == "localhost":
        return {"127.0.0.1", "::1"}
    try:
        found = socket.getaddrinfo(name, PORT, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return set()
    return {str(sockaddr[0]) for *_rest, sockaddr in found}


def check_dns(host: HostToCheck) -> HostFinding:
    """Whether a name leads to where the console is."""
    found = addresses_of(host.name)
    if not found and host.name == host.console:
        return HostFinding(state="wrong", text=_("DNS does not know this name."))
    if not found:
        text = _("DNS does not know this name. Have it lead to the same place as ${console}.")
        return HostFinding(state="wrong", text=text % {"console": host.console})
    here = addresses_of(host.console)
    if found & here:
        return HostFinding(state="good", text=_("Leads here."))
    words = {"addresses": _shown(found), "console": host.console}
    if not here:
        text = _("Leads to ${addresses}; where ${console} is could not be found out.")
        return HostFinding(state="unknown", text=text % words)
    text = _(
        "Leads to ${addresses}, and not to where ${console} is. Change it in DNS; that may take a day to be seen."
    )
    return HostFinding(state="wrong", text=text % words)


def _shown(addresses: set[str]) -> str:
    public = sorted(address for address in addresses if is_public(address))
    return ", ".join(public[:_SHOWN]) or "?"


def is_public(address: str) -> bool:
    """Whether an address is one of the Internet's, and not of this machine or network."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_global
    except ValueError:
        return False


def check_certificate(host: HostToCheck) -> HostFinding:
    """Whether a browser would trust the certificate that is shown under a name."""
    if host.scheme != "https":
        return HostFinding(state="unknown", text=_("Pages are served without encryption here."))
    found = addresses_of(host.name)
    reachable = sorted(found & addresses_of(host.console)) or sorted(filter(is_public, found))
    if not reachable:
        return HostFinding(state="unknown", text=_("Looked at once the name leads here."))
    return certificate_at(host.name, reachable[0])


def certificate_at(
    name: str, address: str, port: int = PORT, context: ssl.SSLContext | None = None
) -> HostFinding:
    """The certificate that an address shows for a name."""
    trusted = context or ssl.create_default_context()
    try:
        with (
            socket.create_connection((address, port), timeout=SECONDS) as plain,
            trusted.wrap_socket(plain, server_hostname=name) as secured,
        ):
            shown = secured.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        text = _("Browsers would warn: ${reason}. Get a certificate for this name.")
        return HostFinding(state="wrong", text=text % {"reason": error.verify_message.rstrip(".")})
    except (OSError, ValueError):
        text = _("No encrypted connection could be made on port ${port}.") % {"port": port}
        return HostFinding(state="wrong", text=text)
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)
    if ends - datetime.now(UTC) < SOON:
        return HostFinding(state="soon", text=_("Ends soon; have it renewed."), at=ends)
    return HostFinding(state="good", text=_("Valid."), at=ends)
