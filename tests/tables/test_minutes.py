"""The minute table is the fold of what was observed, read by span and as of any moment."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.clock import day_bounds, service_dates
from tasks.errors import StoreError
from tasks.storage.store import Store
from tasks.tables import minutes, schemas
from tasks.tables.fold import fold
from tasks.tables.minutes import last_minute, observed_days, read_minutes, to_grid
from tasks.tables.rebuild import rebuild_day

ZONE = "America/Chicago"
TARGETS = ("entries", "exits")
MINUTE = np.timedelta64(1, "m")
ALWAYS = np.datetime64("2100-01-01T00:00", "m")
NEVER = np.datetime64("1900-01-01T00:00", "m")
roots = (f"memory://minutes-{n}" for n in count())


class Said(NamedTuple):
    """One observation; times as text, UTC."""

    station: str
    minute: str
    entries: int | None = 1
    exits: int | None = 0
    available: str | None = "2013-10-20"
    part: str = ""
    received: str = "2013-10-20"


def observations(rows: list[Said], targets: tuple[str, ...] = TARGETS) -> pa.Table:
    def times(values: list[Any]) -> pa.Array:
        return schemas.time_array(np.array(values, dtype="datetime64[us]"))

    return pa.Table.from_arrays(
        [
            pa.array([r.station for r in rows], pa.string()).dictionary_encode(),
            times([r.minute for r in rows]),
            pa.array([r.part for r in rows], pa.string()).dictionary_encode(),
            pa.array(["test"] * len(rows), pa.string()).dictionary_encode(),
            times([r.available for r in rows]),
            times([r.received for r in rows]),
            *(pa.array([getattr(r, t) for r in rows], pa.int32()) for t in targets),
        ],
        schema=schemas.observations(targets),
    )


def land(store: Store, name: str, rows: list[Said]) -> list[str]:
    """Write a batch file a service day; returns the days."""
    days = service_dates(np.array([r.minute for r in rows], dtype="datetime64[m]"), ZONE).astype(str)
    for day in sorted(set(days)):
        mine = [r for r, d in zip(rows, days, strict=True) if d == day]
        store.write_table(f"{schemas.day_folder('observations', day)}/{name}.parquet", observations(mine))
    return sorted(set(days))


def ingest(store: Store, name: str, rows: list[Said]) -> None:
    for day in land(store, name, rows):
        rebuild_day(store, day, TARGETS)


def at(text: str) -> np.datetime64:
    return np.datetime64(text, "m")


def seen(
    store: Store, start: str | np.datetime64 = NEVER, end: str | np.datetime64 = ALWAYS, as_of: str | None = None
) -> list[tuple[Any, ...]]:
    """(station, UTC minute, entries, exits) of the rows read."""
    moment = None if as_of is None else np.datetime64(as_of, "s")
    first, last = (np.datetime64(each, "m") if isinstance(each, str) else each for each in (start, end))
    table = read_minutes(store, first, last, ZONE, TARGETS, moment)
    assert table.schema.equals(schemas.minutes(TARGETS))
    minutes = schemas.numpy_times(table["minute_utc"]).astype("datetime64[m]").astype(str)
    return list(zip(table["station_id"].to_pylist(), minutes, *(table[t].to_pylist() for t in TARGETS), strict=True))


@pytest.fixture
def store() -> Store:
    return Store(next(roots))


def test_a_span_is_read_across_service_days_end_exclusive_sorted_by_day_station_and_minute(store: Store) -> None:
    minutes = ["2013-10-09T04:59", "2013-10-09T05:00", "2013-10-09T23:00", "2013-10-10T05:00", "2013-10-10T05:01"]
    ingest(store, "batch", [Said(s, m) for m in minutes for s in "ba"])
    assert store.partitions("minutes") == ["2013-10-08", "2013-10-09", "2013-10-10"]
    everything = [(s, m, 1, 0) for day in (minutes[:1], minutes[1:3], minutes[3:]) for s in "ab" for m in day]
    assert seen(store) == everything
    assert seen(store, minutes[0], minutes[-1]) == [row for row in everything if row[1] != minutes[-1]]
    assert seen(store, minutes[1], minutes[2]) == [("a", minutes[1], 1, 0), ("b", minutes[1], 1, 0)]
    assert seen(store, minutes[2], minutes[2]) == seen(store, minutes[2], minutes[0]) == []
    assert seen(store, as_of="2014-01-01") == everything


def test_nothing_ingested_is_an_empty_table(store: Store) -> None:
    assert seen(store) == seen(store, as_of="2014-01-01") == []
    assert last_minute(store, TARGETS) is None


def test_a_day_of_which_a_crash_left_an_empty_folder_has_no_minutes_and_one_whose_file_is_lost_is_an_error(
    tmp_path: Path,
) -> None:
    store, folder = Store(str(tmp_path)), tmp_path / "minutes" / "service_date=2013-10-11"
    ingest(store, "batch", [Said("a", "2013-10-09T05:00")])
    folder.mkdir()
    assert seen(store) == [("a", "2013-10-09T05:00", 1, 0)]
    assert last_minute(store, TARGETS) == at("2013-10-09T05:00")
    (folder / "_origin.json").write_text("{}")
    with pytest.raises(StoreError, match=r"2013-10-11/part.parquet cannot be read: it is gone"):
        seen(store)


def test_only_the_days_that_touch_the_span_are_read(store: Store) -> None:
    for day in range(1, 5):
        ingest(store, "batch", [Said("a", f"2013-10-0{day}T12:00")])
    store.write_bytes(schemas.minutes_file("2013-10-01"), b"not parquet")
    assert observed_days(store, at("2013-10-02T05:00"), at("2013-10-04T05:00"), ZONE) == ["2013-10-02", "2013-10-03"]
    assert observed_days(store, at("2013-10-02T04:59"), at("2013-10-04T05:01"), ZONE) == store.partitions("minutes")
    assert len(seen(store, "2013-10-02T05:00")) == 3
    with pytest.raises(StoreError, match="cannot be read"):
        seen(store, "2013-10-02T04:59")


def test_as_of_sees_neither_later_minutes_nor_later_corrections(store: Store) -> None:
    ingest(
        store,
        "batch",
        [
            Said("a", "2013-10-09T12:00", 5, available="2013-10-09T12:01"),
            Said("a", "2013-10-09T12:00", 7, available="2013-10-09T13:00"),
            Said("a", "2013-10-09T12:01", 6, available="2013-10-09T12:03"),
            Said("a", "2013-10-09T12:02", 6, available="2013-10-09T12:00"),  # a clock that runs ahead
            Said("late", "2013-10-09T11:00", 1, available="2013-10-09T12:30"),
        ],
    )
    assert seen(store, as_of="2013-10-09T12:00:59") == []
    assert seen(store, as_of="2013-10-09T12:01") == [("a", "2013-10-09T12:00", 5, 0)]
    assert seen(store, as_of="2013-10-09T12:02:59") == [("a", "2013-10-09T12:00", 5, 0)]
    assert seen(store, as_of="2013-10-09T12:03:00") == [
        ("a", f"2013-10-09T12:0{m}", n, 0) for m, n in enumerate([5, 6, 6])
    ]
    assert seen(store, as_of="2013-10-09T12:59")[0][2] == 5
    assert seen(store, as_of="2013-10-09T13:00")[0][2] == 7
    assert [row[0] for row in seen(store, as_of="2013-10-09T12:30")] == ["a", "a", "a", "late"]


def test_an_observation_of_unknown_availability_counts_today_and_at_no_past_moment(store: Store) -> None:
    ingest(store, "batch", [Said("a", "2013-10-09T12:00", 5), Said("a", "2013-10-09T12:01", 6, available=None)])
    assert [row[2] for row in seen(store)] == [5, 6]
    assert [row[2] for row in seen(store, as_of="2050-01-01")] == [5]


# ------------------------------------------------------------------- settled days come from the minute file
EARLY = Said("a", "2013-10-09T12:00", 5, available="2013-10-09T12:01")
LATE = Said("b", "2013-10-09T12:00", 6, available="2013-10-09T12:02")
SETTLED = [("a", "2013-10-09T12:00", 5, 0), ("b", "2013-10-09T12:00", 6, 0)]
BATCH = "observations/service_date=2013-10-09/batch.parquet"


def test_a_day_that_was_all_known_by_then_is_read_from_its_minute_file_alone(store: Store) -> None:
    ingest(store, "batch", [EARLY, LATE])
    store.write_bytes(BATCH, b"what is not read need not be readable")
    assert seen(store, as_of="2013-10-09T12:02") == SETTLED
    with pytest.raises(StoreError, match="cannot be read"):
        seen(store, as_of="2013-10-09T12:01:59")


def test_a_batch_that_no_one_folded_yet_is_seen_all_the_same(store: Store) -> None:
    ingest(store, "batch", [EARLY])
    land(store, "another", [LATE])
    assert seen(store) == SETTLED[:1]
    assert seen(store, as_of="2013-10-10") == SETTLED


def test_a_batch_that_is_gone_is_seen_no_more(store: Store) -> None:
    ingest(store, "batch", [EARLY])
    ingest(store, "another", [LATE])
    store.delete(BATCH.replace("batch", "another"))
    assert seen(store, as_of="2013-10-10") == SETTLED[:1]


@pytest.mark.parametrize("damage", ["minutes", "origin", "neither JSON", "absent"])
def test_a_minute_file_that_is_not_the_one_recorded_is_not_taken(store: Store, damage: str) -> None:
    ingest(store, "batch", [EARLY, LATE])
    minutes, origin = schemas.minutes_file("2013-10-09"), "minutes/service_date=2013-10-09/_origin.json"
    assert store.exists(origin)
    if damage == "minutes":
        store.write_table(minutes, fold(observations([EARLY]), TARGETS))
    elif damage == "absent":
        store.delete(minutes)
    else:
        store.write_bytes(origin, b"null" if damage == "origin" else b"{")
    assert seen(store, as_of="2013-10-10") == SETTLED


def test_a_target_that_the_minute_file_lacks_is_folded(store: Store) -> None:
    land(store, "batch", [EARLY])
    rebuild_day(store, "2013-10-09", ["entries"])
    assert seen(store, as_of="2013-10-10") == SETTLED[:1]
    rebuild_day(store, "2013-10-09", ["exits", "entries", "others"])
    store.write_bytes(BATCH, b"not read")
    assert seen(store, as_of="2013-10-10") == SETTLED[:1]


days = st.sampled_from(["2013-11-02", "2013-11-03", "2013-11-04"])  # the clocks go back on the 3rd
moments = st.integers(0, 3 * 1440).map(lambda n: at("2013-11-02T04:00") + n)
availabilities = st.one_of(moments, moments, moments, moments, st.none())
counts = st.none() | st.integers(0, 2**31 - 1)


@st.composite
def batches(draw: st.DrawFn) -> list[tuple[list[Said], bool]]:
    """Batches in the order of their landing, each with whether it is folded."""
    drawn = []
    for n in range(draw(st.integers(0, 4))):
        rows = [
            Said(station, str(minute), a, b, None if known is None else str(known), part, f"2013-12-0{n + 1}")
            for station, minute, a, b, known, part in draw(
                st.lists(
                    st.tuples(st.sampled_from("abc"), moments, counts, counts, availabilities, st.sampled_from("xy")),
                    max_size=12,
                    unique_by=lambda r: (r[0], r[1], r[4], r[5]),
                )
            )
        ]
        drawn.append((rows, draw(st.booleans())))
    return drawn


@given(batches(), moments, moments, moments | st.just(ALWAYS))
@settings(max_examples=60)
def test_reading_as_of_any_moment_is_the_fold_of_what_was_known_then(
    history: list[tuple[list[Said], bool]], start: np.datetime64, end: np.datetime64, as_of: np.datetime64
) -> None:
    store = Store(next(roots))
    for n, (rows, folded) in enumerate(history):
        (ingest if folded else land)(store, f"batch{n}", rows)
    known = observations([r for rows, _ in history for r in rows])
    known = known.filter(pc.field("available_at") <= schemas.to_time(as_of))
    expected = []
    for day in np.arange("2013-11-01", "2013-11-07", dtype="datetime64[D]"):
        first, last = day_bounds(day, ZONE)
        first, last = max(first, start), min(last, end, as_of)
        mine = (pc.field("minute_utc") >= schemas.to_time(first)) & (pc.field("minute_utc") < schemas.to_time(last))
        expected += fold(known.filter(mine), TARGETS).to_pylist()
    assert read_minutes(store, start, end, ZONE, TARGETS, as_of).to_pylist() == expected


# ------------------------------------------------------------------------------------------------ rebuilding
@given(batches(), st.randoms(use_true_random=False))
@settings(max_examples=15)
def test_a_day_is_rebuilt_bit_for_bit_however_its_observations_were_batched(
    history: list[tuple[list[Said], bool]], random: Any
) -> None:
    one, other, rows = Store(next(roots)), Store(next(roots)), [r for batch, _ in history for r in batch]
    for n, (batch, _) in enumerate(history):
        ingest(one, f"batch{n}", batch)
    random.shuffle(rows)
    for n in range(3):
        land(other, f"{2 - n}", rows[n::3])
    for day in other.partitions("observations"):
        rebuild_day(other, day, TARGETS)
    files = one.files("minutes", ".parquet")
    assert files == other.files("minutes", ".parquet")
    for path in files:
        assert one.read_bytes(path) == other.read_bytes(path)


def test_a_rebuilt_day_says_how_many_rows_it_has_and_repeats_itself(store: Store) -> None:
    land(store, "batch", [EARLY, LATE, EARLY._replace(entries=9, received="2013-10-21")])
    files = []
    for _ in range(2):
        assert rebuild_day(store, "2013-10-09", TARGETS) == 2
        files.append({path: store.read_bytes(path) for path in store.files("minutes")})
        for path in files[-1]:
            store.delete(path)
    assert files[0] == files[1]


class BusyStore(Store):
    """A store in which another process lands a batch whenever a minute file was folded, so many times."""

    landings = 3

    def write_bytes(self, path: str, data: bytes) -> None:
        if path.startswith("minutes/") and path.endswith(".parquet") and self.landings:
            self.landings -= 1
            minute = f"2013-10-09T12:0{self.landings}"
            super().write_table(BATCH.replace("batch", minute), observations([Said("busy", minute)]))
        super().write_bytes(path, data)


def test_a_batch_that_lands_while_its_day_is_folded_is_in_the_table_at_the_end() -> None:
    store = BusyStore(next(roots))
    land(store, "batch", [EARLY])
    assert rebuild_day(store, "2013-10-09", TARGETS) == 4
    assert [row[0] for row in seen(store)] == ["a", "busy", "busy", "busy"]


# ------------------------------------------------------------------------------------------------ last minute
def test_the_last_minute_is_the_last_in_which_anything_was_observed(store: Store) -> None:
    ingest(
        store, "batch", [Said("a", "2013-10-08T12:00"), Said("b", "2013-10-09T12:00"), Said("a", "2013-10-09T11:00")]
    )
    ingest(store, "nothing", [Said("a", "2013-10-09T13:00", None, None), Said("a", "2013-10-11T12:00", None, None)])
    assert last_minute(store, TARGETS) == at("2013-10-09T12:00")
    assert last_minute(store, TARGETS, at("2013-10-09T12:00")) == at("2013-10-09T11:00")
    assert last_minute(store, TARGETS, at("2013-10-08T12:00")) is None


# ------------------------------------------------------------------------------------------------------ grids
def minute_table(*rows: tuple[str, str, int | None]) -> pa.Table:
    """Rows of (station, minute, entries); exits are never observed."""
    return pa.Table.from_arrays(
        [
            pa.array([r[0] for r in rows], pa.string()).dictionary_encode(),
            schemas.time_array(np.array([r[1] for r in rows], dtype="datetime64[us]")),
            pa.array([r[2] for r in rows], pa.int32()),
            pa.nulls(len(rows), pa.int32()),
        ],
        schema=schemas.minutes(TARGETS),
    )


def test_in_a_grid_zero_is_zero_and_what_was_not_observed_is_nan() -> None:
    table = minute_table(("b", "2013-10-09T12:00", 0), ("a", "2013-10-09T12:02", 7), ("a", "2013-10-09T12:01", None))
    grid = to_grid(table, at("2013-10-09T12:00"), at("2013-10-09T12:03"), 1, TARGETS)
    assert (grid.values.dtype, grid.stations, grid.targets, grid.interval) == (
        np.dtype(np.float32),
        ("a", "b"),
        TARGETS,
        1,
    )
    nan = np.nan
    np.testing.assert_array_equal(grid.values[0], [[nan, nan, 7], [0, nan, nan]])
    assert np.isnan(grid.values[1]).all()
    assert grid.minutes.tolist() == [at(f"2013-10-09T12:0{n}").item() for n in range(3)]
    assert grid.index(at("2013-10-09T12:02")) == 2


def test_rows_off_the_grid_and_outside_its_span_are_left_out() -> None:
    off = ["12:04", "12:06", "12:05:30", "12:15", "11:55", "11:59:59"]
    table = minute_table(*(("a", f"2013-10-09T{t}", 9) for t in off), ("a", "2013-10-09T12:05", 1))
    grid = to_grid(table, at("2013-10-09T12:00"), at("2013-10-09T12:15"), 5, TARGETS)
    np.testing.assert_array_equal(grid.values[0], [[np.nan, 1, np.nan]])
    assert to_grid(table, at("2013-10-09T12:00"), at("2013-10-09T12:14"), 5, TARGETS).steps == 2


def test_a_span_and_its_grid_are_the_same_however_many_rows_are_looked_at_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store(next(roots))
    said = [Said(s, f"2013-10-09T12:{n:02d}", n) for n in range(9) for s in ("b", "a", "c")]
    ingest(store, "batch", [*said, Said("z", "2013-10-10T12:00", 3)])
    span = (at("2013-10-09T12:02"), at("2013-10-10T12:01"))

    def found() -> tuple[pa.Table, Any]:
        table = read_minutes(store, *span, ZONE, TARGETS)
        return table, to_grid(table, at("2013-10-09T12:03"), span[1], 1, TARGETS)

    whole, grid = found()
    monkeypatch.setattr(minutes, "PIECE", 5)
    table, same = found()
    assert table.to_pylist() == whole.to_pylist()
    assert same.stations == grid.stations == ("a", "b", "c", "z")
    np.testing.assert_array_equal(same.values, grid.values)
    assert np.nansum(grid.values[0]) == 3 * sum(range(3, 9)) + 3


def test_a_grid_has_the_stations_asked_for_sorted_else_those_of_the_rows() -> None:
    table = minute_table(*((s, "2013-10-09T12:00", n) for n, s in enumerate("cab")))
    span = (at("2013-10-09T12:00"), at("2013-10-09T12:01"), 1, ("entries",))
    asked = to_grid(table, *span, stations=iter(["z", "c", "a", "c"]))
    assert asked.stations == ("a", "c", "z")
    np.testing.assert_array_equal(asked.values[0, :, 0], [1, 0, np.nan])
    assert to_grid(table.filter(pc.field("entries") > 0), *span).stations == ("a", "b")
    assert to_grid(table, *span, stations=[]).values.shape == (1, 0, 1)


def test_a_count_that_float32_cannot_hold_is_rounded() -> None:
    table = minute_table(("a", "2013-10-09T12:00", 2**24 + 1), ("a", "2013-10-09T12:01", 2**31 - 1))
    grid = to_grid(table, at("2013-10-09T12:00"), at("2013-10-09T12:02"), 1, ("entries",))
    np.testing.assert_array_equal(grid.values[0, 0], [2.0**24, 2.0**31])


def test_a_grid_of_nothing_is_empty_or_nan() -> None:
    table = minute_table()
    assert to_grid(table, at("2013-10-09T12:00"), at("2013-10-09T12:02"), 1, TARGETS).values.shape == (2, 0, 2)
    assert to_grid(table, at("2013-10-09T12:02"), at("2013-10-09T12:00"), 1, TARGETS).steps == 0
    named = to_grid(table, at("2013-10-09T12:00"), at("2013-10-09T12:02"), 1, TARGETS, ["a"])
    assert np.isnan(named.values).all()
    assert named.values.shape == (2, 1, 2)


def test_a_grid_read_from_a_folder_is_the_one_read_from_elsewhere(tmp_path: Path) -> None:
    rows = [Said(s, str(at("2013-10-09T04:00") + n), n % 5, None) for s in "ab" for n in range(0, 200, 3)]
    grids = []
    for store in (Store(str(tmp_path)), Store(next(roots))):
        ingest(store, "batch", rows)
        span = (at("2013-10-09T04:00"), at("2013-10-09T07:00"))
        grids.append(to_grid(read_minutes(store, *span, ZONE, TARGETS), *span, 1, TARGETS))
    np.testing.assert_array_equal(grids[0].values, grids[1].values)
    assert np.nansum(grids[0].values[0]) > 0
