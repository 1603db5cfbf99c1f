"""What every request passes first: names of hosts, keys, rates; and the answer that is asked for most, at once.

It is ASGI without a framework: the next hour of one station costs a look-up in memory here, and routing elsewhere.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from pydantic_core import to_json

from flows.api.latest import Published
from tasks.errors import ConfigError
from tasks.settings.secrets import read_variable
from tasks.settings.serve import ServeSettings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
SHORTEST_KEY = 16
MOST_CLIENTS = 10_000
"""Clients whose rates are remembered; the one that asked longest ago is forgotten first."""
OPEN_PATHS = frozenset({"/health"})
_BEFORE, _AFTER = "/stations/", "/next-hour"
_NOT_STORED = (b"cache-control", b"no-store")
_HARDENED: Headers = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]


class Gate:
    """An ASGI application in front of another one.

    Args:
        app: what answers everything that is let through.
        published: the forecast in memory.
        settings: keys, names of hosts, rates.

    Raises:
        ConfigError: if the variable with the keys is not set, or a key is short.
    """

    def __init__(self, app: App, published: Published, settings: ServeSettings) -> None:
        self._app, self._published = app, published
        self._keys = read_keys(settings)
        self._hosts = LOOPBACK_NAMES | set(settings.allowed_hosts)
        self._rates = Rates(settings.requests_per_minute) if settings.requests_per_minute else None
        cache = f"{'private' if self._keys else 'public'}, max-age={settings.cache_seconds}"
        self._headers: Headers = [(b"cache-control", cache.encode()), *_HARDENED]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _answer(send, *refusal)
            return
        body = self._next_hour(scope, headers)
        if body is None:
            await self._hand_on(scope, receive, send)
        elif headers.get(b"if-none-match") == body[1]:
            await _answer(send, 304, b"", [(b"etag", body[1]), *self._headers])
        else:
            found = [(b"content-type", b"application/json"), (b"etag", body[1]), *self._headers]
            await _answer(send, 200, body[0], found)

    def _refusal(self, scope: Scope, headers: Mapping[bytes, bytes]) -> tuple[int, bytes, Headers] | None:
        """Why a request is not answered; None where it is."""
        client = scope["client"][0] if scope.get("client") else ""
        if self._keys:
            key = _key_of(headers)
            if scope["path"] not in OPEN_PATHS and not _is_known(key, self._keys):
                ask = [(b"www-authenticate", b'Basic realm="nexthour", charset="UTF-8"')]
                return _refuse(401, "give a key: Authorization: Bearer KEY, X-API-Key, or as password", ask)
            client = key or client
        # A page of another site, whose name leads to this machine, could else read through a browser of this machine.
        elif _host_of(headers) not in self._hosts:
            return _refuse(421, "this name is not served: name it in [serve] allowed_hosts, or ask 127.0.0.1", [])
        wait = self._rates.wait(client) if self._rates else 0
        if wait:
            return _refuse(429, "too many requests", [(b"retry-after", str(wait).encode())])
        return None

    def _next_hour(self, scope: Scope, headers: Mapping[bytes, bytes]) -> tuple[bytes, bytes] | None:
        """Body and tag of the next hour of one station as JSON; None where something else is asked for."""
        path: str = scope["path"]
        if not (path.startswith(_BEFORE) and path.endswith(_AFTER)) or scope["query_string"]:
            return None
        latest = self._published.latest
        if latest is None or scope["method"] not in ("GET", "HEAD") or headers.get(b"accept", b"*/*") not in _JSON:
            return None
        try:
            body = latest.body(path[len(_BEFORE) : -len(_AFTER)])
        except KeyError:
            return None
        return body.content, body.tag.encode()

    async def _hand_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_hardened(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                added = self._headers if message["status"] < 400 else [_NOT_STORED, *_HARDENED]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        # A server leaves out the body of an answer to HEAD itself.
        inner = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        await self._app(inner, receive, send_hardened)


_JSON = (b"*/*", b"application/json", b"")


class Rates:
    """Requests of each client, by token buckets that hold the requests of a minute."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = per_minute, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str) -> int:
        """Count a request; returns the seconds until it may come, 0 for now."""
        now = self._clock()
        left, seen = self._buckets.pop(client, (float(self._most), now))
        left = min(self._most, left + (now - seen) * self._most / 60)
        self._buckets[client] = (left - 1 if left >= 1 else left, now)
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return 0 if left >= 1 else max(1, round((1 - left) * 60 / self._most))


def read_keys(settings: ServeSettings) -> tuple[bytes, ...]:
    """Digests of the keys that are let in; none where no key is asked for.

    Raises:
        ConfigError: if the variable is not set, or a key is short.
    """
    if settings.api_keys is None:
        return ()
    keys = [key.strip() for key in read_variable("[serve] api_keys", settings.api_keys).split(",")]
    if any(len(key) < SHORTEST_KEY for key in keys):
        raise ConfigError(f"[serve] api_keys has a key of less than {SHORTEST_KEY} characters: `openssl rand -hex 16`")
    return tuple(_digest(key) for key in keys)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _is_known(key: str, known: tuple[bytes, ...]) -> bool:
    """Whether a key is one of some, in a time that does not depend on how much of it is right, nor on which it is."""
    digest, found = _digest(key), False
    for each in known:
        found |= hmac.compare_digest(digest, each)
    return found


def _key_of(headers: Mapping[bytes, bytes]) -> str:
    """The key that a request brings; blank without one."""
    if own := headers.get(b"x-api-key"):
        return own.decode("latin-1")
    scheme, _, value = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":  # what browsers ask people for
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def _host_of(headers: Mapping[bytes, bytes]) -> str:
    """The name by which the server is asked, without its port."""
    host = headers.get(b"host", b"").decode("latin-1").lower()
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]


def _refuse(status: int, detail: str, headers: Headers) -> tuple[int, bytes, Headers]:
    found = [(b"content-type", b"application/json"), _NOT_STORED, *headers]
    return status, to_json({"detail": detail}), found


async def _answer(send: Send, status: int, body: bytes, headers: Headers) -> None:
    length = [] if status == 304 else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})
