"""A data root, a folder of source files, and short ways to ingest and look."""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from tasks.errors import StoreError
from tasks.ingest.context import IngestContext
from tasks.ingest.report import SourceReport
from tasks.ingest.run import run
from tasks.ingest.source import Source
from tasks.ingest.sources import make_source, named_source, setup_of
from tasks.ingest.steps import ingest_source
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.minutes import read_minutes

NOW = np.datetime64("2024-05-10T12:00:00", "s")
TRIPS = {
    "entries": {"time": "started_at", "station_id": "from"},
    "exits": {"time": "ended_at", "station_id": "to"},
}
Truth = dict[tuple[str, datetime], tuple[int | None, ...]]


@dataclass
class Bench:
    """Everything below `folder`: sources in `feed`, the data root in `root` unless that is a URL."""

    folder: Path
    source: dict[str, Any]
    network: dict[str, Any] = field(default_factory=dict)
    root: str = "root"
    stations: dict[str, Any] = field(default_factory=dict)
    _settings: dict[str, Settings] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def counts(cls, folder: Path, network: dict[str, Any] | None = None, **more: Any) -> Self:
        return cls(folder, {"name": "gates", "kind": "counts", "path": f"{folder}/feed/*", **more}, network or {})

    @classmethod
    def events(cls, folder: Path, network: dict[str, Any] | None = None, **more: Any) -> Self:
        path = f"{folder}/feed/*"
        return cls(folder, {"name": "trips", "kind": "events", "path": path, "events": TRIPS, **more}, network or {})

    @classmethod
    def http(cls, folder: Path, url: str, network: dict[str, Any] | None = None, **more: Any) -> Self:
        return cls(folder, {"name": "feed", "kind": "http", "url": url, **more}, network or {})

    @property
    def data_root(self) -> str:
        return self.root if "://" in self.root else str(self.folder / self.root)

    @property
    def settings(self) -> Settings:
        """Made once for what the bench says and the environment holds: it takes longer than many an ingest."""
        tree: dict[str, Any] = {"network": self.network, "sources": [self.source], "stations": self.stations}
        environment = {name: value for name, value in os.environ.items() if name.upper().startswith("NEXTHOUR_")}
        key = repr((self.data_root, tree, environment))
        if key not in self._settings:
            self._settings[key] = Settings(data_root=self.data_root, **tree)
        return self._settings[key]

    @property
    def store(self) -> Store:
        return Store(self.data_root)

    @property
    def targets(self) -> tuple[str, ...]:
        return self.settings.network.targets

    def put(self, name: str, content: str | bytes | pa.Table) -> Path:
        """Write a source file: text, bytes, or a table as Parquet; gzip if the name says so."""
        path = self.folder / "feed" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        if isinstance(data, pa.Table):
            import pyarrow.parquet as pq

            pq.write_table(data, path)
        else:
            path.write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
        return path

    def put_rows(self, name: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
        """Write a CSV."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([header, *rows])
        return self.put(name, text.getvalue())

    def ingest(self, as_of: np.datetime64 = NOW, **more: Any) -> SourceReport:
        return ingest_source(self.settings, self.source["name"], as_of, **more)

    def ingest_into(
        self, store: Store, as_of: np.datetime64 = NOW, backfill: bool = False, source: Source | None = None
    ) -> SourceReport:
        """As `ingest`, into any store and from any source."""
        config, network = named_source(self.settings, self.source["name"]), self.settings.network
        context = IngestContext(
            store,
            network,
            config,
            as_of,
            setup_of(config, network),
            backfill,
            lags=self.settings.features,
        )
        return run(context, source or make_source(config, network))

    def truth(self, as_of: np.datetime64 | None = None) -> Truth:
        """The minute table, today's or as it was known, by station and minute."""
        table = self.minute_table(as_of)
        columns = [table["station_id"].to_pylist(), [naive(t) for t in table["minute_utc"].to_pylist()]]
        counts = zip(*(table[target].to_pylist() for target in self.targets), strict=True)
        return dict(zip(zip(*columns, strict=True), counts, strict=True))

    def minute_table(self, as_of: np.datetime64 | None = None) -> pa.Table:
        network = self.settings.network
        return read_minutes(self.store, *whole_span(self.store), network.timezone, network.targets, as_of)

    def table(self, name: str) -> list[dict[str, Any]]:
        """Rows of observations or rejects."""
        schema = schemas.REJECTS if name == "rejects" else schemas.observations(self.targets)
        rows: list[dict[str, Any]] = self.store.read_tables(self.store.files(name, ".parquet"), schema).to_pylist()
        return rows

    def rejects(self) -> list[tuple[int, str, str]]:
        """Line, reason and text of everything refused."""
        return sorted((r["line"], r["reason"], r["text"]) for r in self.table("rejects"))

    def files(self, *but: str) -> dict[str, bytes]:
        """Every file of the data root but those below some folders."""
        if self.store.local is None:
            shown = {name: self.store.read_bytes(name) or b"" for name in self.store.files("")}
        else:
            root = self.folder / self.root
            paths = [Path(a) / name for a, _, names in os.walk(root) for name in names]
            shown = {str(p.relative_to(root)): p.read_bytes() for p in paths}
        return {name: data for name, data in shown.items() if not name.startswith((".locks", *but))}

    def minute_files(self) -> dict[str, bytes]:
        """Every file of the minute table itself."""
        return {name: data for name, data in self.files().items() if name.endswith("part.parquet")}


def whole_span(store: Store) -> tuple[np.datetime64, np.datetime64]:
    """First and last minute of all that a data root holds; of a century, the offsets of its zone alone take a second."""
    days = [np.datetime64(day) for table in ("observations", "minutes") for day in store.partitions(table)]
    first, last = (min(days), max(days)) if days else (NOW, NOW)
    return (first - np.timedelta64(2, "D")).astype("datetime64[m]"), (last + np.timedelta64(3, "D")).astype(
        "datetime64[m]"
    )


class Failing(Store):
    """A store whose power is cut after some writes."""

    def __init__(self, root: str, writes: int) -> None:
        super().__init__(root)
        self.left = writes

    def write_bytes(self, path: str, data: bytes) -> None:
        self.left -= 1
        if self.left < 0:
            raise StoreError("cut off")
        super().write_bytes(path, data)


def naive(moment: datetime) -> datetime:
    """A UTC time without its zone."""
    return moment.replace(tzinfo=None)


def at(text: str) -> datetime:
    """A naive time of ISO text."""
    return datetime.fromisoformat(text)
