"""Headers of two lines, stations over directions, as pivot tables have them: read, and recognised by init."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from openpyxl import Workbook
from support.ingest_bench import Bench, at
from support.init_bench import landed, look, options

from tasks.errors import SourceError
from tasks.ingest.formats.header_rows import join_header

ROWS = [(f"2024-03-14 07:{m:02d}", m, m + 1, m + 2, m + 3) for m in (0, 15, 30, 45)]
BODY = "".join(",".join(map(str, row)) + "\n" for row in ROWS)
MERGED = ",North Gate,,South,\nTime,In,Out,In,Out\n"
REPEATED = ",North Gate,North Gate,South,South\nTime,In,Out,In,Out\n"
ONE_LINE = "Time,North Gate In,North Gate Out,South In,South Out\n"
LANDS = {
    *(("North Gate", at(f"2024-03-14T07:{m:02d}"), (m, m + 1)) for m in (0, 15, 30, 45)),
    *(("South", at(f"2024-03-14T07:{m:02d}"), (m + 2, m + 3)) for m in (0, 15, 30, 45)),
}


def _workbook(title: bool) -> bytes:
    book = Workbook()
    for row in [*([("People per quarter",)] if title else []), ("", "North Gate", None, "South"), ("Time", *"IOIO")]:
        book.active.append(["In" if cell == "I" else "Out" if cell == "O" else cell for cell in row])
    for row in ROWS:
        book.active.append(row)
    line = 2 if title else 1
    book.active.merge_cells(f"B{line}:C{line}")
    book.active.merge_cells(f"D{line}:E{line}")
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize("header", [MERGED, REPEATED, "Counts of the week\n" + MERGED, ONE_LINE])
def test_stations_over_directions_are_recognised(tmp_path: Path, header: str) -> None:
    found = look(tmp_path, a__csv=header + BODY)
    assert options(found) == []
    assert {(*key, counts) for key, counts in landed(tmp_path, found).items()} == LANDS


@pytest.mark.parametrize("title", [False, True])
def test_merged_cells_of_a_workbook_are_recognised(tmp_path: Path, title: bool) -> None:
    found = look(tmp_path, a__xlsx=_workbook(title))
    assert options(found) == []
    assert {(*key, counts) for key, counts in landed(tmp_path, found).items()} == LANDS


def test_a_third_line_above_a_header_of_two_is_asked_about_and_read_where_it_belongs_to_it(tmp_path: Path) -> None:
    book = Workbook()
    for row in (["", "Red", "", "Blue", ""], *(line.split(",") for line in REPEATED.splitlines()), *ROWS):
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    asked = look(tmp_path, a__xlsx=out.getvalue())
    assert options(asked) == ["--header-rows"]
    assert "3: the last column is 'Blue" in asked.questions[0].line()
    found = look(tmp_path, keys={"header_rows": 3}, a__xlsx=out.getvalue())
    assert options(found) == []
    stations = {station for (station, _), _ in landed(tmp_path, found).items()}
    assert stations == {"Red North Gate", "Blue South"}


def test_words_that_are_no_directions_are_asked_about(tmp_path: Path) -> None:
    found = look(tmp_path, a__csv=MERGED.replace("In", "Cars").replace("Out", "Bikes") + BODY)
    assert found.questions[0].option == "--unpivot"
    assert "{station_id} {kind}" in found.questions[0].line()


def test_lines_of_a_header_make_names_of_columns(tmp_path: Path) -> None:
    columns = {"station_id": "s", "minute": "Time", "entries": "North Gate In"}
    network = {"interval_minutes": 15, "targets": ["entries"]}
    bench = Bench.counts(tmp_path, network, columns=columns, constants={"s": "N"}, header_rows=2)
    bench.put("f.csv", MERGED + BODY)
    bench.ingest()
    assert bench.truth() == {("N", at(row[0])): (row[1],) for row in ROWS}


def test_names_that_come_twice_are_rejected(tmp_path: Path) -> None:
    bench = Bench.counts(
        tmp_path, columns={"minute": "Time"}, unpivot={"pattern": "{station_id} In", "value": "entries"}, header_rows=2
    )
    bench.put("f.csv", ",North,North,South,\nTime,In,In,In,Out\n" + BODY)
    with pytest.raises(SourceError, match="two columns 'North In'"):
        bench.ingest()


def test_a_blank_cell_of_an_upper_line_is_what_stands_to_its_left() -> None:
    assert join_header([["", "A", "", "B"], ["Time", "In", "Out", "In", "Out"]]) == [
        "Time",
        "A In",
        "A Out",
        "B In",
        "B Out",
    ]
    assert join_header([["Day", "A"], ["Day", "In", "Out"]]) == ["Day", "A In", "A Out"]
