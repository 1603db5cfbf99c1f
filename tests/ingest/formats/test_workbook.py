"""Workbooks of Excel: a sheet as rows, and the harm that one can mean."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openpyxl import Workbook
from support.ingest_bench import Bench, at
from support.repair_bench import edited, replayed, written

HEADER = ("station_id", "minute_utc", "entries", "exits")
TEN = datetime(2024, 5, 10, 10)


def book(*rows: tuple[Any, ...], more: dict[str, list[tuple[Any, ...]]] | None = None) -> bytes:
    workbook = Workbook()
    for row in rows:
        workbook.active.append(row)
    for title, content in (more or {}).items():
        sheet = workbook.create_sheet(title)
        for row in content:
            sheet.append(row)
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


def changed(data: bytes, name: str, edit: Any) -> bytes:
    """A workbook with one of its parts edited."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, edit(old.read(info)) if info.filename == name else old.read(info))
    return out.getvalue()


def put(folder: Path, content: bytes, **more: Any) -> Bench:
    bench = Bench.counts(folder, **more)
    bench.put("f.xlsx", content)
    bench.put("good.csv", "station_id,minute_utc,entries,exits\nG,2024-05-10T10:00Z,1,2\n")
    return bench


def test_the_first_sheet_is_read_with_times_of_excel(tmp_path: Path) -> None:
    bench = put(tmp_path, book(HEADER, (7, TEN, 1.0, "2"), ("B", TEN + timedelta(minutes=1), 3, None)))
    assert bench.ingest().rejected == 0
    truth = bench.truth()
    assert truth[("7", at("2024-05-10T10:00"))] == (1, 2)
    assert truth[("B", at("2024-05-10T10:01"))] == (3, None)


def test_a_sheet_may_be_named_and_one_that_is_not_there_is_told(tmp_path: Path) -> None:
    sheets = {"Data": [("a report",), (), HEADER, ("A", TEN, 1, 2), ("Total", None, 1, 2)]}
    content = book(("cover",), more=sheets)
    bench = put(tmp_path, content, sheet="Data", skip_rows=1, skip_footer=1)
    bench.ingest()
    assert bench.truth()[("A", at("2024-05-10T10:00"))] == (1, 2)
    bench = put(tmp_path / "other", content, sheet="data")
    assert "has no sheet 'data' (it has Sheet, Data): correct sheet" in bench.ingest().failures[0]


def test_a_date_and_a_time_of_day_in_two_columns_are_joined(tmp_path: Path) -> None:
    rows = [("A", date(2024, 5, 10), time(7, 15), 1, 2), ("A", date(2024, 5, 10), timedelta(hours=25), 3, 4)]
    bench = put(tmp_path, book(("station_id", "day", "at", "entries", "exits"), *rows))
    bench.source.update(columns={"minute": [["day", "at"], ["minute_utc"]]}, timezone="UTC")
    bench.ingest(np.datetime64("2024-06-01T00:00:00"))
    truth = bench.truth()
    assert truth[("A", at("2024-05-10T07:15"))] == (1, 2)
    assert truth[("A", at("2024-05-11T01:00"))] == (3, 4)


def test_a_formula_counts_as_it_was_computed_last_and_an_error_is_no_number(tmp_path: Path) -> None:
    bench = put(tmp_path, book(HEADER, ("A", TEN, "=1+1", 2), ("B", TEN, "#N/A", 2), ("=C", TEN, 1, 2)))
    bench.ingest()
    assert bench.truth()[("A", at("2024-05-10T10:00"))] == (None, 2)
    assert [(line, why) for line, why, _ in bench.rejects()] == [(3, "not_a_number"), (4, "missing_station")]


def test_a_row_of_a_sheet_is_repaired_like_others(tmp_path: Path) -> None:
    bench = put(tmp_path, book(HEADER, ("A", TEN, -1, 2)))
    bench.ingest()
    replayed(bench, edited(written(bench), lambda row: row.update(entries="1")))
    assert bench.truth()[("A", at("2024-05-10T10:00"))] == (1, 2)


