"""Forecasts that a target missed while it was away, out of the forecasts table."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from tasks.errors import StoreError
from tasks.storage.store import Store
from tasks.tables.schemas import FORECASTS

log = logging.getLogger(__name__)

MOST_ROWS = 1_000_000
_DAY = timedelta(days=1)
_NAME = re.compile(r"(\d{8}T\d{6})Z-[0-9a-f]{8}\.parquet")


def missed_rows(store: Store, after: datetime, issued_at: datetime, origin: datetime) -> Iterator[pa.Table]:
    """Of every minute before `origin` the newest forecast that was issued in between; newest issues first.

    Args:
        store: the data root.
        after: moment of the newest issue that the target has, UTC.
        issued_at: moment of the present issue.
        origin: first minute of it.

    Yields:
        Rows of `tables.FORECASTS`, issue by issue, until there are `MOST_ROWS`.
    """
    until, rows = origin, 0
    try:
        paths = _files_between(store, after, issued_at)
    except StoreError as error:
        log.error("what the target missed is not known: %s", error)
        return
    for path in paths:
        table = store.read_tables([path], FORECASTS)
        earlier = table.filter(pc.less(table["minute_utc"], pa.scalar(until, FORECASTS.field("minute_utc").type)))
        if earlier.num_rows:
            until = min(until, earlier["origin_utc"][0].as_py())
            rows += earlier.num_rows
            yield earlier
        if rows >= MOST_ROWS:
            return


def _files_between(store: Store, after: datetime, before: datetime) -> list[str]:
    """Files of the forecasts that were issued after one moment and before another one, newest first."""
    found = []
    for day in store.partitions("forecasts"):
        if datetime.fromisoformat(f"{day}T00:00:00Z") < after.replace(hour=0, minute=0, second=0, microsecond=0) - _DAY:
            continue
        for path in store.files(f"forecasts/service_date={day}", ".parquet"):
            name = _NAME.fullmatch(path.rsplit("/", 1)[1])
            if name and after < (issued := datetime.strptime(f"{name[1]}+0000", "%Y%m%dT%H%M%S%z")) < before:
                found.append((issued, path))
    return [path for _, path in sorted(found, reverse=True)]
