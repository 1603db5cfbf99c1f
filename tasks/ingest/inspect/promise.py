"""What the ingest itself makes of the samples, by the keys that were found."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from pydantic import ValidationError

from tasks.errors import ConfigError, SourceError
from tasks.ingest.batch import SourceBatch
from tasks.ingest.event_ids import Claims
from tasks.ingest.rows.differences import CounterRules, take_differences
from tasks.ingest.source import Pull
from tasks.ingest.sources import make_source
from tasks.ingest.statements import Statements, concatenate
from tasks.settings.sources.rows import CountColumns
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables.schemas import NOT_KNOWN

_FIRST = 6
_ONCE = ("superseded_in_file", "duplicate_event")
"""Reasons of rows that another row stands for."""


@dataclass(frozen=True)
class Promise:
    """What lands of the files that were looked at.

    Attributes:
        rows, rejected: of the input.
        reasons: how many rows were rejected, by reason.
        examples: reason and text of some of them.
        stations: names.
        first, last: UTC minutes, the last included; None where nothing lands.
        people: sum by target.
        minutes: the first ones in which somebody was counted: UTC, station, count of each target or None.
        files: how many of the files were read for it.
    """

    rows: int = 0
    rejected: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    examples: Sequence[tuple[str, str]] = ()
    stations: Sequence[str] = ()
    first: np.datetime64 | None = None
    last: np.datetime64 | None = None
    people: Mapping[str, int] = field(default_factory=dict)
    minutes: Sequence[tuple[np.datetime64, str, tuple[int | None, ...]]] = ()
    files: int = 0


def promise(
    source: Mapping[str, Any],
    network: Mapping[str, Any],
    paths: Sequence[str],
    as_of: np.datetime64,
    stations: Mapping[str, Any] | None = None,
) -> Promise:
    """Read files as the ingest would, and land nothing.

    Raises:
        ConfigError: if the keys are no configuration.
        SourceError: if nothing can be read, or more is rejected than read.
    """
    try:
        sources = [{"name": "init", "path": _home(paths), **source}]
        settings = Settings(network=dict(network), sources=sources, stations=dict(stations or {}))  # type: ignore[arg-type]
    except ValidationError as error:
        raise ConfigError(f"{error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from None
    pieces, rows, reasons, examples = list[_Piece](), 0, Counter[str](), dict[str, str]()
    readings = list[Statements]()
    with TemporaryDirectory(prefix="nexthour-") as folder:
        request = Pull(as_of, paths=tuple(paths), rest=0, claims=Claims(Store(folder), "init"))
        for batch in make_source(settings.sources[0], settings.network).pull(request):
            if batch.failure:
                raise SourceError(batch.failure)
            if len(batch.statements):
                pieces.append(_Piece.of(batch))
            if batch.readings is not None:
                readings.append(batch.readings.rows)
            rows += batch.accepted
            for reject in batch.rejects:
                reasons[reject.reason] += 1
                examples.setdefault(reject.reason, reject.text)
    rejected = sum(reasons.values())
    if not rows or rejected - sum(reasons[reason] for reason in _ONCE) > rows:
        raise SourceError(_nothing(rows, rejected, reasons, examples))
    if readings and (counted := _count_readings(readings, settings)) is not None:
        pieces.append(counted)
    made = _summarize(pieces, settings.network.targets)
    return replace(
        made, rows=rows, rejected=rejected, reasons=reasons, examples=list(examples.items()), files=len(paths)
    )


def _home(paths: Sequence[str]) -> str:
    """Folder below which all files are, so that those of one name in several folders are kept apart."""
    folders = [str(Path(path).parent) for path in paths]
    return paths[0] if "://" in paths[0] else os.path.commonpath(folders)


def _nothing(rows: int, rejected: int, reasons: Mapping[str, int], examples: Mapping[str, str]) -> str:
    """Why what was understood is of no use."""
    if not rejected:
        return "the files hold no row that counts"
    reason = max(reasons, key=lambda each: reasons[each])
    return (
        f"{rejected:,} rows are rejected and {rows:,} read, most as {reason} (such as {examples[reason]!r}): "
        "give the options that read them, see nexthour init --help"
    )


@dataclass(frozen=True)
class _Piece:
    """Rows of one batch that tell something, and what all of its rows cover."""

    rows: Statements
    first: int
    last: int

    @classmethod
    def of(cls, batch: SourceBatch) -> _Piece:
        """What a batch says; of events, where silence is zero, those minutes alone in which somebody was counted."""
        rows = batch.statements
        counted = np.flatnonzero((rows.values * rows.valid).any(axis=0))
        return cls(
            rows.take(counted) if batch.silence_is_zero else rows, int(rows.minute.min()), int(rows.minute.max())
        )


def _summarize(pieces: Sequence[_Piece], targets: Sequence[str]) -> Promise:
    """Stations, first and last minute, people by target, first minutes."""
    if not pieces:
        return Promise(people=dict.fromkeys(targets, 0))
    rows = _add_parts(_last_of_each(concatenate(*(piece.rows for piece in pieces))))
    people = {target: int(rows.values[i][rows.valid[i]].sum()) for i, target in enumerate(targets)}
    first, last = (np.datetime64(each, "m") for each in (min(p.first for p in pieces), max(p.last for p in pieces)))
    return Promise(stations=rows.used_stations(), first=first, last=last, people=people, minutes=_first_minutes(rows))


def _last_of_each(rows: Statements) -> Statements:
    """The last row of each station, minute and part, as one that comes later restates it."""
    order = np.lexsort((rows.part, rows.minute, rows.station))
    ordered = rows.take(order)
    same = [np.diff(key) == 0 for key in (ordered.station, ordered.minute, ordered.part)]
    return ordered.take(np.append(~np.logical_and.reduce(same), np.ones(min(len(rows), 1), dtype=bool)))


def _count_readings(readings: Sequence[Statements], settings: Settings) -> _Piece | None:
    """What readings of counters in several files say together; None where no interval has two."""
    config, rows = settings.sources[0], _last_of_each(concatenate(*readings))
    assert isinstance(config, CountColumns)  # others have no readings
    rules = CounterRules.of(config, settings.network.interval_minutes)
    made = take_differences(rows, np.zeros(len(rows), dtype=bool), rules).statements
    return _Piece(made, int(made.minute.min()), int(made.minute.max())) if len(made) else None


def _add_parts(rows: Statements) -> Statements:
    """One row per station and minute, of rows sorted by both; not valid where a part is not known."""
    change = (np.diff(rows.station) != 0) | (np.diff(rows.minute) != 0)
    starts = np.flatnonzero(np.append(np.ones(min(len(rows), 1), dtype=bool), change))
    if not len(starts):
        return rows
    unknown = rows.valid & (rows.values == NOT_KNOWN)
    return replace(
        rows.take(starts),
        values=np.add.reduceat(np.where(rows.valid, rows.values, 0), starts, axis=1),
        valid=np.logical_or.reduceat(rows.valid, starts, axis=1) & ~np.logical_or.reduceat(unknown, starts, axis=1),
    )


def _first_minutes(rows: Statements) -> list[tuple[np.datetime64, str, tuple[int | None, ...]]]:
    order = np.lexsort((rows.station, rows.minute))
    stated = rows.take(order[(rows.values * rows.valid)[:, order].any(axis=0)][:_FIRST])
    counts = zip(stated.values.T.tolist(), stated.valid.T.tolist(), strict=True)
    return [
        (
            np.datetime64(int(minute), "m"),
            stated.stations[station],
            tuple(v if known else None for v, known in zip(*each, strict=True)),
        )
        for minute, station, each in zip(stated.minute, stated.station, counts, strict=True)
    ]
