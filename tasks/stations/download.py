"""A station file at an address: fetched by ingests once a day, kept in the data root, where everybody reads it.

Whoever publishes, draws or answers reads the copy: no forecast waits for another server. An old copy is better than
none, so that it is replaced by a file that can be read, and by nothing else.
"""

from __future__ import annotations

import hashlib
import io
import logging
import time
from collections.abc import Mapping

import numpy as np

from tasks.errors import ConfigError
from tasks.settings.secrets import mask_url
from tasks.stations.read import MAX_BYTES, read_stations
from tasks.stations.table import StationTable
from tasks.storage.store import Store

log = logging.getLogger(__name__)
AGE, RETRY = np.timedelta64(1, "D"), np.timedelta64(1, "h")
"""How old a copy may be, and how long one waits after a try that failed."""
SECONDS = 20.0
"""Time for all of a file."""
_REDIRECTS = 3
_FOLDER = "stations"


def is_address(file: str) -> bool:
    """Whether a station file is fetched, and not one of this machine."""
    return file.startswith(("http://", "https://"))


def fetched_file(store: Store, url: str) -> bytes:
    """The copy of an address.

    Raises:
        ConfigError: if there is none yet.
    """
    data = store.read_bytes(_path(url, "bin"))
    if data is None:
        raise ConfigError(f"[stations] file {mask_url(url)} was not fetched yet: nexthour ingest does, once a day")
    return data


def copy_content(store: Store, url: str) -> str:
    """SHA-256 of the copy of an address, from what is noted beside it: the copy itself is read only where it is new.

    Raises:
        ConfigError: if there is none yet.
    """
    state = store.read_json(_path(url, "json"))
    noted = state.get("sha256") if isinstance(state, dict) else None
    return str(noted) if noted else _digest(fetched_file(store, url))


def read_fetched(url: str, data: bytes, aliases: Mapping[str, str]) -> StationTable:
    """The table of a copy.

    Raises:
        ConfigError: one line, if it is no station file.
    """
    shown = mask_url(url)
    return read_stations(f"[stations] file {shown}", shown, io.BytesIO(data), aliases)


def refresh_copy(store: Store, url: str, aliases: Mapping[str, str], as_of: np.datetime64) -> None:
    """Fetch a file again where its copy is older than a day; what goes wrong is a warning, and the copy stays.

    Args:
        store: of the data root.
        url: of the file.
        aliases: as sources have them, with which it must be readable.
        as_of: now, UTC.
    """
    state = store.read_json(_path(url, "json"))
    state = state if isinstance(state, dict) else {}
    if not (_is_due(state.get("fetched_at"), as_of, AGE) and _is_due(state.get("tried_at"), as_of, RETRY)):
        return
    now = {"tried_at": str(as_of)}
    try:
        answer = _fetch(url, state.get("etag") if store.exists(_path(url, "bin")) else None)
        if answer is not None:
            data, etag = answer
            read_fetched(url, data, aliases)
            store.write_bytes(_path(url, "bin"), data)
            state = {"etag": etag, "sha256": _digest(data)}
        now["fetched_at"] = str(as_of)
    except ConfigError as error:
        log.warning("%s; the copy of before is used, if there is one", error)
    store.write_json(_path(url, "json"), {**state, **now})


def _path(url: str, kind: str) -> str:
    return f"{_FOLDER}/{hashlib.sha256(url.encode()).hexdigest()[:16]}.{kind}"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _is_due(last: object, as_of: np.datetime64, after: np.timedelta64) -> bool:
    """Whether a moment is long over; one of the future is of a clock that was wrong."""
    try:
        then = np.datetime64(str(last), "s") if last else None
    except ValueError:
        then = None
    return then is None or not then <= as_of < then + after


def _fetch(url: str, etag: str | None) -> tuple[bytes, str | None] | None:
    """Content and tag of a file; None where it is as before.

    Raises:
        ConfigError: one line, if it is not there in time, too large or another kind of answer.
    """
    import httpx

    where, until = f"[stations] file {mask_url(url)}", time.monotonic() + SECONDS
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole addresses, keys included
    headers = {"User-Agent": "nexthour"} | ({"If-None-Match": etag} if etag else {})
    try:
        with (
            httpx.Client(timeout=SECONDS / 2, follow_redirects=True, max_redirects=_REDIRECTS) as client,
            client.stream("GET", url, headers=headers) as reply,
        ):
            if reply.status_code == httpx.codes.NOT_MODIFIED and etag:
                return None
            if reply.status_code != httpx.codes.OK:
                raise ConfigError(f"{where} answers {reply.status_code} {reply.reason_phrase}: correct the address")
            content = bytearray()
            for part in reply.iter_bytes():
                content += part
                if len(content) > MAX_BYTES:
                    raise ConfigError(f"{where} is larger than {MAX_BYTES >> 20} MiB")
                if time.monotonic() > until:
                    raise ConfigError(f"{where} takes longer than {SECONDS:.0f} seconds")
            return bytes(content), reply.headers.get("ETag")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ConfigError(f"{where} cannot be fetched: {type(error).__name__}") from None
