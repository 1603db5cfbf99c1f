"""Counts leave their file in the order of station, minute, part and availability, however they are brought into it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.ingest_bench import NOW, Bench

from tasks.ingest.source import Pull
from tasks.ingest.sources import make_source, named_source
from tasks.ingest.statements import MICROSECONDS, UNKNOWN

HEADER = ("station_id", "minute_utc", "part", "available_at", "entries")
FIRST = np.datetime64("2024-05-10T06:00", "m")
DENSE, SPARSE = 4, 60  # of minutes; cells of sparse rows are too many to be used, so that those rows are sorted
Key = tuple[str, int, str, int | None]


def rows_within(steps: int) -> st.SearchStrategy[list[tuple[Key, int]]]:
    """Rows of two stations and parts on some steps of five minutes, some with an availability."""
    known = st.one_of(st.none(), st.integers(0, 2))
    keys = st.tuples(st.sampled_from(["A", "B", "C"]), st.integers(0, steps - 1), st.sampled_from(["", "x"]), known)
    return st.lists(st.tuples(keys, st.integers(0, 99)), min_size=1, max_size=30)


def cells_of(key: Key) -> tuple[str, str, str, str]:
    station, step, part, known = key
    available = "" if known is None else f"{FIRST + 330 + known}Z"
    return station, f"{FIRST + 5 * step}Z", part, available


@settings(max_examples=50, deadline=None)
@example([(("B", 0, "x", None), 1), (("A", 1, "x", None), 2), (("A", 0, "", None), 3), (("B", 1, "", None), 4)])
@given(st.sampled_from([DENSE, SPARSE]).flatmap(rows_within))
def test_counts_are_ordered_as_by_lexsort_and_of_equal_keys_the_last_counts(rows: list[tuple[Key, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench.counts(Path(folder), {"interval_minutes": 5})
        bench.put_rows("f.csv", HEADER, [(*cells_of(key), count) for key, count in rows])
        network = bench.settings.network
        [batch] = make_source(named_source(bench.settings, "gates"), network).pull(Pull(NOW))
    found = batch.statements
    last = dict(rows)
    stations, steps, parts, known = (list(column) for column in zip(*last, strict=True))
    first = int(FIRST.astype(np.int64))
    minutes = np.array([first + 5 * step for step in steps])
    available = np.array([UNKNOWN if n is None else (first + 330 + n) * MICROSECONDS for n in known])
    order = np.lexsort((available, np.array(parts), minutes, np.array(stations)))
    assert [found.stations[code] for code in found.station] == [stations[i] for i in order]
    assert [found.parts[code] for code in found.part] == [parts[i] for i in order]
    assert found.minute.tolist() == minutes[order].tolist()
    assert found.available.tolist() == available[order].tolist()
    assert found.values[0].tolist() == [list(last.values())[i] for i in order]
