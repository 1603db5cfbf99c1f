"""The ledger of overrides, `overrides/` in the data root: one small file per entry, added and never changed."""

from __future__ import annotations

import logging

import numpy as np
import pyarrow as pa

from tasks.errors import ConfigError, StoreError, nearest_key
from tasks.overrides.entry import AHEAD, Override, Removal, check_override, check_texts, parse_entry
from tasks.settings.tree import Settings
from tasks.stations.table import StationTable
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.minutes import minute_files

log = logging.getLogger(__name__)

FOLDER = "overrides"
IDS = pa.schema([("station_id", schemas.NAME)])


Ledger = tuple[tuple[Override, ...], tuple[Removal, ...]]
"""Overrides and removals, oldest first."""


def read_ledger(store: Store, since: np.datetime64 | None = None, *, forgiving: bool = False) -> Ledger:
    """All entries, or those that were added since a moment.

    Raises:
        StoreError: if an entry cannot be read, unless it is `forgiving`.
    """
    first = "" if since is None else f"{FOLDER}/{_compact(since)}"
    paths = [path for path in store.files(FOLDER, ".json") if path >= first]
    entries: list[Override | Removal] = []
    for path in paths:
        try:
            entries.append(parse_entry(store.read_json(path), store.url(path)))
        except StoreError as error:
            if not forgiving:
                raise
            log.error("an override is left out: %s", error)
    added = sorted((e for e in entries if isinstance(e, Override)), key=lambda e: (e.added_at, e.override_id))
    return tuple(added), tuple(sorted((e for e in entries if isinstance(e, Removal)), key=lambda e: e.added_at))


def overrides_in_force(
    store: Store, known_at: np.datetime64, start: np.datetime64, end: np.datetime64
) -> tuple[Override, ...]:
    """Overrides known and not removed at a moment that touch a span of minutes, end exclusive; oldest first.

    An entry that cannot be read is an error in the log, and `nexthour doctor` finds it; the others hold all the same.

    Raises:
        StoreError: if the ledger cannot be listed.
    """
    added, removals = read_ledger(store, start - AHEAD - np.timedelta64(1, "D"), forgiving=True)
    ended = {removal.of for removal in removals if removal.added_at <= known_at}
    return tuple(
        each
        for each in added
        if each.added_at <= known_at and each.start < end and each.end > start and each.override_id not in ended
    )


def add_override(store: Store, override: Override) -> str:
    """Add an override; returns its id. The same one twice is one.

    Raises:
        ConfigError: if it is out of bounds.
        StoreError: if the data root cannot be written.
    """
    check_override(override)
    _write(store, override, override.override_id)
    return override.override_id


def remove_override(store: Store, removal: Removal) -> Override:
    """End an override before its time; what it changed stays in the ledger. Returns it.

    Raises:
        ConfigError: if there is no such override, or it was removed before.
        StoreError: if the ledger cannot be read or written.
    """
    check_texts(removal.who, removal.why)
    added, removals = read_ledger(store)
    by_id = {each.override_id: each for each in added}
    if removal.of not in by_id:
        known = tuple(by_id)
        raise ConfigError(f"override {removal.of!r} is unknown{nearest_key(removal.of, known) if known else ''}")
    if any(each.of == removal.of for each in removals):
        raise ConfigError(f"override {removal.of} was removed before")
    _write(store, removal, f"{removal.of}-removed")
    return by_id[removal.of]


def find_stations(settings: Settings, table: StationTable, station: str | None, line: str | None) -> tuple[str, ...]:
    """Stations that a person means: one by its id or name, or all of a line.

    Raises:
        ConfigError: if none or both are given, or what is given is unknown; names the nearest.
        StoreError: if the minute table cannot be read.
    """
    if (station is None) == (line is None):
        raise ConfigError("override: give one station, or one line")
    if line is not None:
        found = tuple(sorted(each.station_id for each in table.stations.values() if each.line == line))
        if not found:
            lines = tuple(sorted({each.line for each in table.stations.values() if each.line}))
            hint = nearest_key(line, lines) if lines else "; the station table of [stations] file names none"
            raise ConfigError(f"override: line {line!r} is unknown{hint}")
        return found
    named = [each.station_id for each in table.stations.values() if each.name == station]
    ids = {*table.stations, *_newest_stations(Store(settings.data_root))}
    if station in ids:
        return (str(station),)
    if len(named) == 1:
        return (named[0],)
    if named:
        raise ConfigError(f"override: {len(named)} stations are called {station!r}: give the id, such as {named[0]!r}")
    names = {each.name for each in table.stations.values() if each.name}
    raise ConfigError(
        f"override: station {station!r} is unknown{nearest_key(str(station), tuple(sorted(ids | names)))}"
    )


def _newest_stations(store: Store) -> list[str]:
    """Stations of the newest day of the minute table."""
    files = minute_files(store, store.partitions("minutes"))[-1:]
    return schemas.name_codes(store.read_tables(files, IDS)["station_id"])[1]


def _write(store: Store, entry: Override | Removal, name: str) -> None:
    path = f"{FOLDER}/{_compact(entry.added_at)}-{name}.json"
    if not store.exists(path):
        store.write_json(path, entry.to_json())


def _compact(moment: np.datetime64) -> str:
    return str(moment.astype("datetime64[s]")).replace("-", "").replace(":", "") + "Z"
