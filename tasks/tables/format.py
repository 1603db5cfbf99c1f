"""Format and grid of a data root's tables, so that no program and no configuration misreads what another one wrote."""

from __future__ import annotations

from typing import Any

import numpy as np

from tasks.clock import to_local
from tasks.errors import ConfigError, StoreError
from tasks.settings.tree import Network
from tasks.storage.store import Store

FORMAT = 1
"""Raised when an earlier program would misread what this one writes. Older formats stay readable."""
BUNDLE_FORMAT = 1
"""The same of bundles, which state theirs in `bundle.json`."""
PATH = "format.json"


def check_format(store: Store, network: Network | None = None) -> int:
    """Whether this program, and this network, can read the tables of a data root; returns their format.

    A data root without the file is of format 1, and one of an earlier release states no grid.

    Raises:
        StoreError: if a later program wrote them.
        ConfigError: if they were written with another interval or in another time zone.
    """
    return int(_read(store, network).get("format", 1))


def state_format(store: Store, network: Network) -> None:
    """State the format and the grid of what is written from here on.

    Raises:
        StoreError, ConfigError: see `check_format`.
    """
    held, stated = _read(store, network), {"format": FORMAT, **_grid(network)}
    if held.get("format") != FORMAT or not stated.keys() <= held.keys():
        store.write_json(PATH, {**stated, **held, "format": FORMAT})


def _read(store: Store, network: Network | None) -> dict[str, Any]:
    """What a data root states, empty where it states nothing; see `check_format`."""
    found = store.read_json(PATH)
    stated = 1 if found is None else found.get("format") if isinstance(found, dict) else None
    if not isinstance(stated, int):
        raise StoreError(f"{store.url(PATH)} states no format: restore it from a copy of the data root")
    if stated > FORMAT:
        raise StoreError(
            f"data root {store.url()} has tables of format {stated}, and this nexthour reads up to {FORMAT}: install "
            "the version that wrote them or a later one, or restore the copy from before the upgrade"
        )
    held = found or {}
    if network is not None:
        _check_grid(store, held, network)
    return held


def _grid(network: Network) -> dict[str, Any]:
    """Settings of a network that decide what a minute counts, and in which service day it lies."""
    return {"interval_minutes": network.interval_minutes, "timezone": network.timezone}


def _check_grid(store: Store, held: dict[str, Any], network: Network) -> None:
    """Whether what the tables hold is on the grid of a network."""
    for name, now in _grid(network).items():
        before = held.get(name, now)
        if before == now or (name == "timezone" and _same_clocks(before, now)):
            continue
        raise ConfigError(
            f"[network] {name} = {now!r}, and the tables of data root {store.url()} were written with {before!r}: "
            f"their counts would be misread; write {name} = {before!r}, or ingest into a new data root"
        )


def _same_clocks(one: str, other: str) -> bool:
    """Whether two time zones are one by two names, such as US/Central and America/Chicago."""
    hours = np.arange("2000", "2041", dtype="datetime64[h]").astype("datetime64[m]")
    return bool(np.array_equal(to_local(hours, one), to_local(hours, other)))
