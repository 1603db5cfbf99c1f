"""Steps of upkeep."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from tasks.clock import day_bounds, service_dates
from tasks.errors import StoreError
from tasks.maintain.compaction import Compacted as Compacted
from tasks.maintain.compaction import compact_day
from tasks.maintain.file_checks import Files, check_files
from tasks.maintain.fold_checks import day_of, mend, remedies, sample, sweep
from tasks.maintain.kept_secrets import mask_kept_rejects
from tasks.maintain.retention import Removed as Removed
from tasks.maintain.retention import lost_forecasts, retain
from tasks.settings.tree import Settings
from tasks.stepping import Spread, step
from tasks.storage.store import Store
from tasks.tables.kept_days import cutoff_day
from tasks.tables.observations import day_files
from tasks.tables.staleness import mark_late

log = logging.getLogger(__name__)

DAYS_AT_ONCE = 100
"""Days that one run compacts, so that the first one over a long history ends in time for the checks."""


@dataclass(frozen=True)
class MaintainReport:
    """What upkeep did and found.

    Attributes:
        removed: what retention removed, by table.
        compacted: days of observations that became one file.
        files: the checksums.
        checked: service days that were folded again.
        mended: those whose minute file differed, and was replaced.
        swept: temporary files that crashes left.
        remedies: one line per damaged or strange file.
        failures: what could not be done; one line each.
        masked: rejected rows that held a secret of their source.
    """

    removed: tuple[Removed, ...]
    compacted: tuple[Compacted, ...]
    files: Files
    checked: list[str]
    mended: list[str]
    swept: int
    remedies: list[str]
    failures: list[str]
    masked: int = 0

    @property
    def needs_a_person(self) -> list[str]:
        """What upkeep cannot mend by itself."""
        return [*self.remedies, *self.failures]


@step("remove what is not kept", timeout_seconds=3600)
def remove_old(settings: Settings, as_of: np.datetime64) -> tuple[Removed, ...]:
    """Remove the days of each table that the settings no longer keep."""
    return tuple(retain(settings, Store(settings.data_root), as_of))


@step("compact observations", timeout_seconds=3600)
def compact_days(
    settings: Settings, as_of: np.datetime64, at_once: int | None = DAYS_AT_ONCE, spread: Spread = map
) -> tuple[tuple[Compacted, ...], list[str]]:
    """Make one file of each service day that is over, or has many; newest first, and so many days per run.

    Args:
        settings: the tree.
        as_of: now, UTC.
        at_once: days, at most; None for all.
        spread: applies a function to many days, as `map` does, in whatever processes.

    Returns:
        What was compacted, by day; and one line per day that cannot be.
    """
    store, today, done, failures = Store(settings.data_root), _today(settings, as_of), list[Compacted](), list[str]()
    due = (
        day
        for day in reversed(store.partitions("observations"))
        if day < today or len(day_files(store, day)) > settings.maintain.running_files
    )
    first_exact = cutoff_day(settings, store, as_of, "observations")
    compact = partial(_compact, settings, as_of, first_exact)
    while part := [*islice(due, None if at_once is None else at_once - len(done))]:
        for outcome in spread(compact, part):
            if isinstance(outcome, str):
                log.error("%s", outcome)
                failures.append(outcome)
            elif outcome:
                done.append(outcome)
    return tuple(reversed(done)), failures


def _compact(settings: Settings, as_of: np.datetime64, first_exact: str | None, day: str) -> Compacted | str | None:
    """What became of a day; None where there was nothing to do, a line where it cannot be done."""
    store, cutoff = Store(settings.data_root), None
    if first_exact is not None and day < first_exact:
        cutoff = day_bounds(np.datetime64(first_exact, "D"), settings.network.timezone)[0]
    try:
        return compact_day(store, day, settings.network.targets, _marker(settings, store, as_of), cutoff)
    except StoreError as error:
        return f"{day} was not compacted: {error}"


@step("mask secrets", timeout_seconds=3600)
def mask_secrets(settings: Settings, full: bool = False) -> int:
    """Mask secrets in rejects of earlier releases; returns how many rows held one."""
    return mask_kept_rejects(settings, Store(settings.data_root), full)


@step("check files", timeout_seconds=3600)
def check_tables(settings: Settings, as_of: np.datetime64, full: bool = False) -> Files:
    """Hold every table's files, or those whose turn it is, against the checksums of the first time."""
    today = str(as_of.astype("datetime64[D]"))
    return check_files(Store(settings.data_root), today, settings.maintain.check_nights, full)


@step("fold days again", timeout_seconds=3600)
def check_folds(
    settings: Settings, as_of: np.datetime64, files: Files, sample_days: int, full: bool = False
) -> tuple[list[str], list[str], list[str]]:
    """Fold the newest days and some older ones again, with those whose minute file is damaged.

    Days with damaged observations are left alone: their minutes are the last that is known of them.

    Returns:
        Days folded, days whose minute file differed, and one line per day that cannot be folded.
    """
    store = Store(settings.data_root)
    days = store.partitions("observations")
    chosen = days if full else sample(days, sample_days, sample_days, str(as_of.astype("datetime64[D]")))
    hurt = {table: {day_of(path) for path in _of(files.damaged, table)} for table in ("minutes", "observations")}
    wanted = sorted(({*chosen} | hurt["minutes"] & {*days}) - hurt["observations"])
    differed, failures = mend(store, wanted, settings.network.targets, _marker(settings, store, as_of))
    return wanted, differed, failures


@step("sweep")
def sweep_up(settings: Settings, as_of: np.datetime64) -> int:
    """Remove what crashes left."""
    return sweep(Store(settings.data_root), as_of)


def report(
    settings: Settings,
    removed: tuple[Removed, ...],
    compacted: tuple[tuple[Compacted, ...], list[str]],
    files: Files,
    folds: tuple[list[str], list[str], list[str]],
    swept: int,
    masked: int,
) -> MaintainReport:
    """What the steps found, with one line per thing that they cannot mend."""
    done, failures = compacted
    checked, differed, unfolded = folds
    mended = sorted({*differed, *(day.day for day in done if day.mended)})
    beyond = [path for path in files.damaged if not path.startswith("minutes/")]  # those are folded again
    lines = remedies(Store(settings.data_root), beyond, settings.network.timezone)
    lines += [
        f"{path}: not a file of ours, though readers may take it for one: move it away" for path in files.unexpected
    ]
    return MaintainReport(
        removed, done, files, checked, mended, swept, lines, [*lost_forecasts(removed), *failures, *unfolded], masked
    )


def _marker(settings: Settings, store: Store, as_of: np.datetime64) -> Callable[[str], object]:
    """Marks the lags and scores that were computed from the minutes of a service day."""
    network, lags = settings.network, settings.features
    return lambda day: mark_late(store, [day], as_of, network.timezone, lags, network.country, network.subdivision)


def _today(settings: Settings, as_of: np.datetime64) -> str:
    return str(service_dates(np.array([as_of], dtype="datetime64[m]"), settings.network.timezone)[0])


def _of(paths: Sequence[str], table: str) -> list[str]:
    return [path for path in paths if path.startswith(f"{table}/")]
