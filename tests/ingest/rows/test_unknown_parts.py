"""A sum of which a part was rejected is not known, whichever file or row the other parts are in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.ingest_bench import NOW, Bench, at

from tasks.errors import SourceError

TEN, QUARTER = at("2024-05-09T10:00"), at("2024-05-09T10:15")
HEADER = ("station_id", "minute_utc", "gate", "entries", "exits")


def row(count: object, gate: str = "1", minute: str = "10:00", exits: object = 1) -> tuple[object, ...]:
    return ("A", f"2024-05-09T{minute}Z", gate, count, exits)


def bench(folder: Path, **source: object) -> Bench:
    return Bench.counts(folder, {"interval_minutes": 15}, **source)


def later(hours: int) -> np.datetime64:
    return NOW + np.timedelta64(hours, "h")


def test_a_rejected_row_blanks_the_sum_with_the_parts_of_other_files(tmp_path: Path) -> None:
    here = bench(tmp_path, rows="sum")
    here.put_rows("a.csv", HEADER, [row("many"), row(2, minute="10:15")])
    here.put_rows("b.csv", HEADER, [row(5, "2"), row(7, "2", "10:15")])
    here.ingest()
    assert here.truth() == {("A", QUARTER): (9, 2)}
    here.put_rows("a.csv", HEADER, [row(4), row(2, minute="10:15")])
    here.ingest(later(1))
    assert here.truth()["A", TEN] == (9, 2)


def test_a_rejected_row_that_its_file_has_no_more_leaves_the_others(tmp_path: Path) -> None:
    here = bench(tmp_path, rows="sum")
    here.put_rows("a.csv", HEADER, [row("many"), row(2, minute="10:15")])
    here.put_rows("b.csv", HEADER, [row(5, "2")])
    here.ingest()
    here.put_rows("a.csv", HEADER, [row(2, minute="10:15")])
    here.ingest(later(1))
    assert here.truth()["A", TEN] == (5, 1)


@pytest.mark.parametrize("rows", ["sum", "last", None])
def test_a_rejected_row_of_a_named_part_blanks_the_sum_until_it_is_repaired(tmp_path: Path, rows: str | None) -> None:
    keys = {"rows": rows} if rows else {}
    here = bench(tmp_path, columns={"part": "gate"}, **keys)
    here.put_rows("a.csv", HEADER, [row("many"), row(2, minute="10:15")])
    here.put_rows("b.csv", HEADER, [row(5, "2"), row(7, "2", "10:15")])
    here.ingest()
    assert here.truth() == {("A", QUARTER): (9, 2)}
    here.put_rows("a.csv", HEADER, [row(4), row(2, minute="10:15")])
    here.ingest(later(1))
    assert here.truth()["A", TEN] == (9, 2)


def test_a_row_that_corrects_a_rejected_one_of_its_part_leaves_nothing_unknown(tmp_path: Path) -> None:
    here = bench(tmp_path, columns={"part": "gate"}, rows="last")
    here.put_rows("a.csv", HEADER, [row("many"), row(4), row(5, "2")])
    here.ingest()
    assert here.truth() == {("A", TEN): (9, 2)}


def test_rows_that_are_not_over_or_off_the_grid_leave_nothing_unknown(tmp_path: Path) -> None:
    here = bench(tmp_path, columns={"part": "gate"}, rows="last")
    here.put_rows("a.csv", HEADER, [row(4, minute="10:07"), ("A", "2024-05-10T12:00Z", "1", 5, 5), row(3)])
    here.ingest()
    assert here.truth() == {("A", TEN): (3, 1)}


@pytest.mark.parametrize("before", [{}, {"rows": "sum"}, {"rows": "last"}])
def test_files_whose_rows_name_their_part_from_now_on_count_once(tmp_path: Path, before: dict[str, str]) -> None:
    bench(tmp_path, **before).put_rows("a.csv", HEADER, [row(4), row(2, minute="10:15")])
    bench(tmp_path, **before).ingest()
    here = bench(tmp_path, columns={"part": "gate"})
    here.ingest(later(1))
    assert here.truth() == {("A", TEN): (4, 1), ("A", QUARTER): (2, 1)}


@pytest.mark.parametrize("after", [{}, {"rows": "sum"}, {"columns": {"part": "door"}}])
def test_rows_that_had_named_parts_do_not_count_again_under_others(tmp_path: Path, after: dict[str, object]) -> None:
    here = bench(tmp_path, columns={"part": "gate"})
    lines = [(*row(4), "x"), (*row(2, "2"), "y")]
    here.put_rows("a.csv", (*HEADER, "door"), lines)
    here.ingest()
    with pytest.raises(SourceError, match=r"counted for part '1' until now, and count for '.*' now, so that"):
        bench(tmp_path, **after).ingest(later(1))
    assert here.truth() == {("A", TEN): (6, 2)}


@pytest.mark.parametrize("before", [{"rows": "sum"}, {"rows": "last"}])
def test_a_part_that_is_named_for_a_while_does_not_count_again(tmp_path: Path, before: dict[str, object]) -> None:
    bench(tmp_path, **before).put_rows("a.csv", HEADER, [row(4), row(2, "2")])
    bench(tmp_path, **before).ingest()
    named = bench(tmp_path, columns={"part": "gate"}, **before)
    named.ingest(later(1))
    with pytest.raises(SourceError, match=r"counted for part '1' until now, and count for '.*' now, so that"):
        bench(tmp_path, **before).ingest(later(2))
    named.ingest(later(3))
    assert named.truth() == {("A", TEN): (6, 2)}


def test_another_setting_reads_files_of_one_part_each_again(tmp_path: Path) -> None:
    here = bench(tmp_path, columns={"part": "gate"})
    here.put_rows("a.csv", HEADER, [row(4)])
    here.put_rows("b.csv", HEADER, [row(2, "2")])
    here.ingest()
    bench(tmp_path, columns={"part": "gate"}, maximum=500).ingest(later(1))
    assert here.truth() == {("A", TEN): (6, 2)}


def test_rows_that_add_up_from_now_on_are_read_again_file_by_file(tmp_path: Path) -> None:
    here = bench(tmp_path, rows="last")
    here.put_rows("a.csv", HEADER, [row(4)])
    here.put_rows("b.csv", HEADER, [row(2, "2")])
    here.ingest()
    bench(tmp_path, rows="sum").ingest(later(1))
    assert here.truth() == {("A", TEN): (6, 2)}
