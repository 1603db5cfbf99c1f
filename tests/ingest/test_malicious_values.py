"""Names, numbers and times that mean harm are refused by their row, and what is shown of them does nothing."""

from __future__ import annotations

import csv
import json
import unicodedata
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.ingest_bench import NOW, Bench, at

from flows.cli import output
from flows.pipelines.run_reports import IngestReport
from flows.reports.document import Table, code, markdown_table
from flows.reports.loop_reports import ingest_document
from tasks.errors import NexthourError, SourceError, visible
from tasks.ingest.rows.parse_values import UNSAFE, read_names
from tasks.ingest.source import Pull
from tasks.ingest.sources import make_source
from tasks.tables.export import export_minutes

TIME = "2024-05-10T10:00Z"
HEADER = ("station_id", "minute_utc", "entries", "exits")
UNSAFE_NAMES = (
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd",
    "+cmd",
    "-cmd",
    "-2+3",
    "\uff1dcmd",
    "a\tb",
    "a\nb",
    "a\x00b",
    "\x1b[31mred",
    "a\u202eb",
    "a\u2066b",
    "a\u200bb",
    "a\ufeffb",
    "a\u2028b",
    "a\u00adb",
    "x" * 201,
    ".",
    "..",
    "...",
)
SAFE_NAMES = (
    "-1",
    "+7",
    "-1.5",
    "Châtelet – Les Halles",
    "a|b",
    "`x` <b>*[y](z)*",
    "Main St/5th",
    "../x",
    "O'Hare",
    "می\u200cدان",
    "x" * 200,
    "[red]hot[/red]",
    'St. 7, "old"',
    "50%",
    "東京",
)


def counts(folder: Path, *rows: tuple[object, ...]) -> Bench:
    bench = Bench.counts(folder)
    bench.put_rows("f.csv", HEADER, rows)
    return bench


@pytest.mark.parametrize("name", UNSAFE_NAMES)
def test_an_unsafe_name_is_rejected_with_its_reason(tmp_path: Path, name: str) -> None:
    bench = counts(tmp_path, ("good", TIME, 1, 1), (name, TIME, 1, 1))
    assert bench.ingest().reasons == {"unsafe_name": 1}
    assert {station for station, _ in bench.truth()} == {"good"}


def test_an_unsafe_part_and_an_unsafe_place_of_a_trip_are_rejected(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path / "c")
    bench.put_rows("f.csv", (*HEADER, "part"), [("A", TIME, 1, 1, "=1+1"), ("A", TIME, 2, 2, "east")])
    assert bench.ingest().reasons == {"unsafe_name": 1}
    assert bench.truth() == {}  # without the other part the sum is not known
    trips = Bench.events(tmp_path / "e")
    trips.put_rows("f.csv", ("started_at", "ended_at", "from", "to"), [(TIME, TIME, "=A", "B"), ("", "", "=A", "")])
    assert trips.ingest().reasons == {"unsafe_name": 2}
    assert {station for station, _ in trips.truth()} == {"B"}


def test_a_copy_of_a_rejected_trip_tells_nothing_of_when_its_file_listened(tmp_path: Path) -> None:
    bench = Bench.events(tmp_path, duplicates="drop")
    rows = [(TIME, TIME, "A", "A"), (TIME, "later", "A", "B"), (TIME, "later", "A", "B")]
    bench.put_rows("f.csv", ("started_at", "ended_at", "from", "to"), rows)
    batches = make_source(bench.settings.sources[0], bench.settings.network).pull(Pull(NOW))
    _, first = next(batches), next(batches)
    assert str(first.statements.minute.min().astype("datetime64[m]")).startswith("2024")


def test_ordinary_names_of_all_scripts_land_as_they_are(tmp_path: Path) -> None:
    bench = counts(tmp_path, *((name, TIME, 1, 1) for name in SAFE_NAMES))
    assert bench.ingest().rejected == 0
    assert {station for station, _ in bench.truth()} == set(SAFE_NAMES)


