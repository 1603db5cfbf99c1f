"""Data root, network, source and request of one ingest, as its parts need them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tasks.settings.sources.rows import BaseSource
from tasks.settings.tree import FeatureSettings, Network
from tasks.storage.store import Store


@dataclass(frozen=True)
class IngestContext:
    """What one ingest of one source reads, when, and where it writes.

    Attributes:
        store: the data root.
        network: its targets, time zone, interval and calendar.
        source: settings of the source.
        as_of: now, UTC seconds.
        setup: fingerprint of the configuration; a file is read again when that changes.
        backfill: whether rows were known when they happened, or are known from now.
        paths: files to read instead of the configured ones.
        start, end: bounds of the minutes wanted, UTC, end exclusive; None leaves that side open.
        lags: which days a profile is made from; late data marks the days that it reaches.
    """

    store: Store
    network: Network
    source: BaseSource
    as_of: np.datetime64
    setup: str = ""
    backfill: bool = False
    paths: tuple[str, ...] = ()
    start: np.datetime64 | None = None
    end: np.datetime64 | None = None
    lags: FeatureSettings = field(default_factory=FeatureSettings)

    @property
    def has_range(self) -> bool:
        """Whether only a range of minutes is asked for, so that no cursor moves."""
        return self.start is not None or self.end is not None
