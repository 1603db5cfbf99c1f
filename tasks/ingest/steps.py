"""The steps of the ingest stage."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tasks.channels import Channel
from tasks.contracts import Progress
from tasks.errors import SourceError
from tasks.ingest.channel_files import read_channel
from tasks.ingest.context import IngestContext
from tasks.ingest.files.sniff import peek
from tasks.ingest.inspect.answers import Answers
from tasks.ingest.land.ledger import SourceLedger
from tasks.ingest.mask import Mask
from tasks.ingest.reasons import BLANK_REASONS, FILE_REASONS, ROW_REASONS, Reason
from tasks.ingest.repair.repair import OpenRejects, Written, open_failures, open_rejects, stage, write_out
from tasks.ingest.repair.sheet import SheetRow, read_sheet
from tasks.ingest.report import SourceReport
from tasks.ingest.run import run
from tasks.ingest.sources import make_source, named_source, setup_of
from tasks.settings.tree import Settings
from tasks.stations.load import refresh_station_file
from tasks.stepping import step
from tasks.storage.store import Store

if TYPE_CHECKING:  # no ingest needs them, and they take long to import
    from tasks.ingest.inspect.inspection import Inspection

__all__ = [
    "Answers",
    "Inspection",
    "OpenRejectsReport",
    "Reason",
    "SourceReport",
    "StagedReport",
    "Written",
    "explain_reasons",
    "ingest_source",
    "inspect_files",
    "last_minutes",
    "list_rejects",
    "peek",
    "read_channels",
    "stage_repairs",
    "toml_text",
    "write_rejects_out",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenRejectsReport:
    """Rows and files that were rejected and have not landed since.

    Attributes:
        files: those with rejected rows.
        failures: one line per file that could not be used at all.
    """

    files: tuple[OpenRejects, ...]
    failures: tuple[str, ...]


@dataclass(frozen=True)
class IngestAgain:
    """Files of a source that are to be ingested again as they were ingested last: arguments of `ingest_source`."""

    source: str
    start: np.datetime64 | None
    end: np.datetime64 | None
    backfill: bool
    paths: tuple[str, ...]


@dataclass(frozen=True)
class StagedReport:
    """Repaired rows that the next ingest of their files takes up.

    Attributes:
        again: those files, by the way they were ingested.
        repaired: rows repaired since the last time.
        unchanged: rows that are as they were.
        failures: one line per file or row that cannot be repaired this way.
    """

    again: tuple[IngestAgain, ...]
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
        progress: called with what is done, how many, and of how many.

    Raises:
        ConfigError: if there is no such source, or it cannot serve the network.
        SourceError: if nothing of it can be read.
        StoreError: if the data root cannot be written.
    """
    config = named_source(settings, source)
    network = settings.network
    context = IngestContext(
        store=Store(settings.data_root),
        network=network,
        source=config,
        as_of=as_of.astype("datetime64[s]"),
        setup=setup_of(config, network),
        backfill=backfill,
        paths=paths,
        start=start,
        end=end,
        lags=settings.features,
    )
    refresh_station_file(settings, context.as_of)
    with Mask.of(config).errors():
        return run(context, make_source(config, network), progress)


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
def list_rejects(settings: Settings, sources: Sequence[str]) -> OpenRejectsReport:
    """Open rejects of some sources, by their last state; rows that landed since are not among them.

    Raises:
        StoreError: if the data root cannot be read.
    """
    store = Store(settings.data_root)
    configs = [named_source(settings, name) for name in sources]
    files = tuple(each for name in sources for each in open_rejects(store, name))
    return OpenRejectsReport(files, tuple(line for config in configs for line in open_failures(store, config)))


def inspect_files(
    paths: Sequence[str], answers: Answers, keys: Mapping[str, Any], preset: str | None, as_of: np.datetime64
) -> Inspection:
    """Understand files, or say what must be asked; see `tasks.ingest.inspect.inspection.inspect_files`."""
    from tasks.ingest.inspect import inspection

    return inspection.inspect_files(paths, answers, keys, preset, as_of)


def toml_text(found: Inspection, paths: Sequence[str], out: Path) -> str:
    """TOML of a network that reads the files; see `tasks.ingest.inspect.toml_text.toml_text`."""
    from tasks.ingest.inspect import toml_text as toml

    return toml.toml_text(found, paths, out)


def explain_reasons(codes: Collection[str] = ()) -> dict[str, Reason]:
    """Meaning and remedy of some codes of rejection, in the order given; of all without any."""
    known = {**BLANK_REASONS, **FILE_REASONS, **ROW_REASONS}
    return {code: known[code] for code in codes or known if code in known}


@step("write rejects out", timeout_seconds=3600)
def write_rejects_out(settings: Settings, sources: Sequence[str], out: Path) -> Written:
    """Write the open rejects of some sources as a CSV for repair.

    Raises:
        StoreError: if the data root cannot be read, or the file not be written.
    """
    return write_out(Store(settings.data_root), [named_source(settings, name) for name in sources], out)


@step("stage repairs", timeout_seconds=3600)
def stage_repairs(settings: Settings, sources: Sequence[str], path: Path) -> StagedReport:
    """Keep the rows of a repaired CSV for the next ingest of their files; rows of other sources are left out.

    Raises:
        ConfigError: if the file is no such CSV.
        StoreError: if the data root cannot be written.
    """
    states: dict[tuple[str, str, str], list[SheetRow]] = {}
    for row in read_sheet(path):
        if row.source in sources:
            states.setdefault((row.source, row.file, row.digest), []).append(row)
    ways: dict[tuple[str, str | None, str | None, bool], list[str]] = {}
    repaired, failures = 0, list[str]()
    for (source, *_), rows in sorted(states.items()):
        try:
            staged = stage(Store(settings.data_root), named_source(settings, source), rows)
        except SourceError as error:
            failures.append(str(error))
            continue
        last = staged.input
        ways.setdefault((source, last.start, last.end, last.backfill), []).append(staged.path)
        repaired, failures = repaired + staged.repaired, failures + staged.failures
    again = [
        IngestAgain(source, _moment(start), _moment(end), backfill, tuple(paths))
        for (source, start, end, backfill), paths in ways.items()
    ]
    return StagedReport(tuple(again), repaired, sum(map(len, states.values())) - repaired, tuple(failures))


def _moment(text: str | None) -> np.datetime64 | None:
    return None if text is None else np.datetime64(text)
