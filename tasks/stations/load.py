"""The station table of a configuration, read when it is first needed and again only when its file changes."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path

import numpy as np

from tasks.errors import ConfigError
from tasks.settings.tree import Settings
from tasks.stations.download import copy_content, fetched_file, is_address, read_fetched, refresh_copy
from tasks.stations.read import read_station_file
from tasks.stations.table import NO_STATIONS, StationTable
from tasks.storage.store import Store

log = logging.getLogger(__name__)


def load_station_table(settings: Settings) -> StationTable:
    """The station table; empty where none is configured.

    Raises:
        ConfigError: one line, if its file cannot be used.
    """
    file, aliases = settings.stations.file, tuple(sorted(settings.stations.aliases.items()))
    if file is None:
        return NO_STATIONS
    if is_address(file):
        root = settings.data_root
        return _read_copy(root, file, copy_content(Store(root), file), aliases)
    path = Path(file)
    try:
        state = path.stat()
    except OSError as error:
        raise ConfigError(f"[stations] file {path} cannot be read: {error.strerror or error}") from None
    return _read(path, state.st_mtime_ns, state.st_size, aliases)


def station_table(settings: Settings) -> StationTable:
    """The station table for people to read names; a file that cannot be used is a warning, and ids are shown."""
    try:
        return load_station_table(settings)
    except ConfigError as error:
        log.warning("%s; stations are shown by their ids", error)
        return StationTable(problem=str(error))


def refresh_station_file(settings: Settings, as_of: np.datetime64) -> None:
    """Fetch the station file where it is an address and its copy is older than a day; see `refresh_copy`."""
    if settings.stations.file is not None and is_address(settings.stations.file):
        refresh_copy(Store(settings.data_root), settings.stations.file, settings.stations.aliases, as_of)


@lru_cache(maxsize=4)
def _read_copy(root: str, url: str, content: str, aliases: tuple[tuple[str, str], ...]) -> StationTable:
    """The table of a copy with one content; what that is decides nothing but whether it is read again."""
    return read_fetched(url, fetched_file(Store(root), url), dict(aliases))


@lru_cache(maxsize=4)
def _read(path: Path, changed: int, size: int, aliases: tuple[tuple[str, str], ...]) -> StationTable:
    """The table of a file in one state; what the state is decides nothing but whether it is read again."""
    return read_station_file(path, dict(aliases))