SHEET = "xl/worksheets/sheet1.xml"
GOOD = book(HEADER, ("A", TEN, 1, 2))
ENTITIES = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
HARMFUL: dict[str, tuple[bytes, str]] = {
    "entities": (changed(GOOD, SHEET, lambda xml: ENTITIES + xml.replace(b"station_id", b"&b;")), "damaged workbook"),
    "entities of the book": (changed(GOOD, "xl/workbook.xml", lambda xml: ENTITIES + xml), "damaged workbook"),
    "bomb": (changed(GOOD, SHEET, lambda xml: xml + b" " * (80 << 20)), "holds more than"),
    "cut off": (GOOD[:-50], "damaged"),
    "no sheet": (changed(GOOD, SHEET, lambda xml: xml[:200]), "damaged workbook"),
    "wide": (book(tuple(f"c{i}" for i in range(6_000))), "6,000 columns"),
    "far row": (
        changed(GOOD, SHEET, lambda xml: xml.replace(b'<row r="2"', b'<row r="99999999999"')),
        "more rows than a sheet has",
    ),
    "blank": (book(), "has no row"),
}


@pytest.mark.parametrize("case", sorted(HARMFUL))
def test_a_workbook_that_means_harm_is_named_and_the_good_file_lands(tmp_path: Path, case: str) -> None:
    content, line = HARMFUL[case]
    bench = put(tmp_path, content, max_bytes=32 << 20)
    report = bench.ingest()
    assert len(report.failures) == 1
    assert line in report.failures[0]
    assert {station for station, _ in bench.truth()} == {"G"}


@pytest.mark.parametrize(
    ("begin", "name"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel before 2007"),
        (b"%PDF-1.7", "a PDF"),
        (b"SQLite format 3\x00", "SQLite"),
        (b"Obj\x01", "Avro"),
        (b"ORC", "ORC"),
        (b"\x28\xb5\x2f\xfd", "Zstandard"),
        (b"<!DOCTYPE html><html>", "HTML"),
    ],
)
def test_other_kinds_are_called_by_their_name(tmp_path: Path, begin: bytes, name: str) -> None:
    bench = put(tmp_path, begin + b"\n" + b"\x00" * 2_000_000)
    assert name in bench.ingest().failures[0]


def test_sheets_of_the_same_columns_are_never_read_in_part(tmp_path: Path) -> None:
    content = book(HEADER, ("A", TEN, 1, 2), more={"February": [HEADER, ("A", TEN, 3, 4)]})
    bench = put(tmp_path / "all", content)
    assert 'write sheet = "Sheet"' in bench.ingest().failures[0]
    bench = put(tmp_path / "one", content, sheet="February")
    bench.ingest()
    assert bench.truth()[("A", at("2024-05-10T10:00"))] == (3, 4)


def test_sheets_of_the_same_columns_are_read_as_one_and_their_titles_are_a_column(tmp_path: Path) -> None:
    day = ("minute_utc", "entries", "exits")
    sheets: dict[str, list[tuple[Any, ...]]] = {
        title: [day, (TEN, n, 2), (TEN, "x", 2)] for n, title in ((3, "A 2024"), (4, "B 2024"))
    }
    bench = put(tmp_path, book(("cover",), more=sheets), sheet="* 2024", columns={"station_id": "sheet"})
    bench.put("good.csv", "sheet,minute_utc,entries,exits\nG,2024-05-10T10:00Z,1,2\n")
    bench.ingest()
    truth = bench.truth()
    assert [truth[(f"{each} 2024", at("2024-05-10T10:00"))] for each in "AB"] == [(3, 2), (4, 2)]
    assert [line for line, *_ in bench.rejects()] == [3, 6]


def test_sheets_of_other_columns_are_named_where_one_pattern_names_them(tmp_path: Path) -> None:
    sheets: dict[str, list[tuple[Any, ...]]] = {
        "May": [HEADER, ("A", TEN, 1, 2)],
        "Notes": [("by hand",), ("of gates",)],
    }
    bench = put(tmp_path, book(HEADER, more=sheets), sheet="*")
    assert "sheets 'Sheet' and 'Notes' have different columns: write sheet so that" in bench.ingest().failures[0]