def test_every_invisible_character_of_the_blocks_in_use_makes_a_name_unsafe() -> None:
    joiners = {0x200C, 0x200D}
    points = [p for p in range(0x2FFF) if unicodedata.category(chr(p)) in ("Cc", "Zl", "Zp")]
    points += [
        p
        for p in (0xAD, 0x61C, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070))
        if p not in joiners
    ]
    names = pa.array([f"a{chr(p)}b" for p in points])
    codes, known = read_names(names)
    assert known == []
    assert (codes == UNSAFE).all()
    assert len(points) > 90


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("NaN", "missing_count"),
        ("inf", "absurd"),
        ("-inf", "negative"),
        ("1e400", "absurd"),
        ("-1e400", "negative"),
        ("1e-400", 0),
        ("-0", 0),
        ("1_000", "not_a_number"),
        ("\uff11\uff12", 12),
        ("0x10", "not_a_number"),
        (" 7 ", 7),
        ("7.0", 7),
        ("+7", 7),
        ("1,5", "not_a_number"),
        ("9223372036854775808", "absurd"),
        ("9" * 400, "absurd"),
        ("1e9999999999", "not_a_number"),
        ("7\x00", "not_a_number"),
        ("=7", "not_a_number"),
        ("7\u200b", "not_a_number"),
        ("\u06f7", 7),
    ],
)
def test_a_number_is_one_or_is_rejected(tmp_path: Path, text: str, result: str | int) -> None:
    bench = counts(tmp_path, ("A", TIME, text, ""))
    report = bench.ingest()
    if isinstance(result, str):
        assert report.reasons == {result: 1}
    else:
        assert bench.truth() == {("A", at("2024-05-10T10:00")): (result, None)}


@pytest.mark.parametrize(
    "text",
    [
        "9999-12-31T23:59Z",
        "-2024-05-10T10:00Z",
        "0000-00-00T00:00Z",
        "2016-12-31T23:59:60Z",
        "2024-05-10T24:00Z",
        "2024-05-10T10:61Z",
        "2024-05-10T10:00+99:00",
        "now",
        "today",
        "2024-05-10T10:00Z\x00",
        "=NOW()",
        "1e400",
        "2024-05-10T10:00Z" * 1000,
    ],
)
def test_a_time_that_is_none_is_rejected(tmp_path: Path, text: str) -> None:
    bench = counts(tmp_path, ("A", text, 1, 1), ("A", TIME, 1, 1))
    report = bench.ingest()
    assert set(report.reasons) <= {"bad_time", "in_future"}
    assert (report.rejected, report.rows) == (1, 1)


def test_a_time_in_digits_of_another_script_is_that_time(tmp_path: Path) -> None:
    bench = counts(tmp_path, ("A", "\uff12\uff10\uff12\uff14-05-10T10:00Z", 3, 1))
    assert bench.ingest().rejected == 0
    assert bench.truth() == {("A", at("2024-05-10T10:00")): (3, 1)}


ODD_COLUMNS = {
    "list": pa.array([[1], [2]]),
    "list of lists": pa.array([[[["x"]]]] * 2),
    "struct": pa.array([{"a": 1}] * 2),
    "map": pa.array([[("a", 1)]] * 2, pa.map_(pa.string(), pa.int32())),
    "bytes": pa.array([b"\xff", b"B"]),
    "truth": pa.array([True, False]),
    "nothing": pa.nulls(2),
    "half": pa.array(np.array([1, 2], dtype=np.float16)),
    "decimal": pa.array([Decimal("1.00"), Decimal("2.5")]),
    "decimal256": pa.array([Decimal(1), Decimal(2)], pa.decimal256(60, 2)),
    "time": pa.array([1, 2], pa.time32("s")),
    "duration": pa.array([1, 2], pa.duration("s")),
    "date": pa.array([19000, 19001], pa.date32()),
    "large text": pa.array(["A", "B"], pa.large_string()),
    "view": pa.array(["A", "B"], pa.string_view()),
    "view of bytes": pa.array([b"A", b"B"], pa.binary_view()),
    "far times": pa.array([2**62, -(2**62)], pa.timestamp("ns")),
    "farther times": pa.array([2**40, -(2**40)], pa.timestamp("s")),
    "odd zone": pa.array([0, 1], pa.timestamp("us", "Nonsense/Zone")),
    "large number": pa.array([2**64 - 1, 3], pa.uint64()),
    "endless number": pa.array([float("inf"), 1e300]),
    "not text": pa.StringArray.from_buffers(2, pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"\xffB")),
}


