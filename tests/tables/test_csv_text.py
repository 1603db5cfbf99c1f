"""CSV that any reader takes back as it was."""

from __future__ import annotations

import csv
import io

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.tables.csv_text import csv_bytes
from tasks.tables.schemas import NAME, time_array

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def rows(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXT, st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False)), min_size=1))
def test_names_and_numbers_come_back_as_they_were(given_rows: list[tuple[str, float | None]]) -> None:
    names, numbers = zip(*given_rows, strict=True)
    table = pa.table({"a, name": pa.array(names, pa.string()).cast(NAME), "n": pa.array(numbers, pa.float32())})
    head, *body = rows(csv_bytes(table))
    assert head == ["a, name", "n"]
    back = [(name, None if number == "" else np.float32(number)) for name, number in body]
    assert back == [(name, None if n is None else np.float32(n)) for name, n in given_rows]


def test_times_are_iso_8601_and_null_is_empty() -> None:
    moments = time_array(np.array(["2024-03-05T09:00:20.123456", "NaT"], dtype="datetime64[us]"))
    table = pa.table({"at": moments, "name": pa.array([None, 'say "hi"'], pa.string()).cast(NAME)})
    assert csv_bytes(table) == b'at,name\n2024-03-05T09:00:20Z,\n,"say ""hi"""\n'


def test_a_table_without_rows_is_its_header() -> None:
    assert csv_bytes(pa.schema([("a", NAME), ("b", pa.float32())]).empty_table()) == b"a,b\n"
