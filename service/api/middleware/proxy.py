"""The address at which clients reach the server through a reverse proxy.

Owns the path prefix and the headers of trusted proxies: X-Forwarded-Prefix, -Host, -Proto and
Forwarded (RFC 7239). From all other clients these headers are ignored.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send
from werkzeug.http import parse_options_header

from service.settings import ROOT_PATH_PATTERN, is_own_path, read_networks

HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


class Proxy:
    """ASGI middleware that sets prefix, host and scheme of requests.

    Args:
        app: next application.
        root_path: the prefix, unless a trusted proxy states a prefix.
        trusted: addresses and networks of trusted proxies, separated by commas.
    """

    def __init__(self, app: ASGIApp, root_path: str, trusted: str) -> None:
        self._app = app
        self._root_path = root_path
        self._trusted = read_networks(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on with the prefix, host and scheme that the client used."""
        if scope["type"] == "http":
            root = self._root_path
            if is_trusted(scope.get("client"), self._trusted):
                root = _stated_prefix(scope) or root
                _take_over_host(scope)
            _move_under(scope, root)
        await self._app(scope, receive, send)


def is_trusted(
    client: tuple[str, int] | None, networks: Sequence[IPv4Network | IPv6Network]
) -> bool:
    """Whether the address of the client is in any of the networks."""
    if client is None or not networks:
        return False
    address = ip_address(client[0].partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)


def _stated_prefix(scope: Scope) -> str:
    prefix = _last(Headers(scope=scope), "x-forwarded-prefix").rstrip("/")
    is_prefix = re.fullmatch(ROOT_PATH_PATTERN, prefix) and not is_own_path(prefix)
    return prefix if is_prefix else ""


def _take_over_host(scope: Scope) -> None:
    headers = Headers(scope=scope)
    _, stated = parse_options_header("forwarded; " + _last(headers, "forwarded"))
    host = stated.get("host") or _last(headers, "x-forwarded-host")
    scheme = (stated.get("proto") or _last(headers, "x-forwarded-proto")).lower()
    if HOST.fullmatch(host):
        changed = MutableHeaders(scope=scope)
        changed["host"] = host
        scope["headers"] = changed.raw
    if scheme in ("http", "https"):
        scope["scheme"] = scheme


def _last(headers: Headers, name: str) -> str:
    """The last value of a header, set by the nearest proxy; "" without the header."""
    return ", ".join(headers.getlist(name)).rpartition(",")[2].strip()


def _move_under(scope: Scope, root: str) -> None:
    """Sets the prefix, and adds it to the path if the proxy removed it."""
    scope["root_path"] = root
    path = scope["path"]
    if root and path.startswith("/") and path != root and not path.startswith(f"{root}/"):
        scope["path"] = root + path
        scope["raw_path"] = root.encode("ascii") + scope.get("raw_path", path.encode())
