"""The published forecast in memory: read again when `latest.json` is replaced, and encoded once per station."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import pyarrow as pa
from pydantic_core import to_json

from flows.api.decode import decode_in_pieces
from tasks.errors import StoreError
from tasks.storage.store import Store

log = logging.getLogger(__name__)

PATH = "publications/latest.json"
LOOK_SECONDS = 0.2
"""Between two looks at whether the file was replaced, where it is on this machine."""
LOOK_AWAY_SECONDS = 5.0
"""The same for a bucket, where every look is a request."""
UNREADABLE = (StoreError, OSError, ValueError, KeyError, TypeError)
"""What is raised of a file that cannot be read, or is no forecast."""
OF_ALL = ("stations", "levels", "station_information", "totals", "alerts")
"""Fields of the document that are about all stations; the others go with every station."""


STATIONS = pa.schema(
    [
        ("station_id", pa.string()),
        ("name", pa.string()),
        ("line", pa.string()),
        ("zone", pa.string()),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        ("capacity", pa.int64()),
    ]
)
"""What is known of a station besides its counts."""


def tag_of(body: bytes) -> str:
    """Entity tag of a body: the same body has the same tag, in every process."""
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'


@dataclass(frozen=True)
class Body:
    """An encoded answer and its entity tag."""

    content: bytes = field(repr=False)
    tag: str

    @staticmethod
    def of(value: Any) -> Body:
        """The JSON of a value."""
        content = to_json(value, inf_nan_mode="null")
        return Body(content, tag_of(content))


class Latest:
    """One state of `latest.json`; it never changes, so that no answer mixes two forecasts."""

    def __init__(self, document: dict[str, Any], whole: Body) -> None:
        self.document, self.whole = document, whole
        self._shared = {key: value for key, value in self.document.items() if key not in OF_ALL}
        self._bodies: dict[str, Body] = {}

    @classmethod
    async def of(cls, content: bytes) -> Latest:
        """The state that the file's content is.

        Requests are answered meanwhile, as decoding all stations at once takes 30 ms for 300.
        """
        tag = await asyncio.to_thread(tag_of, content)
        return cls(await decode_in_pieces(content.decode()), Body(content, tag))

    @property
    def stations(self) -> list[str]:
        """Ids of the stations that are forecast."""
        return list(self.document["stations"])

    def station(self, station_id: str) -> dict[str, Any]:
        """The next hour of one station; raises KeyError where it is not forecast."""
        return {
            **self._shared,
            "station_id": station_id,
            **self.document.get("station_information", {}).get(station_id, {}),
            "targets": self.document["stations"][station_id],
            "levels": self.document.get("levels", {}).get(station_id, {}),
            "alerts": [alert for alert in self.document.get("alerts", ()) if alert["station_id"] == station_id],
        }

    def body(self, station_id: str) -> Body:
        """`station`, encoded; raises KeyError where it is not forecast."""
        body = self._bodies.get(station_id)
        if body is None:
            body = self._bodies[station_id] = Body.of(self.station(station_id))
        return body

    def station_rows(self) -> pa.Table:
        """What is known of the stations that are forecast, a row each."""
        known = self.document.get("station_information", {})
        return pa.Table.from_pylist([{"station_id": name, **known.get(name, {})} for name in self.stations], STATIONS)

    def rows(self, stations: list[str]) -> pa.Table:
        """The next hour of some stations: a row per station, target and interval."""
        columns: dict[str, list[Any]] = {name: [] for name in ("station_id", "target", "horizon_minutes")}
        columns |= {name: [] for name in ("mean", *self.document["quantiles"])}
        horizon = self.document["horizon_minutes"]
        for station_id in stations:
            for target, values in self.document["stations"][station_id].items():
                columns["station_id"] += [station_id] * len(horizon)
                columns["target"] += [target] * len(horizon)
                columns["horizon_minutes"] += horizon
                for name in ("mean", *self.document["quantiles"]):
                    columns[name] += values[name]
        rows = pa.table(columns)
        return rows.add_column(0, "origin_utc", pa.array([self.document["origin_utc"]] * rows.num_rows, pa.string()))


class Published:
    """The newest `Latest`; `latest` is None until `look` has found one."""

    def __init__(self, store: Store) -> None:
        self._store, self._seen = store, ""
        self.latest: Latest | None = None

    async def look(self) -> None:
        """Read the file if it was replaced, while requests are answered; one that cannot be read changes nothing."""
        try:
            local = self._store.local is not None
            state = file_state(self._store, PATH) if local else await asyncio.to_thread(file_state, self._store, PATH)
            if state == self._seen:
                return
            content = await asyncio.to_thread(self._store.read_bytes, PATH)
            if content is not None:
                self.latest = await Latest.of(content)
            self._seen = state
        except UNREADABLE as error:
            log.warning("%s is not read: %s", self._store.url(PATH), error)

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS if self._store.local else LOOK_AWAY_SECONDS)
            await self.look()


def file_state(store: Store, path: str) -> str:
    """What changes when a file of the data root is replaced; blank where there is none."""
    if store.local:
        try:
            stat = (store.local / path).stat()
        except FileNotFoundError:
            return ""
        return f"{stat.st_ino}-{stat.st_mtime_ns}-{stat.st_size}"
    info = store.fs.get_file_info(store.at(path))
    return f"{info.mtime_ns}-{info.size}"
