"""Filters choose rows, and rows that add up do, from the file to the table; neither loses anybody in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.ingest_bench import Bench, at
from support.repair_bench import edited, replayed, written

from tasks.errors import ConfigError, SourceError

BOTH = {
    "entries": {"column": "n", "where": {"way": ["in"]}},
    "exits": {"column": "n", "where": {"way": ["out"]}},
}


def _lines(bench: Bench, header: str, *lines: str, name: str = "f.csv") -> Bench:
    bench.put(name, "\n".join((header, *lines, "")))
    return bench


def _taps(folder: Path, values: tuple[object, object], **source: Any) -> Bench:
    events = {
        target: {"time": "time", "station_id": "stop", "where": {"status": value}}
        for target, value in zip(("entries", "exits"), values, strict=True)
    }
    return Bench.events(folder, events=events, **source)


@pytest.mark.parametrize("values", [(["1"], ["0"]), (1, 0), (1.0, [0.0, "x"])])
def test_the_direction_of_a_tap_stands_in_one_column(tmp_path: Path, values: tuple[object, object]) -> None:
    lines = ("2024-05-09T10:00:14Z,A,1", "2024-05-09T10:00:50Z,A,0", "2024-05-09T10:00:51Z,A, 1.0", "never,B,7")
    report = _lines(_taps(tmp_path, values), "time,stop,status", *lines).ingest()
    assert (report.rows, report.left_out, report.rejected) == (3, 1, 0)
    assert _taps(tmp_path, values).truth() == {("A", at("2024-05-09T10:00")): (2, 1)}


def test_a_filter_of_a_source_leaves_stations_of_other_rows_out(tmp_path: Path) -> None:
    bench = _taps(tmp_path, (1, 0), where={"mode": ["subway"]})
    lines = ("2024-05-09T10:00Z,A,1,subway", "2024-05-09T11:00Z,B,1,bus", "2024-05-09T10:00Z,A,0,subway")
    report = _lines(bench, "time,stop,status,mode", *lines).ingest()
    assert (report.rows, report.left_out) == (2, 1)
    assert bench.truth() == {("A", at("2024-05-09T10:00")): (1, 1)}


def test_rows_of_some_values_are_left_out_of_a_source_and_of_a_target(tmp_path: Path) -> None:
    entries = {"column": "n", "where_not": {"way": ["out", "staff"]}}
    columns = {"entries": entries, "exits": {"column": "n", "where": {"way": ["out"]}}}
    bench = Bench.counts(tmp_path, columns=columns, rows="sum", where_not={"fare": ["Total", 9]})
    rows = ("in,full,3", "in,half,2", "child,full,1", "out,full,4", "staff,full,50", "in,Total,5", "in,9.0,70")
    lines = (f"A,2024-05-09T10:00Z,{row}" for row in rows)
    report = _lines(bench, "station_id,minute_utc,way,fare,n", *lines).ingest()
    assert bench.truth() == {("A", at("2024-05-09T10:00")): (6, 4)}
    assert (report.rows, report.left_out, report.rejected) == (4, 3, 0)


def test_values_that_are_left_out_and_differ_in_capitals_alone_are_named(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, where_not={"fare": ["Total"], "mode": ["bus"]})
    report = _lines(bench, "station_id,minute_utc,entries,fare,mode", "A,2024-05-09T10:00Z,1,TOTAL,rail").ingest()
    assert [each for each in report.warnings if "none of" in each] == [
        each for each in report.warnings if "column 'fare' has none of ['Total']: its values are 'TOTAL'" in each
    ]
    assert len([each for each in report.warnings if "none of" in each]) == 1


def test_a_filter_that_nothing_passes_names_the_values_that_there_are(tmp_path: Path) -> None:
    report = _lines(_taps(tmp_path, (["Entry"], 0)), "time,stop,status", "2024-05-09T10:00Z,A,0").ingest()
    assert (
        "column 'status' has none of ['Entry']: its values are '0': correct events.entries.where" in report.warnings[0]
    )
    assert report.problem is None  # the other target landed


def test_an_ingest_that_filters_leave_nothing_of_has_failed_and_says_which_values_there_are(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, where={"mode": ["metro"]})
    report = _lines(bench, "station_id,minute_utc,entries,mode", "A,2024-05-09T10:00Z,1,bus").ingest()
    assert report.problem is not None
    assert report.problem.startswith("nothing of 1 rows landed, as filters leave 1 out: ")
    assert "column 'mode' has none of ['metro']: its values are 'bus': correct where" in report.problem


def test_a_filter_by_a_column_that_is_not_there_is_rejected_by_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no column 'status'"):
        _lines(_taps(tmp_path, (1, 0)), "time,stop", "2024-05-09T10:00Z,A").ingest()


@pytest.mark.parametrize(
    "source",
    [
        {"kind": "events", "events": {t: {"time": "t", "station_id": "s"} for t in ("entries", "exits")}},
        {"kind": "counts", "columns": {"entries": "n", "exits": "n"}},
        {"kind": "counts", "columns": {"entries": "exits"}},
        {
            "kind": "counts",
            "columns": {
                "entries": {"column": "n", "where_not": {"way": ["x", "y"]}},
                "exits": {"column": "n", "where_not": {"way": ["y", "x"]}},
            },
        },
        {"kind": "counts", "columns": {**BOTH, "exits": {"column": "n", "where": {"way": "in"}}}},
    ],
)
def test_two_targets_that_count_the_same_rows_are_rejected(tmp_path: Path, source: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"entries and \w+\.exits count the very same rows.*where"):
        Bench(tmp_path, {"name": "x", "path": "f", **source}).settings  # noqa: B018


def test_names_that_turn_out_to_be_one_column_are_rejected(tmp_path: Path) -> None:
    events = {
        "entries": {"time": [["in"], ["t"]], "station_id": "s"},
        "exits": {"time": [["out"], ["t"]], "station_id": "s"},
    }
    with pytest.raises(SourceError, match="count the very same rows"):
        _lines(Bench.events(tmp_path, events=events), "t,s", "2024-05-09T10:00Z,A").ingest()


def test_the_last_row_of_each_direction_counts(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, columns=BOTH)
    lines = ("A,2024-05-09T10:00Z,in,5", "A,2024-05-09T10:00Z,out,3", "A,2024-05-09T10:00Z,in,6", "A,never,side,1")
    report = _lines(bench, "station_id,minute_utc,way,n", *lines).ingest()
    assert bench.truth() == {("A", at("2024-05-09T10:00")): (6, 3)}
    assert (report.left_out, report.reasons) == (1, {"superseded_in_file": 1})


def test_rows_of_one_interval_add_up(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, rows="sum")
    lines = (f"A,2024-05-09T10:00:{second}Z,2,{second}" for second in ("00", "20", "40"))
    report = _lines(
        bench, "station_id,minute_utc,entries,exits", *lines, "A,2024-05-09T10:01Z,2,", "A,2024-05-09T10:01Z,2,"
    ).ingest()
    assert bench.truth() == {("A", at("2024-05-09T10:00")): (6, 60), ("A", at("2024-05-09T10:01")): (4, None)}
    assert (report.rows, report.rejected) == (5, 0)


@pytest.mark.parametrize(("named", "first"), [("start", "10:00"), ("end", "10:05"), ("last_minute", "10:04")])
def test_finer_readings_lie_in_the_interval_that_they_name(tmp_path: Path, named: str, first: str) -> None:
    bench = Bench.counts(tmp_path, {"interval_minutes": 15}, rows="sum", time_is=named)
    start = np.datetime64(f"2024-05-09T{first}")
    lines = (f"A,{start + 5 * i}Z,1,{10**i}" for i in range(3))
    _lines(bench, "station_id,minute_utc,entries,exits", *lines).ingest()
    assert bench.truth() == {("A", at("2024-05-09T10:00")): (3, 111)}


def test_parts_of_one_interval_in_several_files_add_up_and_a_changed_file_restates_its_own(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, rows="sum")
    for name, gate in (("gate1.csv", 2), ("gate2.csv", 5)):
        _lines(bench, "station_id,minute_utc,entries,exits", f"A,2024-05-09T10:00Z,{gate},1", name=name)
    bench.ingest()
    assert bench.truth() == {("A", at("2024-05-09T10:00")): (7, 2)}
    _lines(bench, "station_id,minute_utc,entries,exits", "A,2024-05-09T10:00Z,3,1", name="gate2.csv")
    bench.ingest(np.datetime64("2024-05-10T12:30:00"))
    assert bench.truth() == {("A", at("2024-05-09T10:00")): (5, 2)}


def test_a_sum_beyond_the_maximum_is_absurd(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, rows="sum", maximum=10)
    report = _lines(
        bench, "station_id,minute_utc,entries", *("A,2024-05-09T10:00Z,6",) * 2, "A,2024-05-09T10:01Z,6"
    ).ingest()
    assert (report.rows, report.reasons) == (1, {"absurd": 2})


def test_parts_in_an_hour_that_comes_twice_are_rejected_where_nothing_tells_which_one(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, {"timezone": "Europe/London", "interval_minutes": 15}, rows="sum")
    hours = ("2023-10-29 00:30", "2023-10-29 01:00", "2023-10-29 01:00", "2023-10-29 02:00")
    lines = [f"A,{hour},{kind},1" for kind in "ab" for hour in hours]
    report = _lines(bench, "station_id,minute,kind,entries", *lines).ingest()
    assert report.reasons == {"repeated_local_time": 4}
    _lines(bench, "station_id,minute,kind,entries", *lines[:4])
    bench.ingest(np.datetime64("2024-05-10T12:30:00"))
    assert sum(counts[0] or 0 for counts in bench.truth().values()) == 4
    assert bench.truth()["A", at("2023-10-29T01:00")][0] == 1


ROWS = st.lists(
    st.tuples(st.sampled_from("AB"), st.integers(0, 3), st.sampled_from(["in", "out", "both", ""]), st.integers(0, 9)),
    min_size=1,
    max_size=30,
)


@pytest.mark.parametrize("rows", ["last", "sum"])
@given(table=ROWS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_filtered_rows_come_to_what_pandas_makes_of_them(
    tmp_path_factory: pytest.TempPathFactory, rows: str, table: list[tuple[str, int, str, int]]
) -> None:
    bench = Bench.counts(tmp_path_factory.mktemp("f"), columns=BOTH, rows=rows)
    lines = [(station, f"2024-05-09T10:0{minute}:17Z", way, n) for station, minute, way, n in table]
    bench.put_rows("f.csv", ("station_id", "minute_utc", "way", "n"), lines)
    bench.ingest()
    frame = pd.DataFrame(table, columns=["station", "minute", "way", "n"])
    chosen = frame[frame.way.isin(["in", "out"])]
    wanted = chosen.groupby(["station", "minute", "way"]).n.agg(rows).unstack("way")
    expected = {}
    for station, minute in wanted.index:
        row = wanted.loc[(station, minute)]
        counts = (None if way not in row or pd.isna(row[way]) else int(row[way]) for way in ("in", "out"))
        expected[station, at(f"2024-05-09T10:0{minute}")] = tuple(counts)
    assert bench.truth() == expected


@pytest.mark.parametrize("bad", ["Moins de 5", "-1", "99", "2.5", "1,204"])
def test_a_sum_of_which_a_part_is_rejected_is_blank(tmp_path: Path, bad: str) -> None:
    bench = Bench.counts(tmp_path, rows="sum", maximum=50)
    lines = [
        "A;2024-05-09T10:00Z;2;1",
        f"A;2024-05-09T10:00Z;{bad};1",
        "A;2024-05-09T10:01Z;4;1",
        "B;2024-05-09T10:00Z;3;1",
    ]
    report = _lines(bench, "station_id;minute_utc;entries;exits", *lines).ingest()
    assert bench.truth() == {("A", at("2024-05-09T10:01")): (4, 1), ("B", at("2024-05-09T10:00")): (3, 1)}
    assert (report.rows, report.rejected, report.reasons["part_rejected"]) == (2, 2, 1)


def test_only_the_target_that_lost_a_part_is_blank(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, columns=BOTH, rows="sum")
    lines = ("A,2024-05-09T10:00Z,in,5", "A,2024-05-09T10:00Z,in,x", "A,2024-05-09T10:00Z,out,3")
    report = _lines(bench, "station_id,minute_utc,way,n", *lines).ingest()
    assert bench.truth() == {("A", at("2024-05-09T10:00")): (None, 3)}
    assert report.reasons == {"not_a_number": 1, "part_rejected": 1}


def test_a_part_that_is_withheld_or_has_no_time_leaves_the_sums_as_they_are(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, rows="sum", missing=["Moins de 5"])
    lines = ("A,2024-05-09T10:00Z,5,1", "A,2024-05-09T10:00Z,moins de 5,1", "A,never,7,1", ",2024-05-09T10:00Z,7,1")
    _lines(bench, "station_id,minute_utc,entries,exits", *lines).ingest()
    assert bench.truth() == {("A", at("2024-05-09T10:00")): (5, 2)}


def test_the_other_parts_of_an_interval_are_blank_with_the_one_that_is_rejected(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, rows="sum")
    lines = ("A,2024-05-09T10:00Z,5,adult", "A,2024-05-09T10:00Z,x,child", "A,2024-05-09T10:00Z,5,=1")
    report = _lines(bench, "station_id,minute_utc,entries,part", *lines).ingest()
    assert report.reasons == {"not_a_number": 1, "part_rejected": 1, "unsafe_name": 1}
    assert report.problem is not None
    assert "part_rejected" not in report.problem


def test_a_sum_lands_whole_once_its_part_is_repaired(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, rows="sum")
    lines = ("A,2024-05-09T10:00Z,5,1", "A,2024-05-09T10:00Z,x,1", "A,2024-05-09T10:01Z,1,1")
    _lines(bench, "station_id,minute_utc,entries,exits", *lines).ingest()
    sheet = edited(written(bench), lambda row: row.update(entries="7") if row["entries"] == "x" else None)
    assert replayed(bench, sheet).repaired == 1
    assert bench.truth() == {("A", at("2024-05-09T10:00")): (12, 2), ("A", at("2024-05-09T10:01")): (1, 1)}
