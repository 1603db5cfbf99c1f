"""Lists within records of JSON and rows of Parquet: a row per item where that is said, and named where it is not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.ingest_bench import Bench, at
from support.repair_bench import edited, replayed, written
from support.shapes_bench import Outcome, by_init

from tasks.ingest.inspect.answers import Answers

TEN = at("2024-05-10T10:00")
NAMED = {"station_id": "station", "minute_utc": "times", "entries": "counts"}
TIMES = ["2024-05-10T10:00Z", "2024-05-10T10:01Z"]
LISTS = {"station": "A", "times": TIMES, "counts": [3, 4], "tags": ["x", "y", "z"]}
NESTED = {"station": "B", "readings": [{"time": TIMES[0], "value": 5}, {"time": TIMES[1], "value": 6}]}


def lists(tmp_path: Path, **keys: Any) -> Bench:
    more: dict[str, Any] = {"columns": NAMED, "unnest": ["times", "counts"], **keys}
    return Bench.counts(tmp_path, **more)


def entries(bench: Bench) -> dict[tuple[str, int], int | None]:
    """Entries by station and minutes after ten."""
    return {
        (s, (m - TEN).seconds // 60): counts[0] for (s, m), counts in bench.truth().items() if counts[0] is not None
    }


@pytest.mark.parametrize(
    ("content", "records"),
    [
        ([LISTS], ""),
        (LISTS, ""),
        ({"data": {"rows": [LISTS]}}, "data.rows"),
        ([{**LISTS, "counts": [3, None]}, {**LISTS, "times": TIMES[1:], "counts": [4]}, {"station": "C"}], ""),
    ],
)
def test_lists_that_belong_together_are_a_row_per_item(tmp_path: Path, content: object, records: str) -> None:
    bench = lists(tmp_path, **({"records": records} if records else {}))
    bench.put("a.json", json.dumps(content))
    assert not bench.ingest().failures
    assert entries(bench) == {("A", 0): 3, ("A", 1): 4}


def test_a_record_whose_lists_differ_in_length_is_rejected_and_the_others_land(tmp_path: Path) -> None:
    bench = lists(tmp_path)
    bench.put(
        "a.json",
        json.dumps([{**LISTS, "station": "X", "counts": [1]}, {**LISTS, "station": "Y", "times": 5}, LISTS, 7]),
    )
    report = bench.ingest()
    assert (report.rows, report.reasons) == (2, {"unequal_lists": 2, "not_a_record": 1})
    assert entries(bench) == {("A", 0): 3, ("A", 1): 4}


def test_items_that_are_objects_or_pairs_are_read_by_their_names(tmp_path: Path) -> None:
    for name, record, time, value in (
        ("objects", NESTED, "readings.time", "readings.value"),
        ("pairs", {"station": "B", "readings": [[TIMES[0], 5], [TIMES[1], 6]]}, "readings.0", "readings.1"),
        (
            "deeper",
            {"station": "B", "readings": [{"of": "x", "day": {"times": TIMES, "n": [5, 6]}}]},
            "readings.day.times",
            "readings.day.n",
        ),
    ):
        bench = Bench.counts(
            tmp_path / name,
            columns={"station_id": "station", "minute_utc": time, "entries": value},
            unnest=["readings", "readings.day.times", "readings.day.n"] if name == "deeper" else ["readings"],
        )
        bench.put("a.json", json.dumps([record]))
        assert not bench.ingest().failures
        assert entries(bench) == {("B", 0): 5, ("B", 1): 6}, name


def test_items_have_their_places_where_they_are_plain(tmp_path: Path) -> None:
    columns = {"station_id": "station", "minute": ["day", "slot"], "entries": "counts"}
    bench = Bench.counts(
        tmp_path, columns=columns, unnest=["counts"], time_format="%Y-%m-%d slot_1min_from_1", timezone="UTC"
    )
    counts = [0] * 600 + [7, 8]
    bench.put("a.json", json.dumps({"station": "A", "day": "2024-05-10", "counts": counts}))
    bench.ingest()
    assert {key: many for key, many in entries(bench).items() if many} == {("A", 0): 7, ("A", 1): 8}


def test_lists_of_parquet_are_rows_as_those_of_json(tmp_path: Path) -> None:
    moment = datetime(2024, 5, 10, 10)
    times = [moment, moment + timedelta(minutes=1)]
    stamps = pa.array([times, [], None], pa.list_(pa.timestamp("us", "UTC")))
    counts = pa.array([[3, 4], [], None], pa.large_list(pa.int16()))
    table = pa.table({"station": ["A", "C", "D"], "times": stamps, "counts": counts})
    bench = lists(tmp_path / "lists")
    bench.put("a.parquet", table)
    bench.ingest()
    assert entries(bench) == {("A", 0): 3, ("A", 1): 4}
    pairs = [[{"time": time, "value": value} for time, value in zip(times, (5, 6), strict=True)]]
    columns = {"station_id": "station", "minute_utc": "readings.time", "entries": "readings.value"}
    bench = Bench.counts(tmp_path / "structs", columns=columns, unnest=["readings"])
    bench.put("a.parquet", pa.table({"station": ["B"], "readings": pairs}))
    bench.ingest()
    assert entries(bench) == {("B", 0): 5, ("B", 1): 6}


PARQUET_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "lengths": (
        {"station": ["A", "B"], "times": [TIMES, TIMES], "counts": [[1, 2], [1]]},
        "row 2 has 2 items in 'times'",
    ),
    "no list": ({"station": ["A"], "times": [TIMES], "counts": [5]}, "column counts is int64: unnest takes lists"),
    "deeper": ({"station": ["A"], "times": [TIMES], "counts": [[[1], [2]]]}, "lists within lists"),
    "gone": ({"station": ["A"], "times": [TIMES]}, "has no column 'counts'"),
}


@pytest.mark.parametrize("case", sorted(PARQUET_FAULTS))
def test_parquet_whose_lists_cannot_be_unnested_is_rejected_by_name(tmp_path: Path, case: str) -> None:
    table, line = PARQUET_FAULTS[case]
    bench = lists(tmp_path)
    bench.put("bad.parquet", pa.table(table))
    bench.put("good.json", json.dumps(LISTS))
    report = bench.ingest()
    assert len(report.failures) == 1
    assert line in report.failures[0]
    assert entries(bench) == {("A", 0): 3, ("A", 1): 4}


@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_lists_that_are_used_as_they_stand_are_rejected_and_others_do_no_harm(tmp_path: Path, suffix: str) -> None:
    bench = Bench.counts(tmp_path, columns=NAMED | {"minute_utc": "time"})
    one = {"time": TIMES[0], "tags": ["x"], "counts": 3}
    rows = {"used": [{"station": "A", **one, "counts": [3]}], "unused": [{"station": "B", **one}]}
    for name, records in rows.items():
        table = pa.Table.from_pylist(records)
        bench.put(f"{name}.{suffix}", table if suffix == "parquet" else json.dumps(records))
    report = bench.ingest()
    assert entries(bench) == {("B", 0): 3}
    assert len(report.failures) == 1
    assert 'unnest = ["counts"]' in report.failures[0]


def test_an_item_is_repaired_and_the_others_of_its_record_stay(tmp_path: Path) -> None:
    bench = lists(tmp_path)
    bench.put("a.json", json.dumps([LISTS, {**LISTS, "station": "B", "counts": [5, -6]}]))
    bench.ingest()
    assert [(line, why) for line, why, _ in bench.rejects()] == [(4, "negative")]
    replayed(bench, edited(written(bench), lambda cells: cells.update(counts="6")))
    assert entries(bench) == {("A", 0): 3, ("A", 1): 4, ("B", 0): 5, ("B", 1): 6}


def test_rows_that_are_lists_of_values_are_named_by_the_first_one_or_a_header(tmp_path: Path) -> None:
    names, rows = ["station", "times", "counts"], [["A", TIMES[0], 3], ["A", TIMES[1], 4]]
    for name, content, keys in (
        ("first", [names, *rows], {}),
        ("split", {"columns": names, "data": rows}, {"records": "data", "header": names}),
    ):
        more: dict[str, Any] = {"columns": NAMED, **keys}
        bench = Bench.counts(tmp_path / name, **more)
        bench.put("a.json", json.dumps(content))
        bench.ingest()
        assert entries(bench) == {("A", 0): 3, ("A", 1): 4}
    bench = Bench.counts(tmp_path / "none", columns=NAMED)
    bench.put("a.json", json.dumps([[1, 2], [3, 4]]))
    bench.put("b.csv", "station,times,counts\n")
    assert "name them in header" in bench.ingest().failures[0]


def day(step: int = 15) -> list[str]:
    return [f"2024-05-10T{n * step // 60:02}:{n * step % 60:02}Z" for n in range(24 * 60 // step)]


def init(tmp_path: Path, content: object, answers: Answers | None = None, **keys: Any) -> Outcome:
    path = tmp_path / ("a.parquet" if isinstance(content, pa.Table) else "a.json")
    if isinstance(content, pa.Table):
        pa.parquet.write_table(content, path)
    else:
        path.write_text(json.dumps(content), encoding="utf-8")
    return by_init(tmp_path, [path], answers or Answers(timezone="UTC"), keys)


def counted(outcome: Outcome) -> dict[str, list[int | None]]:
    assert outcome.landed is not None, outcome
    found: dict[str, list[int | None]] = {}
    for (station, _), counts in sorted(outcome.landed.minutes.items()):
        found.setdefault(station, []).append(counts["entries"])
    return found


MANY = {"A": [n % 7 for n in range(96)], "B": [n % 11 + 1 for n in range(96)]}


@pytest.mark.parametrize("shape", ["records", "document", "objects", "struct", "split", "parquet", "slots", "pairs"])
def test_init_reads_lists_that_say_what_they_are(tmp_path: Path, shape: str) -> None:
    records = [{"station": name, "times": day(), "counts": counts} for name, counts in MANY.items()]
    objects = [
        {"station": s, "readings": [{"time": t, "count": c} for t, c in zip(day(), n, strict=True)]}
        for s, n in MANY.items()
    ]
    rows = [[name, time, many] for name, counts in MANY.items() for time, many in zip(day(), counts, strict=True)]
    content: dict[str, object] = {
        "records": {"status": "ok", "data": records},
        "document": records[0],
        "objects": {"data": objects},
        "struct": objects[1],
        "split": {"columns": ["station", "time", "count"], "data": rows},
        "parquet": pa.Table.from_pylist(records),
        "slots": [{"station": name, "date": "2024-05-10", "counts": counts} for name, counts in MANY.items()],
        "pairs": [{"station": s, "readings": [[t, c] for t, c in zip(day(), n, strict=True)]} for s, n in MANY.items()],
    }
    answers = Answers(timezone="UTC")
    if shape == "pairs":
        answers = replace(answers, count=("readings.1",), time=(("readings.0",),))
    only = {"document": {"A": MANY["A"]}, "struct": {"B": MANY["B"]}}.get(shape, MANY)
    assert counted(init(tmp_path, content[shape], answers)) == only


def test_init_asks_whether_items_of_lists_are_rows_and_takes_the_answer(tmp_path: Path) -> None:
    taps = [{"station": "A", "time": time, "fares": [1, 2, 3]} for time in day()]
    asked = init(tmp_path, taps)
    assert asked.kind == "asked"
    assert "--unnest fares" in asked.why
    assert (
        sum(n or 0 for n in counted(init(tmp_path, taps, Answers(timezone="UTC", count=("none",)), unnest=[]))["A"])
        == 96
    )


def test_init_rejects_items_that_have_neither_a_time_nor_a_station_of_their_own(tmp_path: Path) -> None:
    record = [{"station": "A", "start": f"2024-05-{d:02}T07:00", "counts": [1, 2, 3]} for d in (10, 11)]
    outcome = init(tmp_path, record)
    assert outcome.kind == "rejected"
    assert "neither its time nor its station" in outcome.why


def test_init_takes_no_number_of_a_record_for_those_of_its_items(tmp_path: Path) -> None:
    kinds = ("adult", "child")
    records = [
        {
            "station": "A",
            "time": time,
            "entries": 2 * n + 3,
            "kinds": [{"kind": k, "count": n + 2 * i + 0} for i, k in enumerate(kinds)],
        }
        for n, time in enumerate(day())
    ]
    asked = init(tmp_path, records)
    assert "--count 'kinds.count'" in asked.why
    wrong = init(tmp_path, records, Answers(timezone="UTC", count=("entries",)))
    assert "stands once per record" in wrong.why
    answers = Answers(timezone="UTC", count=("kinds.count",), rows="sum", numbers="people")
    assert counted(init(tmp_path, records, answers))["A"] == [2 * n + 2 for n in range(96)]


def test_init_reads_lists_of_a_day_and_names_those_that_are_of_a_part_of_it(tmp_path: Path) -> None:
    record = {"station": "A", "start": "2024-05-10T00:00", "interval_minutes": 15, "counts": MANY["A"]}
    assert counted(init(tmp_path, [record])) == {"A": MANY["A"]}
    half = init(tmp_path, [{**record, "counts": MANY["A"][:48]}])
    assert half.kind == "rejected"
    assert "'interval_minutes' says 15, and the lists have as many items as a day has intervals of 30" in half.why


def test_init_leaves_a_record_whose_lists_differ_to_the_ingest(tmp_path: Path) -> None:
    records = [{"station": s, "times": day(), "counts": MANY["A"][: 95 if s == "C" else 96]} for s in "ABC"]
    outcome = init(tmp_path, records)
    assert counted(outcome) == {"A": MANY["A"], "B": MANY["A"]}
    assert outcome.landed is not None
    assert outcome.landed.report.reasons == {"unequal_lists": 1}
