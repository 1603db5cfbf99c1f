"""Parts of a sum that a rejected row has left unknown, so that the others do not pass for the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tasks.arrays import Int
from tasks.ingest.rows.check_times import within
from tasks.ingest.rows.count_rows import Counted, CountRows
from tasks.ingest.rows.merge import Merged
from tasks.ingest.rows.rejections import Rejections
from tasks.ingest.source import Pull
from tasks.ingest.statements import UNKNOWN, Statements
from tasks.tables.schemas import NOT_KNOWN

_REPORTED_OTHERWISE = (
    *("duplicate_row", "superseded_in_file", "in_future", "off_grid", "name_of_total"),
    *("bad_time", "nonexistent_local_time", "repeated_local_time"),
)
"""Reasons of rows that leave nothing unknown, or of which nobody knows what."""


def find_unknown_parts(
    rows: CountRows,
    rejections: Rejections,
    merged: Merged,
    pull: Pull,
    interval: int,
    targets: tuple[str, ...],
    share: str | None,
) -> Statements:
    """`NOT_KNOWN` for each station, interval and part of which a row was rejected and no other row tells the count.

    Args:
        rows: of the file.
        rejections: of the rows, complete.
        merged: what lands of them.
        pull: what was asked for.
        interval: minutes of an interval.
        targets: of the network.
        share: part that takes them all, so that they go with their file; None for the part of each row.
    """
    lost = (rejections.codes >= 0) & (rows.station >= 0) & (rows.minute % interval == 0)
    lost &= ~np.any([rejections.has(reason) for reason in _REPORTED_OTHERWISE], axis=0) & within(rows.minute, pull)
    lost &= (rows.minute + interval) * 60 <= pull.as_of.astype("datetime64[s]").astype(np.int64)
    at = np.flatnonzero(lost if share is not None else lost & (rows.part >= 0))
    part, nobody = np.maximum(rows.part, 0), np.full(len(rows.minute), NOT_KNOWN, dtype=np.int32)
    unread, counts = rejections.has("not_utf8"), {}
    for target, each in rows.counts.items():
        given = each.given | unread if each.wrong is None else each.given | each.wrong | unread
        lands = merged.rows.counts.get(target)
        stated = merged.kept if lands is None else merged.kept[lands.given[merged.kept]]
        known = np.isin(_cells(rows, part)[at], _cells(merged.rows, merged.rows.part)[stated])
        given[at[known]] = False
        counts[target] = Counted(nobody, given)
    at = at[np.any([each.given[at] for each in counts.values()], axis=0)]
    unknown = replace(rows, part=part, available=np.full(len(rows.minute), UNKNOWN), counts=counts)
    found = unknown.statements(at, targets)
    if share is not None:
        found = replace(found, part=np.zeros_like(found.part), parts=[share])
    return found


def _cells(rows: CountRows, part: npt.NDArray[np.int32]) -> Int:
    """One number per station, minute and part."""
    return (rows.station.astype(np.int64) * len(rows.parts) + part) << 36 | rows.minute