@pytest.mark.parametrize("column", HEADER[:3])
@pytest.mark.parametrize("kind", ODD_COLUMNS)
def test_a_parquet_column_of_any_type_lands_or_is_rejected_and_the_good_file_lands(
    tmp_path: Path, column: str, kind: str
) -> None:
    bench = counts(tmp_path, ("good", TIME, 1, 1))
    table = {"station_id": pa.array(["A", "B"]), "minute_utc": pa.array([TIME] * 2), "entries": pa.array([1, 2])}
    bench.put("odd.parquet", pa.table({**table, column: ODD_COLUMNS[kind]}))
    report = bench.ingest()
    assert ("good", at("2024-05-10T10:00")) in bench.truth()
    assert report.rows + report.rejected >= 2
    assert all(station.isprintable() and "922337" not in station for station, _ in bench.truth())
    assert all(len(line.splitlines()) == 1 and "odd.parquet" in line for line in report.failures)


EVIL = "\x1b[31m[red]| `x` </td><script>alert(1)</script> ![i](http://t.example) \u202e\nnext"


def test_nothing_of_a_reject_reaches_the_terminal_unescaped(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bench = counts(tmp_path, ("good", TIME, 1, 1), (EVIL, TIME, 1, 1))
    output.emit(None, False, ingest_document(IngestReport((bench.ingest(),), ())))
    output.print_table(Table(("station", "x"), [(EVIL, 1.0), ("[red]hot[/red]", 2.0)], title="names"))
    said = capsys.readouterr().err
    assert "\x1b[31m" not in said
    assert "\u202e" not in said
    assert "\\x1b[31m[red]|" in said
    assert "[red]hot[/red]" in said


def test_errors_are_one_line_whatever_they_name() -> None:
    assert str(SourceError("a\x1b[2Jb\nc\u202ed é東")) == "a\\x1b[2Jb\\nc\\u202ed é東"
    assert isinstance(SourceError("x"), NexthourError)
    assert visible("plain, 50 %") == "plain, 50 %"


def test_markdown_shows_a_name_and_does_nothing_else() -> None:
    row = markdown_table(("station", "people"), [(EVIL, 1)]).splitlines()
    assert len(row) == 3
    assert row[2].replace("\\|", "").count("|") == 3
    assert "<" not in row[2]
    assert "\\!\\[" not in row[2]
    assert "!\\[i\\]" in row[2]
    assert "\\`x\\`" in row[2]
    assert code("a`` b") == "```a`` b```"
    assert code("`a`") == "`` `a` ``"


def test_names_survive_the_export_as_csv_and_the_published_json(tmp_path: Path) -> None:
    bench = counts(tmp_path, *((name, TIME, 1, 1) for name in SAFE_NAMES))
    bench.ingest()
    out = tmp_path / "x.csv"
    rows = export_minutes(bench.settings, NOW - np.timedelta64(1, "D"), NOW, out)
    with out.open(newline="", encoding="utf-8") as text:
        read = list(csv.DictReader(text))
    assert len(read) == rows == len(SAFE_NAMES)
    assert {row["station_id"] for row in read} == set(SAFE_NAMES)
    assert all(not row["station_id"].startswith(("=", "@", "\t", "\r")) for row in read)
    assert json.loads(json.dumps(output.to_json(bench.ingest())))["skipped"] == 1
