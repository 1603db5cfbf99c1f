"""A made-up network on disk, and the ways in which its feed, disk, models and database fail."""

from __future__ import annotations

import csv
import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import numpy as np

from flows.pipelines import loop
from tasks.contracts import Forecaster
from tasks.model import architectures
from tasks.model.promotion.champion import bundle_folder, move_pointer
from tasks.model.serving.bundle import save_bundle
from tasks.settings.tree import Settings
from tasks.storage.store import Store

STEP, DAY = np.timedelta64(5, "m"), np.timedelta64(1, "D")
BEGIN = np.datetime64("2024-03-18T00:00", "m")
STATIONS, HISTORY_DAYS = 12, 22


@dataclass
class Town:
    """A network on disk whose feed, disk and clock can be made to fail.

    Attributes:
        folder: holds `feed/`, the data root `root/` and a database beside it.
        stale_minutes: of `[guard]`.
        minute: end of the last interval that came to pass.
    """

    folder: Path
    stale_minutes: int = 60
    minute: np.datetime64 = BEGIN
    settings: Settings = field(init=False)
    counts: np.ndarray = field(init=False)  # type: ignore[type-arg]

    def __post_init__(self) -> None:
        rng, steps = np.random.default_rng(4), np.arange((HISTORY_DAYS + 2) * 288)
        turn = 2 * np.pi * (steps % 288) / 288
        shape = np.maximum(0.05, 1 - np.cos(turn) - 0.6 * np.cos(2 * turn))
        self.counts = rng.poisson(rng.uniform(1, 30, (STATIONS, 1)) * shape)
        self.settings = Settings(
            data_root=str(self.folder / "root"),
            network={"interval_minutes": 5, "targets": ["entries"], "name": "Faultville"},
            sources=[{"name": "gates", "kind": "counts", "path": str(self.folder / "feed/*.csv")}],
            features={"weeks": 3, "recent_minutes": 60},
            publish={"targets": ["latest_json", "sql"], "sql": {"url": f"sqlite:///{self.folder}/elsewhere.db"}},
            guard={"stale_minutes": self.stale_minutes},
            mlflow={"tracking_uri": "http://127.0.0.1:9"},
        )
        (self.folder / "feed").mkdir(parents=True)
        self.feed(BEGIN - HISTORY_DAYS * DAY, BEGIN, "history")
        loop.ingest(self.settings, BEGIN, backfill=True)
        store = Store(self.settings.data_root)
        for version in ("1", "2"):
            self.write_bundle(version)
            move_pointer(store, version, None, BEGIN, "made up")

    @property
    def root(self) -> Path:
        """The data root."""
        return self.folder / "root"

    def write_bundle(self, version: str) -> None:
        """The bundle of a version, whole."""
        meta = {"stations": [f"S{i:02d}" for i in range(STATIONS)], "targets": ["entries"], "interval": 5}
        save_bundle(self.root / bundle_folder(version), architectures.initial_forecaster("weekday_level"), meta)

    def feed(self, start: np.datetime64, end: np.datetime64, name: str, factor: int = 1) -> None:
        """A file of the feed with the intervals of a span."""
        first = int((start - BEGIN) / STEP) + HISTORY_DAYS * 288
        with (self.folder / f"feed/{name}.csv").open("w", newline="") as file:
            write = csv.writer(file)
            write.writerow(["station_id", "minute_utc", "entries"])
            for i in range(int((end - start) / STEP)):
                for station in range(STATIONS):
                    people = int(self.counts[station, first + i]) * factor
                    write.writerow([f"S{station:02d}", f"{start + i * STEP}Z", people])

    def largest(self) -> float:
        """Most people that an hour of the network had."""
        sums = np.cumsum(self.counts.sum(axis=0))
        return float((sums[12:] - sums[:-12]).max())


def nothing(town: Town, end: np.datetime64) -> None:
    """The feed is silent."""


def late(town: Town, end: np.datetime64) -> None:
    """Every interval comes one late."""
    town.feed(end - 2 * STEP, end - STEP, f"late-{end}".replace(":", ""))


def garbage(town: Town, end: np.datetime64) -> None:
    """A file of the feed is no text."""
    (town.folder / f"feed/{end}.csv".replace(":", "")).write_bytes(bytes(range(256)) * 20)


def absurd(town: Town, end: np.datetime64) -> None:
    """Every counter says a hundred thousand times what it counted."""
    town.feed(end - STEP, end, f"{end}".replace(":", ""), factor=100_000)


@contextmanager
def full_disk(town: Town) -> Iterator[None]:
    """Nothing can be written below the data root."""

    def refuse(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with patch("tasks.storage.store.replace_file", refuse):
        yield


@contextmanager
def no_table(town: Town) -> Iterator[None]:
    """The folder of the forecasts table is gone, and something stands in its place."""
    kept = town.folder / "kept"
    (town.root / "forecasts").rename(kept)
    (town.root / "forecasts").write_text("not a folder")
    yield
    (town.root / "forecasts").unlink()
    kept.rename(town.root / "forecasts")


@contextmanager
def replaced_bundle(town: Town) -> Iterator[None]:
    """Each time the champion is read, it is written anew under the reader."""
    load, turn = architectures.load, iter(range(1_000_000))

    def load_and_replace(name: str, folder: Path, config: dict[str, object]) -> Forecaster:
        number = next(turn)
        if number % 2 == 0:  # every other time, as the reader tries again
            other = "weekday_mean" if number % 4 == 0 else "weekday_level"
            save_bundle(folder, architectures.initial_forecaster(other), {"note": "written meanwhile"})
        return load(name, folder, config)

    with patch.object(architectures, "load", load_and_replace):
        yield
    town.write_bundle("2")


@contextmanager
def cut_bundle(town: Town) -> Iterator[None]:
    """The head of the champion's bundle is cut short."""
    head = town.root / bundle_folder("2") / "bundle.json"
    head.write_bytes(head.read_bytes()[:100])
    yield
    town.write_bundle("2")


@contextmanager
def no_database(town: Town) -> Iterator[None]:
    """The database of one target is no database."""
    database = town.folder / "elsewhere.db"
    database.rename(town.folder / "away.db")
    database.mkdir()
    yield
    database.rmdir()
    (town.folder / "away.db").rename(database)
