"""Which addresses are called at all: systems over https or on this machine, webhooks of ours on public hosts only.

An operator's setting may name any host; what a person types into a screen may not reach into our own network.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

from connectors.errors import ConfigurationError

_LABELS = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*\Z")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\uffff\\\"<>^`{|}]")
_TRANSLATED = tuple(
    ipaddress.ip_network(net)
    for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "fec0::/10")
)
"""IPv6 ranges that lead to an IPv4 address or into a site, some of which Python calls global."""
LONGEST = 2048

Resolve = Callable[[str], Iterable[str]]


def check_address(system: str, url: str, allow_plain: bool = False) -> str:
    """The address, when it may be called: https, or http on this machine (elsewhere if `allow_plain`).

    Raises ConfigurationError with what is wrong. The address itself is not repeated: it may hold a password.
    """
    parts = _parts(system, url)
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise _refused(system, "has a query or a fragment", "Give the base address alone.")
    if parts.scheme == "http" and not allow_plain and not is_loopback(parts.hostname or ""):
        raise _refused(
            system,
            "is plain http, which anybody on the way can read",
            "Use https, or set the connection's ALLOW_HTTP to yes where a VPN or a TLS proxy protects the way.",
        )
    return url


def public_https(url: str, resolve: Resolve | None = None, system: str = "webhook") -> str:
    """The address, when it is https on port 443 of a host all of whose addresses are public.

    Asked before it is kept and again by the socket that is opened (`check_peer`): names can change between.
    """
    parts = _parts(system, url)
    if parts.scheme != "https":
        raise _refused(system, "is not https", "Use https.")
    if (parts.port or 443) != 443:
        raise _refused(system, "names a port", "Only the port of https (443) is called.")
    host = parts.hostname or ""
    for address in [host] if _as_ip(host) else (resolve or _resolved)(host):
        if not is_public(address):
            raise _refused(system, "leads into a private network", "Use an address that is public.")
    return url


def check_peer(system: str, peer: str) -> None:
    """Raises ConfigurationError where a connection was made to an address that is not public."""
    if not is_public(peer):
        raise _refused(system, "leads into a private network", "Use an address that is public.")


def is_public(address: str) -> bool:
    """Is this IP address (text) one of the public internet's?"""
    found = _as_ip(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped:
            return is_public(str(found.ipv4_mapped))
        if any(found in net for net in _TRANSLATED):
            return False
    return found is not None and found.is_global and not found.is_multicast and not found.is_reserved


def is_loopback(host: str) -> bool:
    found = _as_ip(host)
    return host.lower() == "localhost" or (found is not None and found.is_loopback)


def _parts(system: str, url: str) -> SplitResult:
    if len(url) > LONGEST or _FORBIDDEN.search(url):
        raise _refused(system, "holds blanks or characters that no address has", "Correct the address.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _refused(system, "cannot be read", "Correct the address.") from error
    if parts.scheme not in ("http", "https"):
        raise _refused(system, "is neither https nor http", "Begin the address with https://.")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise _refused(system, "holds a user name", "Give credentials in their own settings.")
    if port == 0 or not _sane(parts.hostname or ""):
        raise _refused(system, "has no host that could be meant", "Write the host as a plain name or IP address.")
    return parts


def _sane(host: str) -> bool:
    """A name of ASCII labels, or an IP address in its usual form. 127.1, 0x7f000001 and 2130706433 are IP addresses
    to some resolvers and names to others."""
    if _as_ip(host):
        return True
    last = host.rpartition(".")[2]
    return bool(_LABELS.match(host)) and len(host) <= 253 and not re.fullmatch(r"[0-9]+|0x[0-9a-f]*", last)


def _as_ip(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _resolved(host: str) -> list[str]:
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)]
    except OSError as error:
        raise _refused("webhook", "has a host that is not known", "Correct the address.") from error


def _refused(system: str, why: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"{system}: the address {why}.", system=system, request="address", remedy=remedy)
