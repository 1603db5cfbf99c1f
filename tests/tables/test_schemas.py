"""Names and times go into columns and come back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.arrays import QUANTILE_COLUMNS
from tasks.tables import schemas

names = st.none() | st.text(max_size=3)


def as_chunks(columns: list[list[str | None]], dictionary: bool) -> pa.ChunkedArray:
    kind = schemas.NAME if dictionary else pa.string()
    arrays = [pa.array(c, pa.string()) for c in columns]
    return pa.chunked_array([a.dictionary_encode().cast(kind) if dictionary else a for a in arrays], kind)


@settings(max_examples=40)
@given(st.lists(st.lists(names, max_size=8), max_size=4), st.booleans())
def test_name_codes_point_into_the_sorted_names_in_use_and_null_is_minus_one(
    columns: list[list[str | None]], dictionary: bool
) -> None:
    flat = [name for column in columns for name in column]
    codes, known = schemas.name_codes(as_chunks(columns, dictionary))
    assert known == sorted({name for name in flat if name is not None})
    assert codes.dtype == np.int32
    assert [known[c] if c >= 0 else None for c in codes.tolist()] == flat
    assert schemas.name_array(codes, known).to_pylist() == flat


@pytest.mark.parametrize("index", [pa.int8(), pa.uint8(), pa.int64()])
def test_names_that_a_filter_left_unused_or_that_stand_twice_are_one_code_each(index: pa.DataType) -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([3, 1, 0, None, 4], index), ["b", "a", "unused", "b", None])
    codes, known = schemas.name_codes(column)
    assert (codes.tolist(), known) == ([1, 0, 1, -1, -1], ["a", "b"])


def test_times_of_any_unit_come_back_in_microseconds_and_no_time_is_null() -> None:
    for unit in ("m", "s", "us", "ns"):
        moments = np.array(["2013-10-09T06:15", "NaT", "1969-12-31T23:59"], dtype=f"datetime64[{unit}]")
        column = schemas.time_array(moments)
        assert (column.type, column.null_count) == (schemas.TIME, 1)
        np.testing.assert_array_equal(schemas.numpy_times(column), moments.astype("datetime64[us]"))
        np.testing.assert_array_equal(schemas.numpy_times(pa.chunked_array([column, column]))[3:], moments)
    assert len(schemas.numpy_times(pa.chunked_array([], schemas.TIME))) == 0
    assert schemas.to_time(np.datetime64("2013-10-09T06:15", "m")).cast(pa.int64()).as_py() == 1_381_299_300_000_000


def test_tables_have_the_columns_that_others_rely_on() -> None:
    key = ["station_id", "minute_utc"]
    assert schemas.minutes(["a", "b"]).names == [*key, "a", "b"]
    assert schemas.observations(["a"]).names == [*key, "part", "source", "available_at", "received_at", "a"]
    assert schemas.FORECASTS.names == [
        *("issued_at", "origin_utc", "minute_utc", "horizon_minutes", "station_id", "target", "mean"),
        *QUANTILE_COLUMNS,
        *("model_version", "degraded_reason"),
        *("usual", "level_factor", "channels_factor", "model_factor", "override_factor"),
    ]
    assert schemas.day_folder("minutes", np.datetime64("2013-10-09")) == "minutes/service_date=2013-10-09"
    assert schemas.minutes_file("2013-10-09") == "minutes/service_date=2013-10-09/part.parquet"
