"""What is rejected is listed, and written out as a sheet that reads back as it was written."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ingest_bench import Bench
from support.repair_bench import HEADER, LATER, REPAIRS, TIME, counts, replayed, written

from flows.pipelines import repair
from tasks.errors import ConfigError
from tasks.ingest.repair.sheet import guard_cell, read_sheet, unguard_cell


def test_the_list_shows_what_is_rejected_and_only_that(tmp_path: Path) -> None:
    bench = counts(tmp_path)
    bench.ingest()
    a, b = repair.list_open(bench.settings).files
    reasons = ("bad_time", "not_a_number", "not_utf8", "superseded_in_file", "unsafe_name", "wrong_number_of_fields")
    assert (a.file, a.rows, dict(a.reasons)) == ("a.csv", 6, dict.fromkeys(reasons, 1))
    assert (b.file, b.rows, b.examples) == ("b.csv", 1, ["2 negative A,2024-05-10T10:01Z,-1,3"])
    bench.put_rows("b.csv", HEADER, [("A", "2024-05-10T10:01Z", 1, 3), ("B", "soon", 1, 1), ("C", "never", 1, 1)])
    bench.ingest(LATER)
    _, b = repair.list_open(bench.settings, "gates").files
    assert [(line.split()[0], line.split()[1]) for line in b.examples] == [("3", "bad_time"), ("4", "bad_time")]
    assert repair.write_out(bench.settings, tmp_path / "x.csv").rows == 8


def test_a_row_whose_time_came_and_a_file_that_was_mended_are_rejected_no_more(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path)
    bench.put_rows("a.csv", HEADER, [("A", TIME, 1, 1), ("A", "2024-05-10T12:00Z", 1, 1), ("A", "never", 1, 1)])
    bench.put("b.csv", "")
    bench.ingest()
    report = repair.list_open(bench.settings)
    assert [(each.file, each.rows) for each in report.files] == [("a.csv", 2)]
    assert report.failures == (f"{tmp_path}/feed/b.csv is empty: it is read again when it has something",)
    bench.put_rows("b.csv", HEADER, [("B", TIME, 1, 1)])
    bench.ingest(LATER)
    report = repair.list_open(bench.settings)
    assert [(each.rows, each.examples) for each in report.files] == [(1, ["4 bad_time A,never,1,1"])]
    assert report.failures == ()


def test_what_is_written_out_has_the_values_of_the_file_and_is_safe_in_a_spreadsheet(tmp_path: Path) -> None:
    bench = counts(tmp_path)
    bench.ingest()
    raw = written(bench).read_bytes()
    assert raw.startswith(b'\xef\xbb\xbf"source","file","digest","line","reason","text","station_id","minute_utc"')
    with (tmp_path / "bad.csv").open(newline="", encoding="utf-8-sig") as text:
        shown = {(row["file"], row["line"]): row for row in csv.DictReader(text)}
    assert set(shown) == {*REPAIRS, ("a.csv", "2")}
    assert shown["a.csv", "9"]["station_id"] == "'=E"
    assert shown["a.csv", "9"]["note"] == "'=1+1"
    assert shown["b.csv", "2"]["entries"] == "-1"
    assert shown["a.csv", "3"]["note"] == "two\nlines"
    assert shown["a.csv", "5"]["text"] == f"C,{TIME},1"
    assert shown["a.csv", "7"]["station_id"] == "K\ufffdln"
    held = {(row.file, str(row.line)): row for row in read_sheet(tmp_path / "bad.csv")}
    assert held["a.csv", "9"].cells["station_id"] == "=E"
    assert held["a.csv", "9"].reason == "unsafe_name"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,b\n1,2\n", "no column 'source'"),
        (b"", "no column 'source'"),
        (b"source,file,digest,line\nx,y,z,first\n", "line 'first' is no number"),
        (b"source,file,digest,line\nx,\xff,z,1\n", "save it as CSV in UTF-8"),
        (None, "No such file"),
    ],
)
def test_a_sheet_that_is_none_is_bad_usage(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "sheet.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        replayed(counts(tmp_path), path)


def test_a_corrected_configuration_lands_what_it_had_rejected_at_the_next_ingest(tmp_path: Path) -> None:
    bench = Bench.counts(tmp_path, maximum=5, timezone="America/Chicago")
    rows = [("A", TIME, 6, 1), ("B", "2024-03-10T02:30", 1, 1)]
    bench.put_rows("f.csv", (*HEADER[:1], "minute", *HEADER[2:]), rows)
    assert bench.ingest().reasons == {"absurd": 1, "nonexistent_local_time": 1}
    bench.source |= {"maximum": 50, "timezone": "UTC"}
    assert bench.ingest(LATER).rows == 2
    assert repair.list_open(bench.settings).files == ()
    assert bench.ingest(LATER).skipped == 1


@given(st.text(alphabet=st.sampled_from("'=+-@\t\r\na1.,e \"")))
def test_a_guarded_cell_reads_back_as_it_was_and_is_no_formula(cell: str) -> None:
    shown = guard_cell(cell)
    assert unguard_cell(shown) == cell
    assert shown[:1] not in ("=", "@", "\t", "\r", "\n")
    if shown[:1] in ("+", "-") and shown:
        float(shown.replace(",", "."))
