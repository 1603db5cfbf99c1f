"""CSV as exports lay it out: without a header, with lines around it, in other encodings, by blanks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.ingest_bench import Bench, at
from support.repair_bench import edited, replayed, written

from tasks.errors import ConfigError
from tasks.ingest.formats.fixed_width import rule_of

TEN = at("2024-05-10T10:00")
HEADER = "station_id,minute_utc,entries,exits\n"


def counts(folder: Path, content: str | bytes, **shape: Any) -> Bench:
    bench = Bench.counts(folder, **shape)
    bench.put("f.csv", content)
    return bench


def landed(folder: Path, content: str | bytes, **shape: Any) -> dict[tuple[str, Any], tuple[int | None, ...]]:
    bench = counts(folder, content, **shape)
    assert bench.ingest().rejected == 0
    return bench.truth()


def test_columns_without_a_header_line_have_the_names_of_header(tmp_path: Path) -> None:
    text = "A,2024-05-10T10:00Z,1,2\nB,2024-05-10T10:00Z,3,4\n"
    names = ["station_id", "minute_utc", "entries", "exits"]
    assert landed(tmp_path, text, header=names) == {("A", TEN): (1, 2), ("B", TEN): (3, 4)}


def test_a_header_of_another_width_is_named(tmp_path: Path) -> None:
    bench = counts(tmp_path, "A,2024-05-10T10:00Z,1,2\n", header=["station_id", "minute_utc", "entries"])
    with pytest.raises(Exception, match="has 4 fields in its first line, and header names 3: correct header"):
        bench.ingest()


def test_lines_above_the_header_and_below_the_rows_are_passed_over_and_lines_stay_right(tmp_path: Path) -> None:
    text = f'A report\n"of two lines, it is said\n\n{HEADER}A,2024-05-10T10:00Z,1,2\nB,soon,3,4\nTotal,,4,6\nend\n\n\n'
    bench = counts(tmp_path, text, skip_rows=3, skip_footer=2)
    bench.ingest()
    assert bench.truth() == {("A", TEN): (1, 2)}
    assert [(line, why) for line, why, _ in bench.rejects()] == [(6, "bad_time")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_is_counted_by_skip_rows_and_skip_footer(tmp_path: Path, end: str) -> None:
    text = f"x\n{HEADER}A,2024-05-10T10:00Z,1,2\nend".replace("\n", end)
    assert landed(tmp_path, text, skip_rows=1, skip_footer=1) == {("A", TEN): (1, 2)}


def test_fewer_lines_than_skip_rows_are_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    bench = counts(tmp_path, HEADER, skip_rows=9)
    with pytest.raises(Exception, match="no line below the 9 of skip_rows"):
        bench.ingest()


@pytest.mark.parametrize(("delimiter", "character"), [("tab", "\t"), (";", ";"), ("|", "|"), ("^", "^")])
def test_the_delimiter_may_be_given(tmp_path: Path, delimiter: str, character: str) -> None:
    text = f"{HEADER}A,2024-05-10T10:00Z,1,2\n".replace(",", character)
    assert landed(tmp_path, text, delimiter=delimiter) == {("A", TEN): (1, 2)}


@pytest.mark.parametrize("wrong", [{"delimiter": ",,"}, {"delimiter": "a"}, {"encoding": "rot13"}, {"encoding": "no"}])
def test_what_is_no_delimiter_or_encoding_is_rejected_on_load(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        _ = Bench.counts(tmp_path, **wrong).settings


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    text = f"{HEADER}Köln 台北,2024-05-10T10:00Z,1,2\n"
    assert landed(tmp_path, text.encode(encoding)) == {("Köln 台北", TEN): (1, 2)}


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16-le", "mac_roman"])
def test_other_encodings_are_read_as_configured(tmp_path: Path, encoding: str) -> None:
    text = f"{HEADER}Köln,2024-05-10T10:00Z,1,2\n"
    assert landed(tmp_path, text.encode(encoding), encoding=encoding) == {("Köln", TEN): (1, 2)}


def test_a_cell_that_is_no_text_rejects_its_row_where_its_column_is_used(tmp_path: Path) -> None:
    text = (
        "station_id,note,minute_utc,entries,exits\nA,caf\xe9,2024-05-10T10:00Z,1,2\nK\xf6ln,x,2024-05-10T10:00Z,1,2\n"
    )
    bench = counts(tmp_path, text.encode("latin-1"))
    bench.ingest()
    assert bench.truth() == {("A", TEN): (1, 2)}
    assert [(line, why) for line, why, _ in bench.rejects()] == [(3, "not_utf8")]


def test_a_repaired_row_whose_name_is_still_no_text_stays_rejected(tmp_path: Path) -> None:
    bench = counts(tmp_path, f"{HEADER}A,2024-05-10T10:00Z,1,2\nK\xf6ln,2024-05-10T10:00Z,1,2\n".encode("latin-1"))
    bench.ingest()
    replayed(bench, edited(written(bench), lambda row: row.update(entries="3")))
    assert bench.truth() == {("A", TEN): (1, 2)}
    replayed(bench, edited(written(bench), lambda row: row.update(station_id="Köln")))
    assert bench.truth() == {("A", TEN): (1, 2), ("Köln", TEN): (3, 2)}


def test_a_side_of_an_event_is_rejected_alone_where_its_station_is_no_text(tmp_path: Path) -> None:
    bench = Bench.events(tmp_path)
    text = "started_at,from,ended_at,to\n2024-05-10T10:00Z,A,2024-05-10T10:00Z,K\xf6ln\n"
    bench.put("f.csv", text.encode("latin-1"))
    bench.ingest()
    assert bench.truth()[("A", TEN)][0] == 1
    assert [why for _, why, _ in bench.rejects()] == ["not_utf8"]


def test_columns_parted_by_blanks_are_read(tmp_path: Path) -> None:
    text = "  station_id  minute_utc          entries exits\n  A           2024-05-10T10:00Z       1     2\n\n"
    assert landed(tmp_path, text, delimiter="blanks") == {("A", TEN): (1, 2)}


TABLE = """\
station_id   minute_utc        entries     exits
------------ ----------------- ----------- -----------
台北 車站    2024-05-10T10:00Z           1           2
Kings Cross  2024-05-10T10:00Z           3           4
Bank         2024-05-10T10:00Z           5

