"""Marks of what late data touched: which days, and that none is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.settings.tree import FeatureSettings
from tasks.storage.store import Store
from tasks.tables.staleness import LateReport, clear, due, mark_late

NOW = np.datetime64("2024-05-10T12:00", "s")
LATE = "2024-04-19"
LAGS = FeatureSettings(weeks=3, other_days=0)
ZONE = "America/Chicago"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Folders of forecasts and the lag table for every day of two months but one."""
    store = Store(str(tmp_path))
    for day in np.arange("2024-04-01", "2024-05-11", dtype="datetime64[D]"):
        for table in ("forecasts", "lag_table"):
            if str(day) != "2024-05-03":
                store.write_bytes(f"{table}/service_date={day}/part.parquet", b"")
    return store


def marked(store: Store) -> dict[str, list[str]]:
    return {kind: [mark.day for mark in due(store, kind)] for kind in ("lags", "scores")}  # type: ignore[arg-type]


def test_a_late_day_touches_the_days_it_is_a_lag_of_and_the_scores_against_it(store: Store) -> None:
    report = mark_late(store, [LATE, "2024-05-10"], NOW, ZONE, LAGS)
    assert report.days == [LATE]
    assert report.lag_days == [LATE, "2024-04-26", "2024-05-10"]  # that of 3 May was never written
    assert report.score_days == ["2024-04-18", LATE, "2024-04-25", "2024-04-26"]
    assert report.forecast_days == [
        *(LATE, "2024-04-20", "2024-04-25", "2024-04-26", "2024-04-27"),
        *("2024-05-02", "2024-05-04", "2024-05-09", "2024-05-10"),
    ]
    assert marked(store) == {"lags": report.lag_days, "scores": report.score_days}
    note = store.read_json(f"stale/scores/service_date={LATE}.json")["late"][LATE]
    assert note == {"marked_at": "2024-05-10T12:00:00", "forecast_days": report.forecast_days}


def test_a_late_day_touches_the_days_of_its_kind_whose_profile_it_is_pooled_into(store: Store) -> None:
    report = mark_late(store, [LATE], NOW, ZONE, FeatureSettings(weeks=3, other_days_reach=6))
    assert report.lag_days == [  # a Friday: working days of the next six, and the Fridays
        *(LATE, "2024-04-22", "2024-04-23", "2024-04-24", "2024-04-25", "2024-04-26", "2024-05-10"),
    ]


@pytest.mark.parametrize(
    ("now", "late"),
    [
        ("2024-04-21T04:59", False),  # 23:59 on the evening after: the last minute is not a day old
        ("2024-04-21T05:00", True),
    ],
)
def test_a_day_is_late_once_its_last_minute_is_a_day_old(store: Store, now: str, late: bool) -> None:
    report = mark_late(store, [LATE], np.datetime64(now, "s"), ZONE, LAGS)
    assert bool(report.days) == late
    assert any(marked(store).values()) == late


def test_a_holiday_feeds_the_holidays_after_it_and_no_ordinary_day(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    for day in ("2023-12-25", "2024-01-01", "2024-01-08"):
        store.write_bytes(f"lag_table/service_date={day}/part.parquet", b"")
    now = np.datetime64("2024-01-20", "s")
    assert mark_late(store, ["2023-12-25"], now, ZONE, LAGS, "US").lag_days == ["2023-12-25", "2024-01-01"]
    assert mark_late(store, ["2023-12-25"], now, ZONE, LAGS).lag_days == ["2023-12-25", "2024-01-01", "2024-01-08"]


def test_days_without_forecasts_and_lag_tables_leave_no_file(tmp_path: Path) -> None:
    assert mark_late(Store(str(tmp_path)), [LATE], NOW, ZONE, LAGS) == LateReport([LATE])
    assert list(tmp_path.iterdir()) == []


def test_marking_twice_is_marking_once_and_another_late_day_adds_to_the_mark(store: Store) -> None:
    mark_late(store, [LATE], NOW, ZONE, LAGS)
    path = "stale/lags/service_date=2024-04-26.json"
    before = store.read_bytes(path)
    mark_late(store, [LATE], NOW, ZONE, LAGS)
    assert store.read_bytes(path) == before
    mark_late(store, ["2024-04-12"], NOW, ZONE, LAGS)
    (mark,) = (mark for mark in due(store, "lags") if mark.day == "2024-04-26")
    assert mark.late == ("2024-04-12", LATE)


def test_a_mark_that_grew_while_its_day_was_remade_stays(store: Store) -> None:
    mark_late(store, [LATE], NOW, ZONE, LAGS)
    read = due(store, "scores")
    mark_late(store, [LATE], NOW + np.timedelta64(60, "s"), ZONE, LAGS)
    clear(store, read)
    assert marked(store)["scores"] == [mark.day for mark in read]
    clear(store, due(store, "scores"))
    assert marked(store)["scores"] == []


def test_a_run_that_pretends_to_be_earlier_leaves_the_marks_to_those_that_see_the_data(store: Store) -> None:
    mark_late(store, [LATE], NOW, ZONE, LAGS)
    assert due(store, "lags", NOW - np.timedelta64(1, "s")) == []
    assert len(due(store, "lags", NOW)) == 3


def test_a_mark_that_cannot_be_read_is_still_a_mark(store: Store) -> None:
    store.write_bytes("stale/scores/service_date=2024-04-20.json", b"\x00torn")
    (mark,) = due(store, "scores", NOW)
    assert (mark.day, mark.late) == ("2024-04-20", ())
    clear(store, [mark])
    assert due(store, "scores") == []
