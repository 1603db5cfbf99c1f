"""Files of any shape through `nexthour init` and the ingest, in one process, and the minutes that land."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from support.ingest_bench import naive
from tasks.errors import ConfigError, SourceError
from tasks.ingest.inspect.answers import Answers
from tasks.ingest.inspect.inspection import Inspection, inspect_files
from tasks.ingest.inspect.toml_text import toml_text
from tasks.ingest.report import SourceReport
from tasks.ingest.steps import ingest_source
from tasks.settings.toml_file import load_settings
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables.minutes import read_minutes

LATER = np.datetime64("2026-01-01T00:00:00", "s")
"""After all times of the inputs."""
_NUMBERS = count()
Counts = dict[tuple[str, datetime], dict[str, int | None]]
"""Count of each target by station and minute (UTC)."""


class Landed(NamedTuple):
    """What an ingest made of some files."""

    minutes: Counts
    report: SourceReport


class Outcome(NamedTuple):
    """What became of files that were given to init: landed, asked or rejected, and why."""

    kind: str
    why: str = ""
    landed: Landed | None = None
    found: Inspection | None = None


def minutes_of(settings: Settings, days: Sequence[str]) -> Counts:
    """Rows of the minute table from the first to the last of some days."""
    if not days:
        return {}
    network, day = settings.network, np.timedelta64(1, "D")
    ends = np.datetime64(min(days), "m") - day, np.datetime64(max(days), "m") + 2 * day
    table = read_minutes(Store(settings.data_root), *ends, network.timezone, network.targets, None)
    stations, minutes = table["station_id"].to_pylist(), table["minute_utc"].cast("timestamp[us]").to_pylist()
    counts = zip(*(table[target].to_pylist() for target in network.targets), strict=True)
    told = [dict(zip(network.targets, each, strict=True)) for each in counts]
    return dict(zip(zip(stations, minutes, strict=True), told, strict=True))


def ingest(settings: Settings) -> Landed:
    """Ingest every source of a configuration as history; the report is that of the last one.

    Raises:
        SourceError: if one of them cannot be read.
    """
    days = set[str]()
    for source in settings.sources:
        report = ingest_source(settings, source.name, LATER, backfill=True)
        days |= {*report.days}
    return Landed(minutes_of(settings, sorted(days)), report)


def by_init(folder: Path, paths: Sequence[Path], answers: Answers, keys: Mapping[str, Any] | None = None) -> Outcome:
    """Files as `nexthour init` reads them by itself: what lands by the configuration that it writes.

    Args:
        folder: where the configuration and the data root come.
        paths: files and folders.
        answers: options of the command line.
        keys: further ones, which say how the files are laid out.
    """
    told = [str(path) for path in paths]
    try:
        found = inspect_files(told, answers, keys or {}, None, LATER)
    except (ConfigError, SourceError) as error:
        return Outcome("rejected", str(error))
    if found.questions:
        return Outcome("asked", " | ".join(question.line() for question in found.questions), found=found)
    out = folder / "network.toml"
    out.write_text(toml_text(found, told, out), encoding="utf-8")
    try:
        landed = ingest(load_settings(out).model_copy(update={"data_root": str(folder / f"root-{next(_NUMBERS)}")}))
    except SourceError as error:
        return Outcome("rejected", f"by the ingest: {error}", found=found)
    if landed.report.failures or landed.report.problem:
        return Outcome("rejected", f"by the ingest: {landed.report.failures or landed.report.problem}", found=found)
    return Outcome("landed", "", landed, found)


def expected_of(path: Path) -> Counts:
    """A table of station_id, minute_utc and targets; blank where nothing was counted."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    keys = ("station_id", "minute_utc")
    return {
        (row["station_id"], naive(datetime.fromisoformat(row["minute_utc"]))): {
            target: None if text == "" else int(float(text)) for target, text in row.items() if target not in keys
        }
        for row in rows
    }


def differences(got: Counts, expected: Counts, *, zeros: bool = False) -> list[str]:
    """What is not as it should be, in words; nothing where all is right.

    Args:
        got: what landed.
        expected: what should have; a target that it does not name does not matter.
        zeros: whether minutes that nobody was counted in may be there or not, as of events.
    """
    wrong = []
    for key, counts in expected.items():
        has = got.get(key, {})
        for target, many in counts.items():
            if has.get(target) != many and not (zeros and not has.get(target) and not many):
                wrong.append(f"{key[0]} {key[1]}: {target} {has.get(target)} and not {many}")
    named = {target for counts in expected.values() for target in counts}
    for key, counts in got.items():
        told = {target: many for target, many in counts.items() if target in named}
        if key not in expected and (any(told.values()) or (not zeros and _stated(told.values()))):
            wrong.append(f"{key[0]} {key[1]}: {told} and nothing was expected")
    return wrong


def _stated(counts: Iterable[int | None]) -> bool:
    return any(count is not None for count in counts)
