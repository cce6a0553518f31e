"""Where a request comes from. Forwarded addresses are believed only from as many proxies as the deployment has."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from pyramid.request import Request

UNKNOWN = "unknown"


def client_address(request: Request) -> str:
    """The client's IP address in its shortest spelling, or `unknown` (a Unix socket, a faulty proxy).

    With N trusted hops, each of the last N entries of X-Forwarded-For was written by one of our own proxies, so the
    N-th from the end is the client as the outermost of them saw it. Anything further left is the client's own claim.
    """
    hops: int = request.deployment.trusted_proxy_hops
    written = request.environ.get("REMOTE_ADDR", "")
    if hops:
        forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
        if len(forwarded) >= hops and forwarded[-hops]:
            written = forwarded[-hops]
    address = _parsed(written)
    return UNKNOWN if address is None else str(address)


def address_block(address: str) -> str:
    """What is counted as one sender: an IPv4 address, or the /64 that one IPv6 customer has to choose from."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False))
    return UNKNOWN if parsed is None else str(parsed)


def _parsed(written: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it: with or without a port, brackets or an IPv6 zone."""
    text = written.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address
