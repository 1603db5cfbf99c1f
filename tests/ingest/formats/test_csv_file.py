"""CSV as columns of text, whatever thread and encoding it is parsed with."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tasks.ingest.formats.csv_file import read_csv
from tasks.ingest.limits import MAX_BYTES


def test_text_that_repeats_is_held_once_and_ids_stay_plain() -> None:
    lines = [f"s{i % 7},{i}-{i}" for i in range(1000)]
    columns = read_csv("here", "\n".join(["station,id", *lines, ""]).encode(), MAX_BYTES)
    assert pa.types.is_dictionary(columns.column("station").type)
    assert pa.types.is_string(columns.column("id").type)
    assert [f"{s},{i}" for s, i in columns.cells(np.arange(columns.rows))] == lines


def test_a_large_file_reads_the_same_with_a_malformed_row_as_without() -> None:
    lines = [f"s{i % 7},{i % 1440:04d} minutes of a day" for i in range(200_000)]
    whole = read_csv("here", "\n".join(["station,minute", *lines, ""]).encode(), MAX_BYTES)
    torn = read_csv("here", "\n".join(["station,minute", *lines, "one,two,three", ""]).encode(), MAX_BYTES)
    assert list(torn.malformed_lines().lines) == [200_002]
    assert not len(whole.malformed_lines().lines)
    for name in ("station", "minute"):
        assert whole.column(name).cast(pa.string()).equals(torn.column(name).cast(pa.string()))
