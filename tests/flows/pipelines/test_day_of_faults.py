"""A day of faults in short: a publication after every cycle, with the right reason, nothing absurd, nothing older."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "benchmarks"))

import day_of_faults  # noqa: E402
from day_of_faults import FAULTS, Fault, Row, run_fault  # noqa: E402
from fault_town import STATIONS, Town  # noqa: E402

CYCLES, STALE_MINUTES = 2, 10


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    return Town(tmp_path_factory.mktemp("town"), STALE_MINUTES)


@pytest.fixture(scope="module")
def rows(town: Town) -> dict[str, Row]:
    return {fault.name: run_fault(town, fault, CYCLES) for fault in FAULTS}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_cycle_publishes_what_it_should_and_says_why(rows: dict[str, Row], fault: Fault) -> None:
    row = rows[fault.name]
    assert row.wrong == []
    assert row.published == (0 if fault.silent else CYCLES)


def test_every_forecast_that_was_published_is_in_the_table_but_those_of_the_full_disk(
    town: Town, rows: dict[str, Row]
) -> None:
    lost, scheduled, asked = CYCLES, 2 * CYCLES, CYCLES  # the full disk; beside what was asked for; yesterday, as asked
    published = sum(row.published for row in rows.values())
    files = list((town.root / "forecasts").rglob("*.parquet"))
    assert len(files) == published - lost + scheduled + asked  # the clock that was set back only repeats two of them
    assert not list((town.root / "spool").rglob("*.parquet"))


def test_a_day_reports_a_row_per_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_of_faults, "FAULTS", FAULTS[:1])
    (row,) = day_of_faults.run_day(tmp_path, 1)
    assert (row.fault, row.cycles, row.published, row.reasons) == ("all is well", 1, 1, {"none"})
    assert STATIONS > 1
