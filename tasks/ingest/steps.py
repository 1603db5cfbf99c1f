"""The step of the ingest stage."""

from __future__ import annotations

import numpy as np

from tasks.contracts import Progress
from tasks.ingest.ledger import SourceLedger
from tasks.ingest.report import SourceReport
from tasks.ingest.run import run
from tasks.ingest.sources import make_source, named_source, setup_of
from tasks.ingest.writer import Writer
from tasks.settings import Settings
from tasks.stepping import step
from tasks.store import Store

__all__ = ["SourceReport", "ingest_source", "last_minutes"]


@step("ingest source", retries=2, timeout_seconds=3600)
def ingest_source(
    settings: Settings,
    source: str,
    as_of: np.datetime64,
    *,
    paths: tuple[str, ...] = (),
    start: np.datetime64 | None = None,
    end: np.datetime64 | None = None,
    backfill: bool = False,
    progress: Progress | None = None,
) -> SourceReport:
    """Land what is new of one source, and fold the days that it touches.

    Args:
        settings: the whole tree.
        source: name of the source.
        as_of: now, UTC.
        paths: read these files instead of the configured ones.
        start: first UTC minute wanted.
        end: UTC minute after the last one wanted.
        backfill: rows were known when they happened; without it they are known from now.
        progress: told what is done, how many, and of how many.

    Raises:
        ConfigError: if there is no such source, or it cannot serve the network.
        SourceError: if nothing of it can be read.
        StoreError: if the data root cannot be written.
    """
    config = named_source(settings, source)
    network = settings.network
    writer = Writer(
        store=Store(settings.data_root),
        source=source,
        targets=network.targets,
        timezone=network.timezone,
        interval=network.interval_minutes,
        latency_seconds=config.latency_seconds,
        backfill=backfill,
        as_of=as_of.astype("datetime64[s]"),
        start=start,
        end=end,
        setup=setup_of(config, network),
        weeks=settings.features.weeks,
        calendar=(network.country, network.subdivision),
    )
    return run(writer, make_source(config, network), paths, progress)


def last_minutes(settings: Settings) -> dict[str, np.datetime64 | None]:
    """Latest minute that each configured source ever stated, whatever came in lately; None for never.

    Raises:
        StoreError: if the ledger cannot be read.
    """
    store = Store(settings.data_root)
    return {source.name: SourceLedger(store, source.name).last_minute for source in settings.sources}
