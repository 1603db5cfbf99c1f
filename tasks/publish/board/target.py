"""The target: page and data below `publications/board/`, in an order in which no reader meets half an issue.

`data/now.js` names the files of the newest issue and is replaced last; they are never changed, and those of the issue
before stay until the next one.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from tasks.clock import service_dates
from tasks.contracts import Publication
from tasks.errors import StoreError
from tasks.publish._newest import holds_later, moment_of
from tasks.publish.board.document import CHUNK, FORMAT, day_document, overview_document, read_day
from tasks.publish.board.model_age import trained_until
from tasks.publish.board.past import past_document, past_series
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables import schemas

log = logging.getLogger(__name__)

FOLDER = "publications/board"
NOW = f"{FOLDER}/data/now.js"
Axes = tuple[Sequence[str], Sequence[str]]
"""Stations and targets."""
PAGE = files("tasks.publish.board") / "page"
_HEAD, _TAIL = "nexthour.take(", ");\n"


class Board:
    """Writes page and data, unless they show a forecast of a later hour; implements `contracts.Target`."""

    name = "board"

    def __init__(self, settings: Settings) -> None:
        self._store, self._settings = Store(settings.data_root), settings

    def publish(self, publication: Publication) -> str:
        """Replace what the board shows; returns the path or URL of its page.

        Raises:
            StoreError: if a file cannot be written; readers then still see the issue before.
        """
        with self._store.lock("board"):
            held, summary = self._read_previous(), publication.summary
            shown = moment_of({"origin_utc": "", "issued_at": "", **held})
            if holds_later(shown, summary):
                kept = f"{self._store.url(FOLDER)}/index.html stays as it is: it shows a later forecast, of {shown[0]}"
                log.warning("%s", kept)
                return kept
            page = self._write_page(held.get("page"))
            axes = schemas.name_codes(publication.stations["station_id"])[1], self._settings.network.targets
            past = self._write_past(summary["origin_utc"], axes, held.get("past"))
            issue = self._write_issue(publication, axes, past)
            times = {key: summary.get(key) for key in ("origin_utc", "issued_at", "next_issue_at")}
            now = {"format": FORMAT, "page": page, "issue": issue, "past": past, **times}
            self._store.write_bytes(NOW, script("now", now))
            self._remove_old({issue, past, held.get("issue"), held.get("past")})
        return f"{self._store.url(FOLDER)}/index.html"

    def _read_previous(self) -> dict[str, Any]:
        """What `now.js` says; empty where there is none that can be read."""
        try:
            text = (self._store.read_bytes(NOW) or b"").decode()
            _, found = json.loads(f"[{text[len(_HEAD) : -len(_TAIL)]}]")
        except (StoreError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write_page(self, held: str | None) -> str:
        """Write the files of the page where they are not those that are held; returns the digest of all."""
        assets = {item.name: item.read_bytes() for item in PAGE.iterdir() if item.is_file()}
        page = _digest(b"\0".join(name.encode() + b"\0" + assets[name] for name in sorted(assets)))
        if page != held:
            for ending in (b'.js"', b'.css"'):  # a name of their own, so that no cache mixes two versions
                assets["index.html"] = assets["index.html"].replace(ending, ending[:-1] + f'?{page}"'.encode())
            for name in sorted(assets, key=lambda name: (name == "index.html", name)):
                self._store.write_bytes(f"{FOLDER}/{name}", assets[name])
        return page

    def _write_issue(self, publication: Publication, axes: Axes, past: str | None) -> str:
        """Write overview and details; returns the name that their files begin with."""
        settings, summary = self._settings, publication.summary
        day = read_day(publication.day, *axes)
        document = overview_document(
            publication.stations,
            day,
            summary,
            axes,
            past=past,
            language=settings.publish.board.language,
            channels=[channel.name for channel in settings.channels],
            level_names=list(settings.levels.labels),
            trained_until=trained_until(self._store, summary["model_version"]),
        )
        overview = script("overview", document)
        issue = f"{''.join(c for c in summary['issued_at'] if c.isalnum())}-{_digest(overview)}"
        for number, part in _chunks(axes):
            details = day_document(day.of_stations(part), axes[0][part], axes[1])
            self._write_data(issue, "day", number, details)
        self._store.write_bytes(f"{FOLDER}/data/{issue}.overview.js", overview)
        return issue

    def _write_past(self, origin: str, axes: Axes, held: str | None) -> str | None:
        """Write yesterday where the hour, the day or the stations are others; returns the name of its files."""
        timezone = self._settings.network.timezone
        hour = np.datetime64(origin.removesuffix("Z"), "h")
        day = service_dates(np.array([origin.removesuffix("Z")], "datetime64[m]"), timezone)[0] - np.timedelta64(1, "D")
        name = f"past-{day}-{str(hour)[-2:]}-{_digest(json.dumps(axes).encode())}"
        if name == held:
            return name
        try:
            hours, series = past_series(self._store, self._settings, day, axes[0])
        except StoreError as error:
            log.warning("the board goes without yesterday: %s", error)
            return None
        if not np.isfinite(series["forecast"]).any():
            return None
        for number, part in _chunks(axes):
            self._write_data(name, "past", number, past_document(hours, series, part, axes))
        return name

    def _write_data(self, name: str, kind: str, number: int, document: Any) -> None:
        self._store.write_bytes(f"{FOLDER}/data/{name}.{kind}-{number}.js", script(f"{kind}-{number}", document))

    def _remove_old(self, kept: set[str | None]) -> None:
        """Remove data of issues before; what cannot be removed now is removed later."""
        for path in self._store.files(f"{FOLDER}/data", ".js"):
            issue = path.rsplit("/", 1)[1].split(".")[0]
            if path != NOW and issue not in kept:
                try:
                    self._store.delete(path)
                except StoreError as error:
                    log.warning("%s", error)


def _chunks(axes: Axes) -> Iterator[tuple[int, slice]]:
    """Number and stations of each file of details."""
    return enumerate(slice(first, first + CHUNK) for first in range(0, len(axes[0]), CHUNK))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def script(key: str, document: Any) -> bytes:
    """A data file: a page that is opened as a file can load scripts, and nothing else."""
    body = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return f"{_HEAD}{json.dumps(key)},{body}{_TAIL}".encode()
