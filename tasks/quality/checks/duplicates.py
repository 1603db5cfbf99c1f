"""Sources that say the same row twice: in one input, or in two files that add up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.quality.context import Seen, SourceFacts
from tasks.quality.results import Finding, NotRun, Verdict, count_phrase
from tasks.settings.sources.files import CountsSource, EventsSource
from tasks.tables import schemas

REASONS = ("duplicate_row", "superseded_in_file")
FEWEST = 5
"""Duplicates in one ingest that are never reported, however few the rows."""
FEWEST_INTERVALS = 20
"""Intervals with people in which two files must be alike; fewer may be so by chance."""
_ALIKE = 0.9
"""Share of the intervals that two files have in common, of a copy of which few rows were left out."""


def check(seen: Seen) -> Verdict:
    """One finding per source with more than `duplicate_share` of rows that came before, and per two files alike."""
    read = [facts for facts in seen.sources if facts.rows + facts.rejected]
    if not read:
        raise NotRun("no rows came in")
    findings = [finding for facts in read for finding in (*_repeated(seen, facts), *_filed_twice(seen, facts))]
    return Verdict(findings, f"{count_phrase(len(read), 'source')} read, hardly a row twice")


def _repeated(seen: Seen, facts: SourceFacts) -> Iterator[Finding]:
    rows = facts.rows + facts.rejected
    count = sum(facts.reasons.get(reason, 0) for reason in REASONS)
    share = count / rows
    if share > seen.config.duplicate_share and count > FEWEST:
        sentence = f"source {facts.source!r}: {count:,} of {rows:,} rows ({share:.1%}) were stated twice in one input"
        yield Finding("source", facts.source, round(share, 4), seen.config.duplicate_share, sentence, share)


def _filed_twice(seen: Seen, facts: SourceFacts) -> Iterator[Finding]:
    """The two files of a source that are alike in the most intervals of a day that it changed."""
    if seen.observations is None or not _adds_up(seen, facts.source):
        return
    for day in (day for day in seen.days if day in facts.days):
        rows = seen.observations(day)
        found = _alike(rows.filter(pc.equal(rows["source"], facts.source)), seen.settings.network.targets)
        if found is not None:
            (first, second), many = found
            sentence = (
                f"source {facts.source!r}: {first} and {second} count the same people in {many:,} intervals of {day}: "
                "if rows are filed twice, leave them out of one of both; else everyone counts twice"
            )
            yield Finding("source", facts.source, many, FEWEST_INTERVALS, sentence, many)
            return


def _adds_up(seen: Seen, name: str) -> bool:
    """Whether files of a source are shares of one sum."""
    source = next((each for each in seen.settings.sources if each.name == name), None)
    if isinstance(source, CountsSource):
        return source.rows == "sum" and "part" not in source.columns
    return isinstance(source, EventsSource) and source.id is None


def _alike(rows: pa.Table, targets: tuple[str, ...]) -> tuple[tuple[str, str], int] | None:
    """Names of two parts that state the same counts where both state some, and in how many intervals; None of none."""
    part, parts = schemas.name_codes(rows["part"])
    station, _ = schemas.name_codes(rows["station_id"])
    minute = schemas.numpy_times(rows["minute_utc"]).astype(np.int64)
    cell = np.sort(station.astype(np.int64) << 40 | minute // 60_000_000)
    if len(parts) < 2 or (np.diff(cell) > 0).all():
        return None  # a file per minute states each interval once
    received = schemas.numpy_times(rows["received_at"]).astype(np.int64)
    counts = np.stack([rows[target].fill_null(0).to_numpy() for target in targets])
    order = np.lexsort((received, part, minute, station))
    keys = np.stack([station, minute, part])[:, order]
    last = np.append((np.diff(keys, axis=1) != 0).any(axis=0), True)
    chosen = order[last & counts[:, order].any(axis=0)]
    cells = np.unique(np.stack([station[chosen], minute[chosen]]), axis=1, return_inverse=True)[1].reshape(-1)
    values = np.unique(np.stack([cells, *counts[:, chosen]]), axis=1, return_inverse=True)[1].reshape(-1)
    best = None
    for pair, many in _pairs(values, part[chosen]):
        if many >= FEWEST_INTERVALS and (best is None or many > best[1]):
            common = _common(cells, minute[chosen], part[chosen], pair)
            varied = len(np.unique(counts[:, chosen[part[chosen] == pair[0]]], axis=1).T) > 2
            if varied and many >= _ALIKE * common:
                best = pair, many
    return None if best is None else ((parts[best[0][0]], parts[best[0][1]]), best[1])


def _pairs(values: np.ndarray, part: np.ndarray) -> list[tuple[tuple[int, int], int]]:  # type: ignore[type-arg]
    """Parts that state the same of the same interval, two by two, and how often."""
    order = np.lexsort((part, values))
    same = np.diff(values[order]) == 0
    pairs = np.stack([part[order][:-1][same], part[order][1:][same]])
    found, many = np.unique(pairs, axis=1, return_counts=True)
    return [((int(a), int(b)), int(n)) for (a, b), n in zip(found.T, many, strict=True)]


def _common(cells: np.ndarray, minute: np.ndarray, part: np.ndarray, pair: tuple[int, int]) -> int:  # type: ignore[type-arg]
    """Intervals that one of two parts states in the span of time that both have."""
    first, second = (part == each for each in pair)
    begin = max(minute[first].min(), minute[second].min())
    end = min(minute[first].max(), minute[second].max())
    inside = (first | second) & (minute >= begin) & (minute <= end)
    return len(np.unique(cells[inside]))
