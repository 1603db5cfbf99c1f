"""Readings of counters become the people of each interval, whatever files they come in and in whatever order."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from support.ingest_bench import Bench, at
from support.oracles import Reading, slow_counters

from tasks.errors import ConfigError, SourceError

HEADER = ("gate", "unit", "scp", "time", "ENTRIES", "EXITS")
START = at("2024-05-09T06:00")


def bench(folder: Path, interval: int = 15, **source: Any) -> Bench:
    columns = {"station_id": "gate", "minute": "time", "entries": "ENTRIES", "exits": "EXITS"}
    keys = {"columns": columns, "cumulative": True, "device": ["unit", "scp"], **source}
    return Bench.counts(folder, {"interval_minutes": interval, "timezone": "America/New_York"}, timezone="UTC", **keys)


def line(minute: int, entries: object, exits: object = "", device: str = "1", station: str = "A") -> list[object]:
    return [station, "U", device, f"{START + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}", entries, exits]


def told(folder: Path, rows: Sequence[Sequence[object]], **source: Any) -> dict[int, int | None]:
    """Entries of station A by minutes after the start."""
    here = bench(folder, **source)
    here.put_rows("f.csv", HEADER, rows)
    here.ingest()
    return {int((minute - START).total_seconds()) // 60: pair[0] for (_, minute), pair in here.truth().items()}


def test_people_are_the_difference_of_two_readings_and_belong_to_the_earlier_one(tmp_path: Path) -> None:
    rows = [line(0, 7_183_242, 10), line(15, 7_183_329, 12), line(30, 7_183_329, 19)]
    here = bench(tmp_path)
    here.put_rows("f.csv", HEADER, rows)
    report = here.ingest()
    assert here.truth() == {("A", START): (87, 2), ("A", START + timedelta(minutes=15)): (0, 7)}
    assert (report.rows, report.rejected, report.problem) == (3, 0, None)


def test_readings_past_the_numbers_of_a_table_are_read(tmp_path: Path) -> None:
    assert told(tmp_path, [line(0, 4_294_967_290), line(15, 4_294_967_300)]) == {0: 10}


def test_a_reset_is_blank_for_the_device_and_so_for_its_station(tmp_path: Path) -> None:
    one = [line(0, 100), line(15, 105), line(30, 2), line(45, 9)]
    other = [line(minute, 10 * minute, device="2") for minute in (0, 15, 30, 45)]
    here = bench(tmp_path)
    here.put_rows("f.csv", HEADER, [*one, *other])
    assert "1 counter_reset" in " ".join(here.ingest().warnings)
    assert {m.minute: pair[0] for (_, m), pair in here.truth().items()} == {0: 155, 30: 157}


def test_a_gap_is_never_spread(tmp_path: Path) -> None:
    rows = [line(0, 0), line(15, 5), line(30, 6), line(75, 66), line(90, 70)]
    assert told(tmp_path, rows) == {0: 5, 15: 1, 75: 4}


@pytest.mark.parametrize(
    ("limit", "values", "people"),
    [
        (9999, (9990, 20), 30),  # 9990 ... 9999, 0 ... 20
        (9999, (5000, 20), None),
        (None, (9990, 20), None),
        (9999, (9999, 0), 1),
    ],
)
def test_a_counter_rolls_over_near_its_limit_alone(
    tmp_path: Path, limit: int | None, values: tuple[int, int], people: int | None
) -> None:
    rows = [line(0, values[0]), line(15, values[1]), line(30, values[1])]
    keys = {"counter_limit": limit} if limit else {}
    assert told(tmp_path, rows, **keys) == ({} if people is None else {0: people}) | {15: 0}


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({}, {}),
        ({"counter_direction": "down"}, {0: 10, 15: 0, 30: 5}),
        ({"counter_direction": "either", "maximum": 50}, {0: 10, 15: 0, 30: 5}),
        ({"counter_direction": "either", "maximum": 9}, {15: 0, 30: 5}),
    ],
)
def test_a_counter_that_runs_down_is_blank_unless_the_source_says_so(
    tmp_path: Path, keys: dict[str, Any], found: dict[int, int]
) -> None:
    rows = [line(0, 500), line(15, 490), line(30, 490), line(45, 485)]
    assert told(tmp_path, rows, **keys) == (found or {15: 0})


def test_a_reading_of_the_last_minute_was_taken_when_it_was_over(tmp_path: Path) -> None:
    assert told(tmp_path, [line(-1, 3), line(14, 7)], time_is="last_minute") == {0: 4}
    assert told(tmp_path / "end", [line(0, 3), line(15, 7)], time_is="end") == {0: 4}


def test_finer_readings_add_up_and_their_falls_count(tmp_path: Path) -> None:
    rows = [line(m, v) for m, v in ((0, 1), (5, 3), (10, 3), (15, 9), (20, 12), (25, 1), (30, 15))]
    assert told(tmp_path, rows) == {0: 8}


def test_the_first_interval_of_a_file_begins_with_the_last_reading_of_another(tmp_path: Path) -> None:
    here = bench(tmp_path)
    here.put_rows("b.csv", HEADER, [line(30, 8), line(45, 9)])
    here.ingest()
    here.put_rows("a.csv", HEADER, [line(0, 1), line(15, 5)])
    here.ingest()
    assert [pair[0] for _, pair in sorted(here.truth().items())] == [4, 3, 1]


def test_a_corrected_file_restates_its_differences_and_those_at_its_edges(tmp_path: Path) -> None:
    here = bench(tmp_path)
    here.put_rows("a.csv", HEADER, [line(0, 1), line(15, 5)])
    here.put_rows("b.csv", HEADER, [line(30, 8), line(45, 9)])
    here.ingest()
    here.put_rows("a.csv", HEADER, [line(0, 1), line(15, 6)])
    here.ingest()
    assert [pair[0] for _, pair in sorted(here.truth().items())] == [5, 2, 1]
    here.put_rows("a.csv", HEADER, [line(0, 1)])
    here.ingest()
    assert [pair[0] for _, pair in sorted(here.truth().items())] == [1]


def test_a_device_that_a_file_no_longer_names_counts_nothing(tmp_path: Path) -> None:
    here = bench(tmp_path)
    one, other = ([line(0, 1, device=name), line(15, 5, device=name)] for name in "12")
    here.put_rows("f.csv", HEADER, [*one, *other])
    here.ingest()
    here.put_rows("f.csv", HEADER, one)
    here.ingest()
    assert here.truth() == {("A", START): (4, None)}


def test_readings_coarser_than_the_grid_are_rejected_by_name(tmp_path: Path) -> None:
    rows = [line(240 * i, 100 * i) for i in range(6)]
    with pytest.raises(SourceError, match=r"counter 'U\|1' are 240 minutes apart, coarser than .* = 60.*at most 60"):
        told(tmp_path, rows, interval=60)


def test_readings_that_meet_no_interval_are_rejected_by_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="none is at the start and one at the end of an interval of 15 minutes"):
        told(tmp_path, [line(7 + 15 * i, 100 * i) for i in range(6)])


def test_readings_that_share_a_device_by_mistake_are_rejected_with_the_key_that_tells_them_apart(
    tmp_path: Path,
) -> None:
    rows = [line(15 * i, value + i, device=name) for i in range(5) for name, value in (("1", 100), ("2", 900))]
    with pytest.raises(SourceError, match=r"they differ in scp\): device = \[\.\.\.\]"):
        told(tmp_path, rows, device=[])


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        ({"cumulative": False}, "add cumulative = true"),
        ({"rows": "sum"}, "add up by themselves"),
        ({"columns": {"part": "scp"}}, "device names the columns"),
        ({"counter_direction": "either"}, "needs maximum"),
    ],
)
def test_keys_that_contradict_are_rejected_by_name(tmp_path: Path, keys: dict[str, Any], match: str) -> None:
    with pytest.raises((ConfigError, ValidationError), match=match):
        bench(tmp_path, **keys).settings  # noqa: B018


steps = st.one_of(st.integers(0, 9), st.just(-1), st.integers(-400, 0))


@st.composite
def _drops(draw: st.DrawFn) -> list[list[Reading]]:
    """Readings of some devices with resets, gaps and repetitions, in files."""
    readings, minute = list[Reading](), 0
    for station, device in draw(
        st.lists(st.sampled_from([("A", "1"), ("A", "2"), ("B", "1")]), min_size=1, unique=True)
    ):
        value, minute = draw(st.integers(0, 999)), draw(st.integers(0, 4)) * 15
        for step in draw(st.lists(steps, min_size=1, max_size=10)):
            readings.append((station, device, minute, value))
            value, minute = max(value + step, 0) % 1000, minute + draw(st.sampled_from([15, 15, 15, 5, 10, 30, 60]))
    again = draw(st.lists(st.sampled_from(readings), max_size=3))
    shuffled = draw(st.permutations([*readings, *again]))
    files = draw(st.lists(st.integers(0, 2), min_size=len(shuffled), max_size=len(shuffled)))
    return [[one for one, file in zip(shuffled, files, strict=True) if file == number] for number in range(3)]


@settings(
    max_examples=40,
    deadline=None,
    phases=[p for p in Phase if p is not Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(_drops(), st.sampled_from([None, 999]), st.booleans())
def test_readings_in_any_files_and_order_are_what_a_slow_count_says(
    drops: list[list[Reading]], limit: int | None, one_by_one: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        here = bench(Path(folder), rows="last", gaps=True, **({} if limit is None else {"counter_limit": limit}))
        for number, drop in enumerate(drops):
            rows = [line(minute, value, device=device, station=station) for station, device, minute, value in drop]
            here.put_rows(f"{number}.csv", HEADER, rows)
            if one_by_one and drop:
                here.ingest(np.datetime64("2024-05-10T12:00:00", "s") + number)
        here.ingest(np.datetime64("2024-05-10T13:00:00", "s"))
        wanted = slow_counters([one for drop in drops for one in drop], 15, limit)
        found = {(s, int((m - START).total_seconds()) // 60): pair[0] for (s, m), pair in here.truth().items()}
        assert found == wanted


MTA = "C/A,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS" + " " * 63


def turnstiles(folder: Path, step: int, first: Sequence[int] = (7_183_242, 5_554)) -> Bench:
    """A file as the MTA publishes them, of two turnstiles of a station read every so many minutes."""
    lines = [MTA]
    for number, value in enumerate(first):
        for n in range(9):
            when = at("2019-09-01T00:00") + timedelta(minutes=n * step)
            desc, total = "RECOVR AUD" if n == 4 else "REGULAR", value + n * (n + number)
            lines.append(f"A002,R051,02-00-0{number},59 ST,NQR456W,BMT,{when:%m/%d/%Y,%H:%M:%S},{desc},{total},{n}")
    here = Bench(
        folder,
        {"name": "mta", "preset": "mta/turnstiles", "path": f"{folder}/feed/*"},
        {"interval_minutes": min(step, 60), "timezone": "America/New_York"},
    )
    here.put("turnstile_190907.txt", "\n".join([*lines, ""]))
    return here


@pytest.mark.parametrize("step", [15, 60])
def test_turnstiles_of_the_mta_are_read_where_readings_are_fine_enough(tmp_path: Path, step: int) -> None:
    here = turnstiles(tmp_path, step)
    assert here.ingest().reasons == {}
    first = at("2019-09-01T04:00")
    wanted = {n: 2 * (2 * n + 1) + 1 for n in range(8)}
    assert here.truth() == {("59 ST", first + timedelta(minutes=n * step)): (wanted[n], 2) for n in range(8)}


def test_four_hourly_turnstiles_of_the_mta_are_rejected_by_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"'A002\|R051\|02-00-00' are 240 minutes apart, coarser than .* = 60"):
        turnstiles(tmp_path, 240).ingest()
