"""Readings of counters are not taken for counts; counts that rise are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ingest_bench import Bench

from tasks.errors import SourceError
from tasks.ingest.rejects import FileProblem
from tasks.ingest.rows.count_rows import Counted, CountRows
from tasks.ingest.rows.counters import check_counters

START = np.datetime64("2024-05-09T04:00")
Values = npt.NDArray[np.int64]


def _fires(series: Sequence[Values], step: int = 15) -> bool:
    """Whether some stations, a reading per interval each, are found to be counters."""
    sizes = [len(one) for one in series]
    values, rows = np.concatenate(series).astype(np.int32), sum(sizes)
    rows_of = CountRows(
        np.repeat(np.arange(len(series)), sizes).astype(np.int32),
        [str(n) for n in range(len(series))],
        np.zeros(rows, dtype=np.int32),
        [""],
        np.concatenate([28_000_000 + step * np.arange(size) for size in sizes]),
        np.zeros(rows, dtype=np.int64),
        {"entries": Counted(values, np.ones(rows, dtype=bool))},
    )
    try:
        check_counters(cast(Any, SimpleNamespace(origin="f")), {"entries": ("ENTRIES",)}, rows_of, np.arange(rows))
    except FileProblem as problem:
        return problem.reason == "cumulative"
    return False


@st.composite
def _days(draw: st.DrawFn) -> list[Values]:
    """Counts of some stations: as chance brings them around a level, a ramp or the curve of a day."""
    rng, size = np.random.default_rng(draw(st.integers(0, 2**32))), draw(st.integers(12, 200))
    level, shape = draw(st.floats(0.5, 300)), draw(st.sampled_from(["flat", "ramp", "day"]))
    place = np.linspace(0, 1, size)
    curve = {"flat": np.ones(size), "ramp": place, "day": np.sin(np.pi * place) ** 2}[shape]
    return [rng.poisson(level * curve) for _ in range(draw(st.integers(1, 4)))]


@given(_days())
def test_counts_of_a_day_are_never_taken_for_counters(series: list[Values]) -> None:
    assert not _fires(series)


@given(_days(), st.integers(100_000, 5_000_000))
def test_their_running_totals_are_found(series: list[Values], start: int) -> None:
    changing = all((one > 0).sum() >= 9 for one in series)
    assert _fires([start + np.cumsum(one) for one in series]) or not changing


@pytest.mark.parametrize(
    "values", [np.full(50, 400), np.linspace(0, 300, 8), np.linspace(0, 300, 120), 300 + 20 * np.arange(9)]
)
def test_even_ramps_and_constants_are_no_counters(values: Values) -> None:
    assert not _fires([values])


def test_a_counter_is_found_that_was_reset_or_stands_among_counts_or_began_at_zero() -> None:
    counter = 7_183_242 + 87 * np.arange(40)
    noise = np.random.default_rng(1).poisson(50, (5, 400))
    assert _fires([counter, np.append(120_400 + 90 * np.arange(6), 150 * np.arange(6))])
    assert _fires([counter, *noise])
    assert _fires([np.cumsum(noise[0])])


def _readings(folder: Path, gates: int, **source: object) -> Bench:
    bench = Bench.counts(folder, {"interval_minutes": 60}, columns={"entries": "IN"}, **source)
    rows = [("59 ST", f"{START + 60 * n}Z", 5_000 * (gate + 1) + 80 * n, 3) for gate in range(gates) for n in range(9)]
    bench.put_rows("f.csv", ("station_id", "minute_utc", "IN", "exits"), rows)
    return bench


@pytest.mark.parametrize(("gates", "more"), [(1, {}), (3, {}), (3, {"rows": "sum"}), (3, {"rows": "last"})])
def test_a_file_of_counters_is_rejected_with_column_readings_and_remedy(
    tmp_path: Path, gates: int, more: dict[str, object]
) -> None:
    bench = _readings(tmp_path, gates, **more)
    said = (
        r"column 'IN' only grows at station '59 ST', from 5,000 at 2024-05-09T04:00Z to 5,640 at 2024-05-09T12:00Z.*"
        "cumulative = true takes the differences"
    )
    with pytest.raises(SourceError, match=said):
        bench.ingest()
    assert bench.table("rejects")[0]["reason"] == "cumulative"
    assert not bench.truth()
