"""The address at which a client sees the server, when a reverse proxy stands between.

Owns the prefix and what a trusted proxy says of itself: X-Forwarded-Prefix, -Host, -Proto and
Forwarded (RFC 7239). From anyone else these are ignored.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send
from werkzeug.http import parse_options_header

from service.settings import ROOT_PATH_PATTERN, read_networks

HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


class Proxy:
    """ASGI middleware.

    Args:
        root_path: the prefix when no trusted proxy states another.
        trusted: addresses and networks of trusted proxies, separated by commas.
    """

    def __init__(self, app: ASGIApp, root_path: str, trusted: str) -> None:
        self._app = app
        self._root_path = root_path
        self._trusted = read_networks(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on as the client sent it to the proxy."""
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
    """Whether the other end of a connection lies in one of the networks."""
    if client is None or not networks:
        return False
    address = ip_address(client[0].partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)


def _stated_prefix(scope: Scope) -> str:
    prefix = _last(Headers(scope=scope), "x-forwarded-prefix").rstrip("/")
    return prefix if re.fullmatch(ROOT_PATH_PATTERN, prefix) else ""


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
    """What the nearest proxy said: each one adds its own behind those before it."""
    return ", ".join(headers.getlist(name)).rpartition(",")[2].strip()


def _move_under(scope: Scope, root: str) -> None:
    """Proxies pass the path with their prefix or without it; here it always has it."""
    scope["root_path"] = root
    path = scope["path"]
    if root and path.startswith("/") and path != root and not path.startswith(f"{root}/"):
        scope["path"] = root + path
        scope["raw_path"] = root.encode("ascii") + scope.get("raw_path", path.encode())
