"""An ingest of which nothing or little landed counts as failed, and says what to change."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.ingest_bench import NOW, Bench

import tasks.ingest
from tasks.ingest.advice import advise
from tasks.ingest.reasons import BLANK_REASONS, FILE_REASONS, ROW_REASONS
from tasks.ingest.rejects import Sample

HEADER = ("station_id", "minute_utc", "entries", "exits")
TIMES = [f"2024-05-10T10:{n:02d}Z" for n in range(10)]


def counts(folder: Path, rows: list[tuple[Any, ...]], **more: Any) -> Bench:
    bench = Bench.counts(folder, **more)
    bench.put_rows("f.csv", HEADER, rows)
    return bench


def trips(folder: Path, *times: str) -> Bench:
    bench = Bench.events(folder)
    bench.put_rows("t.csv", ("started_at", "ended_at", "from", "to"), [(t, t, "A", "B") for t in times])
    return bench


def test_a_file_of_which_nothing_landed_names_column_value_and_option(tmp_path: Path) -> None:
    bench = counts(tmp_path, [("A", f"{day}/05/2024 07:15", 1, 1) for day in (9, 10, 31)])
    assert bench.ingest().problem == (
        "nothing of 3 rows landed (bad_time): column 'minute_utc' has '9/05/2024 07:15': "
        'write time_format = "%d/%m/%Y %H:%M"'
    )


def test_both_readings_are_given_where_no_value_tells_the_day_from_the_month(tmp_path: Path) -> None:
    problem = counts(tmp_path, [("A", "03/05/2024 07:15", 1, 1), ("A", "04/05/2024 07:15", 1, 1)]).ingest().problem
    assert problem is not None
    assert '"%d/%m/%Y %H:%M" if the day comes first, "%m/%d/%Y %H:%M" if the month comes first' in problem


@pytest.mark.parametrize(("bad", "failed"), [(5, False), (6, True)])
def test_more_than_half_of_the_rows_must_be_rejected(tmp_path: Path, bad: int, failed: bool) -> None:
    bench = counts(tmp_path, [("A", time, "<5" if n < bad else n, "") for n, time in enumerate(TIMES)])
    problem = bench.ingest().problem
    assert bool(problem) == failed
    if problem:
        assert problem.startswith("6 of 10 rows were rejected (6 not_a_number): column 'entries' has '<5'")
        assert 'missing = ["<5"]' in problem


def test_nothing_new_and_nothing_in_a_file_are_no_failure(tmp_path: Path) -> None:
    bench = counts(tmp_path, [("A", time, 1, 1) for time in TIMES])
    assert bench.ingest().problem is None
    assert bench.ingest(NOW + np.timedelta64(10, "m")).problem is None
    bench.put_rows("g.csv", HEADER, [])
    assert bench.ingest(NOW + np.timedelta64(20, "m")).problem is None


def test_the_row_of_the_running_minute_is_waited_for_and_a_day_ahead_is_not(tmp_path: Path) -> None:
    bench = counts(tmp_path, [("A", "2024-05-10T12:00Z", 1, 1)])
    assert bench.ingest(NOW).problem is None
    bench.put_rows("f.csv", HEADER, [("A", "2024-05-11T12:00Z", 1, 1)])
    problem = bench.ingest(NOW + np.timedelta64(10, "m")).problem
    assert problem is not None
    assert "nothing of 1 rows landed (in_future)" in problem
    assert "timezone" in problem


def test_parts_that_hide_one_another_are_a_failure_unless_the_last_is_asked_for(tmp_path: Path) -> None:
    bench = counts(tmp_path, [("A", TIMES[0], n, n) for n in range(3)])
    problem = bench.ingest().problem
    assert problem is not None
    assert "2 of 3 rows were rejected (2 superseded_in_file)" in problem
    assert 'rows = "sum"' in problem


def test_events_that_were_counted_before_are_no_failure(tmp_path: Path) -> None:
    bench = Bench.events(tmp_path, id="trip")
    header = ("trip", "started_at", "ended_at", "from", "to")
    bench.put_rows("1.csv", header, [(n, t, t, "A", "B") for n, t in enumerate(TIMES)])
    bench.ingest()
    bench.put_rows("2.csv", header, [(n, t, t, "A", "B") for n, t in enumerate(TIMES)])
    report = bench.ingest(NOW + np.timedelta64(10, "m"))
    assert report.problem is None


def test_a_row_is_counted_once_however_many_targets_read_it(tmp_path: Path) -> None:
    report = trips(tmp_path, *["10/05/2024 10:00"] * 4, *["2024-05-10T10:00Z"]).ingest()
    assert (report.rows, report.rejected, report.reasons) == (1, 4, {"bad_time": 4})
    assert report.problem is not None
    assert "4 of 5 rows were rejected" in report.problem


def test_a_target_of_which_all_is_rejected_is_a_failure_though_the_other_landed(tmp_path: Path) -> None:
    bench = Bench.events(tmp_path)
    rows = [(time, "31/05/2024 10:00", "A", "B") for time in TIMES]
    bench.put_rows("t.csv", ("started_at", "ended_at", "from", "to"), rows)
    report = bench.ingest()
    assert (report.rows, report.rejected) == (10, 10)
    assert report.problem is not None
    assert report.problem.startswith("10 of 10 rows were rejected (bad_time): column 'ended_at' has '31/05/2024 10:00'")


@pytest.mark.parametrize(
    ("reason", "values", "said"),
    [
        ("bad_time", ["1715335200"], 'time_format = "epoch"'),
        ("bad_time", ["1715335200000"], 'time_format = "epoch_ms"'),
        (
            "bad_time",
            ["07:15", "7:30 PM"],
            'an hour without a date: name the columns of both, minute = ["DATE", "TIME"]',
        ),
        ("bad_time", ["soon"], "give its strptime format"),
        ("not_a_number", ["1,204", "3,001,000"], 'thousands = ","'),
        ("not_a_number", ["1 204", "N/A"], 'thousands = " "'),
        ("not_a_number", ["1'204"], 'thousands = "\'"'),
        ("not_a_number", ["1,653", "1\u00a0204", "1'404"], 'thousands = [" ", "\'", ","] if it parts thousands'),
        ("not_a_number", ["1,653", "12,0"], 'thousands = "," if it parts thousands, and decimal = "," for'),
        ("not_a_number", ["12,0"], 'decimal = ","'),
        ("not_a_number", ["Moins de 5", 'a "b"'], 'missing = ["Moins de 5", "a \\"b\\""]'),
        ("negative", ["-1"], 'missing = ["-1"]'),
        ("absurd", ["10000000"], "raise maximum"),
        ("off_grid", ["2024-05-10T10:07Z"], "interval_minutes"),
    ],
)
def test_advice_follows_the_values(reason: str, values: list[str], said: str) -> None:
    line = advise(reason, Sample("x", tuple(values)))
    assert line.startswith(f"column 'x' has {values[0]!r}: ")
    assert said in line


def test_every_code_that_is_used_is_explained_in_code_and_on_the_page() -> None:
    package = Path(tasks.ingest.__file__).parent
    source = "\n".join(path.read_text() for path in package.rglob("*.py") if path.name != "reasons.py")
    used = set(re.findall(r"""reject(?:_rows)?\([^"\n]*"(\w+)"\)""", source))
    used |= set(re.findall(r"""FileProblem\(\s*"(\w+)",""", source))
    assert {"bad_time", "duplicate_row", "unreadable_file", "dates_without_hours"} <= used
    assert used <= {*ROW_REASONS, *FILE_REASONS}
    page = (package.parents[1] / "docs/ingest.md").read_text()
    for code, reason in [*ROW_REASONS.items(), *FILE_REASONS.items(), *BLANK_REASONS.items()]:
        assert f"| `{code}` | {reason.meaning} | {reason.remedy} |" in page
