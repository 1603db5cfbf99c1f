"""Values of rejected rows, for the person who has to change the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tasks.ingest.formats.columns import Columns, as_text, cut_texts
from tasks.ingest.reasons import ROW_REASONS
from tasks.ingest.rejects import TEXT_LENGTH, FileProblem, Sample
from tasks.ingest.rows.rejections import Rejections

MOST = 1000
"""Rejected rows of one reason that are looked at, evenly spread over the file."""
_OF_TIME = ("bad_time", "nonexistent_local_time", "off_grid", "in_future")
_OF_STATION = ("unsafe_name", "name_of_total", "ambiguous_station")
_OF_COUNT = ("not_a_number", "negative", "absurd", "not_whole")


@dataclass(frozen=True)
class Roles:
    """Columns by what they are read as; several of a time are joined."""

    time: tuple[str, ...]
    station: str
    counts: tuple[str, ...]


def sample_rejects(rows: Columns, rejections: Rejections, roles: Roles) -> dict[str, Sample]:
    """Values of the column at fault, by reason; of counts the column in which most are no plain whole number."""
    samples = {}
    for reason in ROW_REASONS:
        groups = _groups(reason, roles)
        if not groups or not len(found := np.flatnonzero(rejections.has(reason))):
            continue
        spread = found[np.unique(np.linspace(0, len(found) - 1, min(len(found), MOST)).astype(np.int64))]
        candidates = [_sample(rows, names, spread) for names in groups]
        samples[reason] = max(candidates, key=lambda sample: sum(not text.isdigit() for text in sample.values))
    return {reason: sample for reason, sample in samples.items() if sample.values}


def _groups(reason: str, roles: Roles) -> Sequence[tuple[str, ...]]:
    if reason in _OF_TIME:
        return [roles.time]
    if reason in _OF_STATION:
        return [(roles.station,)]
    return [(name,) for name in roles.counts] if reason in _OF_COUNT else []


def _sample(rows: Columns, names: Sequence[str], at: np.ndarray) -> Sample:  # type: ignore[type-arg]
    texts = [_texts(rows, name, pa.array(at)) for name in names]
    joined = (" ".join(parts).strip()[:TEXT_LENGTH] for parts in zip(*texts, strict=True))
    return Sample(" ".join(names), tuple(dict.fromkeys(text for text in joined if text)))


def _texts(rows: Columns, name: str, at: pa.Array) -> list[str]:
    try:
        text = as_text(cut_texts(rows.column(name).take(at)))
    except FileProblem:
        text = None
    return [""] * len(at) if text is None else text.to_pylist()