(3 rows affected)
"""


def test_a_rule_of_dashes_tells_where_columns_stand_and_a_total_is_no_row(tmp_path: Path) -> None:
    bench = counts(tmp_path, TABLE, delimiter="blanks")
    bench.ingest()
    assert bench.truth() == {("台北 車站", TEN): (1, 2), ("Kings Cross", TEN): (3, 4), ("Bank", TEN): (5, None)}
    assert bench.rejects() == [(7, "wrong_number_of_fields", "(3 rows affected)")]


def test_a_line_that_two_ways_to_count_places_read_differently_is_no_row() -> None:
    rule = rule_of("---- ----")
    assert rule is not None
    assert rule.fields("ab   cd") == ["ab", "cd"]
    assert rule.fields("台   北") == ["台", "北"]
    assert rule.fields("abcd cdefgh") == ["abcd", "cdefgh"]
    assert rule.fields("abcdefgh") is None
    rule = rule_of("-------- --------")
    assert rule is not None
    assert rule.fields("東門     台北車站") == ["東門", "台北車站"]
    assert rule.fields("東門   台北車站") == ["東門", "台北車站"]
    assert rule.fields("東 門   台北車站") is None


def test_rows_of_such_a_table_are_repaired_like_others(tmp_path: Path) -> None:
    bench = counts(tmp_path, TABLE.replace("  3  ", " -3  "), delimiter="blanks", skip_footer=1)
    bench.ingest()
    replayed(bench, edited(written(bench), lambda row: row.update(entries="3")))
    assert bench.truth()[("Kings Cross", TEN)] == (3, 4)
    assert bench.rejects()[-1][1] == "negative"


def test_columns_of_a_million_blanks_are_too_many(tmp_path: Path) -> None:
    bench = counts(tmp_path, "a " * 100_000 + "\n", delimiter="blanks")
    with pytest.raises(Exception, match="has 100,000 columns"):
        bench.ingest()
