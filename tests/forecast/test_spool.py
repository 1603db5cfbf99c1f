"""Forecasts whose table cannot be written wait, and are lost only where nothing can be written at all."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from tasks.errors import StoreError
from tasks.forecast.spool import add_to_table
from tasks.storage.store import Store

FIRST, SECOND = (f"forecasts/service_date=2024-03-05/{name}.parquet" for name in ("first", "second"))
ROWS = pa.table({"mean": [1.0, 2.0]})


def test_rows_wait_in_the_spool_until_the_table_can_be_written_again(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    (tmp_path / "forecasts").write_text("a file where a folder should be")
    for _ in range(2):
        with pytest.raises(
            StoreError, match=r"the table is not written: .*; its rows wait in .*spool/forecasts/.*first"
        ):
            add_to_table(store, FIRST, ROWS)
    assert store.files("spool") == [f"spool/{FIRST}"]
    (tmp_path / "forecasts").unlink()
    add_to_table(store, SECOND, ROWS)
    assert store.files("forecasts") == [FIRST, SECOND]
    assert store.files("spool") == []
    assert store.read_tables([FIRST], ROWS.schema).equals(ROWS)


def test_where_nothing_can_be_written_the_error_says_that_the_forecast_is_lost(tmp_path: Path) -> None:
    for name in ("forecasts", "spool"):
        (tmp_path / name).write_text("a file where a folder should be")
    with pytest.raises(StoreError, match=r"nor can its rows be kept elsewhere .* will not be scored"):
        add_to_table(Store(str(tmp_path)), FIRST, ROWS)
