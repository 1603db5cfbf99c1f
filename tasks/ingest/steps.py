"""The steps of the ingest stage."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import numpy as np
import pyarrow as pa

from tasks.channels import Channel
from tasks.contracts import Progress
from tasks.errors import SourceError
from tasks.ingest.channel_files import read_channel
from tasks.ingest.failed import failed
from tasks.ingest.land.ledger import SourceLedger
from tasks.ingest.land.writer import Writer
from tasks.ingest.repair.repair import Refused, Staged, Written, refused, stage, write_out
from tasks.ingest.repair.sheet import read_sheet
from tasks.ingest.report import SourceReport
from tasks.ingest.run import run
from tasks.ingest.sources import make_source, named_source, setup_of
from tasks.settings.tree import Settings
from tasks.stepping import step
from tasks.storage.store import Store

__all__ = [
    "RefusedReport",
    "SourceReport",
    "Staged",
    "StagedReport",
    "Written",
    "ingest_source",
    "last_minutes",
    "list_rejects",
    "read_channels",
    "stage_repairs",
    "write_rejects_out",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RefusedReport:
    """What stands refused.

    Attributes:
        files: those with refused rows.
        failures: one line on each file that could not be used at all.
    """

    files: tuple[Refused, ...]
    failures: tuple[str, ...]


@dataclass(frozen=True)
class StagedReport:
    """Repaired rows that lie over their files, which are to be ingested again.

    Attributes:
        files: which.
        repaired: rows repaired since the last time.
        unchanged: rows that are as they were.
        failures: one line on each file or row that cannot be repaired this way.
    """

    files: tuple[Staged, ...]
    repaired: int
    unchanged: int
    failures: tuple[str, ...]


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


@step("read channels", retries=1)
def read_channels(settings: Settings, *, forgiving: bool = False) -> tuple[Channel, ...]:
    """Every channel that is configured, in this order.

    Args:
        settings: the whole tree.
        forgiving: whether one that cannot be read is a warning, and nothing of it known.

    Raises:
        SourceError: if one cannot be read.
    """
    read = []
    for config in settings.channels:
        try:
            read.append(read_channel(config, settings.network))
        except (SourceError, OSError, pa.ArrowException) as error:
            if not forgiving:
                raise
            log.warning("%s: it goes on without channel %r", error, config.name)
            interval = config.interval_minutes or settings.network.interval_minutes
            read.append(Channel.unknown(config.name, interval, str(error)))
    return tuple(read)


@step("list rejects", timeout_seconds=3600)
def list_rejects(settings: Settings, sources: Sequence[str]) -> RefusedReport:
    """What stands refused of some sources, by their last state; rows that landed since are not among it.

    Raises:
        StoreError: if the data root cannot be read.
    """
    store = Store(settings.data_root)
    configs = [named_source(settings, name) for name in sources]
    files = tuple(each for name in sources for each in refused(store, name))
    return RefusedReport(files, tuple(line for config in configs for line in failed(store, config)))


@step("write rejects out", timeout_seconds=3600)
def write_rejects_out(settings: Settings, sources: Sequence[str], out: Path) -> Written:
    """Write what stands refused of some sources as a CSV for repair.

    Raises:
        StoreError: if the data root cannot be read, or the file not be written.
    """
    return write_out(Store(settings.data_root), [named_source(settings, name) for name in sources], out)


@step("stage repairs", timeout_seconds=3600)
def stage_repairs(settings: Settings, sources: Sequence[str], path: Path) -> StagedReport:
    """Lay the rows of a repaired CSV over the files that they are from; rows of other sources are left out.

    Raises:
        ConfigError: if the file is no such CSV.
        StoreError: if the data root cannot be written.
    """
    store, rows = Store(settings.data_root), [row for row in read_sheet(path) if row.source in sources]
    about = attrgetter("source", "file", "digest")
    files: list[Staged] = []
    failures: list[str] = []
    repaired = 0
    for (name, *_), group in groupby(sorted(rows, key=about), about):
        staged, count, problems = stage(store, named_source(settings, name), list(group))
        files += [staged] if staged else []
        repaired, failures = repaired + count, failures + problems
    return StagedReport(tuple(files), repaired, len(rows) - repaired, tuple(failures))
