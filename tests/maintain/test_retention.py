"""What is kept is what was asked for, whatever the clock says; today's truth needs no more than is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from support.batch_days import DAY, SCHEMA, TARGETS, Said, land, moment, no_mark, remote_store, rows_of

from tasks.errors import ConfigError, StoreError
from tasks.maintain import compaction
from tasks.maintain.compaction import compact_day
from tasks.maintain.distinct_rows import thin_rows, unite
from tasks.maintain.retention import Removed, lost_forecasts, retain
from tasks.maintain.steps import compact_days
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables import schemas
from tasks.tables.fold import fold
from tasks.tables.kept_days import first_day_to_keep
from tasks.tables.minutes import read_minutes
from tasks.tables.observations import batches, holds, read_observations
from tasks.tables.rebuild import rebuild_day

DAYS = [str(day) for day in np.arange("2024-01-01", "2024-07-19", dtype="datetime64[D]")]  # two hundred
NOON = np.datetime64("2024-07-18T12:00", "us")
FOLDERS = {
    "rejects": "received_date",
    "forecasts": "",
    "scores": "",
    "lag_table": "",
    "minutes": "",
    "observations": "",
}


def configured(root: str, **keep: int) -> Settings:
    return Settings(data_root=root, maintain={"retention_days": keep})  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------ which days
@pytest.mark.parametrize(
    ("observed", "today", "days", "first"),
    [
        (DAYS, "2024-07-18", 10, "2024-07-08"),
        (DAYS, "2024-07-18", 199, "2024-01-01"),
        (DAYS, "2024-07-18", 200, "2023-12-31"),  # as many as there are: what is older than all of them goes
        (DAYS, "2024-07-18", 201, None),
        ([], "2024-07-18", 1, None),
        (DAYS, "2024-07-20", 10, "2024-07-09"),  # the feed stopped: ten observed days stay
        (DAYS, "2124-07-18", 10, "2024-07-09"),  # a clock a century ahead
        ([*DAYS, "2124-07-18"], "2124-07-18", 10, "2024-07-10"),  # and a batch that believed it
        ([*DAYS, "2124-07-18"], "2024-07-18", 10, "2024-07-08"),  # the clock is right again
        (DAYS, "2023-07-18", 10, None),  # a clock behind all that was observed
        (DAYS[::7], "2024-07-18", 10, DAYS[::7][-10]),  # one day per week
    ],
)
def test_a_day_goes_when_it_is_old_and_enough_later_ones_were_observed(
    observed: list[str], today: str, days: int, first: str | None
) -> None:
    assert first_day_to_keep(observed, today, days) == first


@pytest.mark.parametrize(
    ("today", "days", "first"),
    [
        ("2024-07-18", 20, "2024-06-28"),
        ("2024-07-28", 20, "2024-06-29"),  # the feed stopped: the ten days that are left, and ten before them
        ("2124-07-18", 20, "2024-06-29"),  # a clock a century ahead
        ("2024-07-18", 5, "2024-07-13"),
    ],
)
def test_a_table_that_outlives_its_observations_goes_by_those_that_are_left(today: str, days: int, first: str) -> None:
    assert first_day_to_keep(DAYS[-10:], today, days, observed_kept=10) == first
    assert first_day_to_keep(DAYS[-9:], today, days, observed_kept=10) == (first if days < 10 else None)


@given(st.lists(st.integers(0, 60), unique=True).map(sorted), st.integers(0, 5000), st.integers(1, 40))
def test_nothing_younger_than_asked_goes_and_never_the_newest_days_of_all(
    observed: list[int], today: int, days: int
) -> None:
    names = [str(np.datetime64("2024-01-01") + n) for n in observed]
    now = np.datetime64("2024-01-01") + today
    first = first_day_to_keep(names, str(now), days)
    gone = [day for day in names if first is not None and day < first]
    assert all(now - np.datetime64(day) > np.timedelta64(days, "D") for day in gone)
    assert all(sum(day < later <= str(now) for later in names) >= days for day in gone)


# --------------------------------------------------------------------------------------------- whole days
@pytest.fixture(params=["folder", "url"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path) if request.param == "folder" else remote_store().root


def filled(root: str, days: list[str] = DAYS) -> Store:
    store = Store(root)
    data = rows_of([Said("a", 1), Said("b", 1)])
    for table, key in FOLDERS.items():
        for day in days:
            store.write_table(f"{table}/{key or 'service_date'}={day}/part.parquet", data)
    return store


def held(store: Store) -> dict[str, tuple[str, int]]:
    """First day and number of days of each table."""
    days = {table: sorted({path.split("=")[1][:10] for path in store.files(table, ".parquet")}) for table in FOLDERS}
    return {table: (of[0], len(of)) for table, of in days.items()}


def test_nothing_goes_unless_it_is_said(root: str) -> None:
    store = filled(root, DAYS[:5])
    before = store.files("")
    assert retain(configured(root), store, NOON) == []
    assert store.files("") == before


def test_what_scoring_keeps_for_itself_goes_once_no_run_looks_at_its_day(root: str) -> None:
    store = Store(root)
    for day in DAYS[-20:]:
        store.write_json(f"scored_hours/service_date={day}/files.json", {})
    (gone,) = retain(Settings(data_root=root, score={"back_days": 3}), store, NOON)  # type: ignore[arg-type]
    assert (gone.table, gone.before, gone.days) == ("scored_hours", "2024-07-14", 15)
    assert [path.split("=")[1][:10] for path in store.files("scored_hours")] == DAYS[-5:]


@pytest.mark.parametrize(
    "table", ["alerts", "alert_signals", "busy_hours", "drift", "rest_of_day", "rest_of_day_scores"]
)
def test_what_runs_leave_per_day_goes_by_a_setting_of_its_own(root: str, table: str) -> None:
    store = filled(root, DAYS[-20:])
    for day in DAYS[-20:]:
        store.write_json(f"{table}/service_date={day}/any.json", {})
    assert retain(configured(root), store, NOON) == []
    (gone,) = retain(configured(root, **{table: 6}), store, NOON)
    assert (gone.table, gone.before, gone.days, gone.files) == (table, "2024-07-12", 13, 13)
    assert [path.split("=")[1][:10] for path in store.files(table)] == DAYS[-7:]


def test_forecasts_that_go_before_they_came_into_their_table_are_counted_and_reported_as_lost(root: str) -> None:
    store, data = filled(root, DAYS[-20:]), rows_of([Said("a", 1), Said("b", 1)])
    for day in DAYS[-20:]:
        for name in ("x", "y"):
            store.write_table(f"spool/forecasts/service_date={day}/{name}.parquet", data)
    assert lost_forecasts(retain(configured(root), store, NOON)) == []
    gone = retain(configured(root, spool=6), store, NOON)
    assert [(each.table, each.days, each.files, each.rows) for each in gone] == [("spool", 13, 26, 52)]
    (line,) = lost_forecasts(gone)
    assert "26 forecasts (52 rows, 13 days before 2024-07-12)" in line
    assert len(store.files("spool")) == 14
    assert lost_forecasts(retain(configured(root, spool=6), store, NOON)) == []


def test_each_table_goes_by_its_own_setting_and_what_went_is_told(root: str) -> None:
    store = filled(root)
    size = len(store.read_bytes(f"rejects/received_date={DAYS[0]}/part.parquet") or b"")
    keep = {"rejects": 3, "forecasts": 20, "scores": 30, "lag_table": 1, "minutes": 190, "observations": 5}
    told = retain(configured(root, **keep), store, NOON)
    assert held(store) == {
        "rejects": ("2024-07-15", 4),
        "forecasts": ("2024-06-28", 21),
        "scores": ("2024-06-18", 31),
        "lag_table": ("2024-07-17", 2),
        "minutes": ("2024-01-10", 191),
        "observations": ("2024-01-10", 191),  # the setting of its own removes no day
    }
    assert told[0] == Removed("rejects", "2024-07-15", 196, 196, 392, 196 * size)
    assert [(r.table, r.days) for r in told[-2:]] == [("observations", 9), ("minutes", 9)]
    assert retain(configured(root, **keep), store, NOON) == []


def test_forecasts_that_are_kept_longer_than_minutes_go_when_their_time_is_over(tmp_path: Path) -> None:
    store, settings = filled(str(tmp_path)), configured(str(tmp_path), minutes=185, forecasts=190)
    retain(settings, store, NOON)
    later = [str(np.datetime64(DAYS[-1]) + n) for n in range(1, 8)]
    filled(str(tmp_path), later)
    retain(settings, store, NOON + np.timedelta64(len(later), "D"))
    assert [held(store)[table][1] for table in ("minutes", "forecasts", "scores")] == [186, 191, 207]


def test_a_clock_a_century_ahead_removes_what_was_asked_for_and_no_more(root: str) -> None:
    store = filled(root, DAYS[-30:])
    for _ in range(3):
        retain(configured(root, forecasts=10, scores=20, rejects=5), store, np.datetime64("2124-07-18T12:00", "us"))
    assert [held(store)[table][1] for table in ("forecasts", "scores", "rejects", "minutes")] == [10, 20, 5, 30]


@pytest.mark.parametrize(
    ("as_of", "left"),
    [(NOON, 191), (NOON + np.timedelta64(30, "D"), 190)],  # fed until now, and fed no more for a month
)
def test_a_day_of_observations_goes_before_its_minutes_so_that_a_crash_leaves_no_truth_without_grounds(
    tmp_path: Path, as_of: np.datetime64, left: int
) -> None:
    class Cut(Store):
        def delete(self, path: str) -> None:
            if path.startswith("minutes/"):
                raise StoreError("cut off")
            super().delete(path)

    filled(str(tmp_path))
    settings = configured(str(tmp_path), minutes=190)
    with pytest.raises(StoreError):
        retain(settings, Cut(str(tmp_path)), as_of)
    store = Store(str(tmp_path))
    assert (held(store)["observations"][1], held(store)["minutes"][1]) == (left, 200)
    retain(settings, store, as_of)
    assert held(store)["minutes"][1] == left
    assert not (tmp_path / f"minutes/service_date={DAYS[0]}").exists()


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        ({"observations": 300, "minutes": 200}, "observations = 300 outlive minutes = 200"),
        ({"scores": 100}, "scores = 100 without forecasts"),
        ({"scores": 100, "forecasts": 101}, "scores = 100 without forecasts"),
        ({"minutes": 100}, "minutes = 100 is less than the 183 days that training"),
        ({"forecasts": 3, "scores": 30}, "forecasts = 3 is less than the 4 days that scoring reads"),
    ],
)
def test_a_retention_that_makes_no_sense_is_rejected(keep: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        configured("root", **keep)
    configured("root", observations=1, minutes=183, forecasts=4, scores=4, rejects=1, lag_table=1)


# ---------------------------------------------------------------------------------------------- thinned days
counts = st.none() | st.integers(0, 3)
statements = st.builds(
    Said,
    st.sampled_from("ab"),
    st.integers(0, 1),
    counts,
    counts,
    st.none() | st.integers(0, 6),
    st.sampled_from(["", "x"]),
    st.sampled_from(["gates", "other"]),
    st.integers(0, 3),
)


def folded(table: pa.Table, at: int) -> pa.Table:
    return fold(table.filter(pc.field("available_at") <= schemas.to_time(moment(at))), TARGETS)


@given(st.lists(statements, max_size=25), st.lists(statements, max_size=5), st.integers(0, 7), st.integers(0, 7))
@examples(max_examples=40)
def test_thinned_rows_fold_to_the_same_today_and_at_every_moment_from_the_cutoff_on(
    said: list[Said], more: list[Said], cutoff: int, other: int
) -> None:
    rows = unite([rows_of(said, unknown=True)])
    thin = thin_rows(rows, moment(cutoff))
    for whole, less in ((rows, thin), *[(unite([t, rows_of(more, unknown=True)]) for t in (rows, thin))]):
        assert fold(whole, TARGETS).equals(fold(less, TARGETS))
        assert all(folded(whole, at).equals(folded(less, at)) for at in range(cutoff, 9))
    later = moment(max(cutoff, other))
    assert thin_rows(thin, later).equals(thin_rows(rows, later))
    assert set(map(str, thin.to_pylist())) <= set(map(str, rows.to_pylist()))


def test_of_what_was_superseded_long_ago_nothing_is_kept_and_of_the_rest_everything() -> None:
    old = [
        Said("a", 1, 5, None, 2),
        Said("a", 1, 6, 7, 3),
        Said("a", 1, 8, None, 4),
        Said("a", 1, 1, 1, 2, "", "other"),
    ]
    new = [Said("a", 1, 9, 9, 20), Said("a", 1, 9, 8, 30)]
    thin = thin_rows(unite([rows_of([*old, *new])]), moment(10))
    assert thin.to_pylist() == unite([rows_of([old[1], old[2], old[3], *new])]).select(SCHEMA.names).to_pylist()


def test_what_came_at_the_same_moment_is_kept_whichever_count_the_network_names_first() -> None:
    rows = unite([rows_of([Said("a", 1, 1, 5, 2), Said("a", 1, 2, 3, 2)])])
    thin = thin_rows(rows, moment(10))
    assert [fold(thin, t).to_pylist() for t in (TARGETS, TARGETS[::-1])] == [
        fold(rows, t).to_pylist() for t in (TARGETS, TARGETS[::-1])
    ]


def test_old_days_are_thinned_once_and_again_when_they_were_corrected(root: str) -> None:
    store = Store(root)
    for n in range(200):
        day = str(np.datetime64(DAY) - n)
        store.write_bytes(f"observations/service_date={day}/note.txt", b"")  # an observed day
    told = [Said("a", 1, 5), Said("a", 1, 6, available=30), Said("b", 1, 1)]
    land(store, "b1", told)
    rebuild_day(store, DAY, TARGETS)
    minutes = store.read_bytes(schemas.minutes_file(DAY))
    for n in range(1, 10):
        store.write_bytes(f"observations/service_date={np.datetime64(DAY) + n}/note.txt", b"")
    settings = configured(root, observations=5)
    then = moment(9 * 1440 + 600)
    assert compact_days(settings, moment(4 * 1440))[0] == ()  # young enough
    [done], failures = compact_days(settings, then)
    assert (done.day, done.rows_before, done.rows_after, failures) == (DAY, 3, 2, [])
    assert store.read_bytes(schemas.minutes_file(DAY)) == minutes
    assert holds(store, DAY, "b1")
    assert compact_days(settings, then + np.timedelta64(5, "D")) == ((), [])
    land(store, "b2", [Said("a", 1, 7, available=8 * 1440), Said("a", 1, 8, available=9 * 1440)])
    [done], _ = compact_days(settings, then)
    assert done.rows_after == 4  # the correction is younger than the cutoff
    early, late = ([read_minutes(store, moment(0), moment(9), "UTC", TARGETS, moment(8 * 1440 + m))] for m in (-1, 1))
    assert [t[0]["entries"].to_pylist() for t in (early, late)] == [[6, 1], [7, 1]]
    assert compact_days(settings, then + np.timedelta64(1, "h")) == ((), [])
    for n in range(10, 20):
        store.write_bytes(f"observations/service_date={np.datetime64(DAY) + n}/note.txt", b"")
    [done], _ = compact_days(settings, then + np.timedelta64(10, "D"))
    assert done.rows_after == 2
    assert read_observations(store, DAY, SCHEMA)["entries"].to_pylist() == [8, 1]


def test_what_was_thinned_stays_thin_beside_a_compaction_that_did_not_know(root: str) -> None:
    store = Store(root)
    told = [Said("a", 1, 5), Said("a", 1, 6, available=30)]
    land(store, "b1", told)
    land(store, "b2", [Said("b", 1)])
    compact_day(store, DAY, TARGETS, no_mark)
    [whole] = batches(store, DAY)
    kept = store.read_bytes(whole)
    compact_day(store, DAY, TARGETS, no_mark, moment(1000))
    [thin] = batches(store, DAY)
    assert kept is not None
    store.write_bytes(whole, kept)  # by a run that had read all before
    compact_day(store, DAY, TARGETS, no_mark)
    assert batches(store, DAY) == [thin]


def test_rows_that_fold_to_something_else_are_not_written() -> None:
    rows = rows_of([Said("a", 1, 5), Said("a", 1, 6, available=30)])
    for kept, cutoff in ((rows.slice(0, 1), None), (rows.slice(1, 1), moment(20))):
        with pytest.raises(StoreError, match="would fold to other minutes"):
            compaction._check_fold("folder", [rows], kept, TARGETS, cutoff)
    compaction._check_fold("folder", [rows], rows.slice(1, 1), TARGETS, moment(30))
