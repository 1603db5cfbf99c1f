"""Data that a training reads: the counts of each part of its split, as MLflow lists them."""

from __future__ import annotations

import numpy as np

from tasks.arrays import Minutes
from tasks.contracts import Split
from tasks.grid import Grid
from tasks.settings.tree import Settings
from tasks.tracking.provenance import redact, span_fingerprint
from tasks.tracking.run import HELD_OUT, TRAINING, VALIDATION, DataSet

NAME = "minutes"


def data_sets(settings: Settings, grid: Grid, split: Split) -> dict[str, DataSet]:
    """Data set of each part that has origins, by its context; the digest is that of the counts in its hours."""
    parts = {TRAINING: split.train, VALIDATION: split.validation, HELD_OUT: split.holdout}
    found = {context: data_set(settings, grid, context, origins) for context, origins in parts.items()}
    return {context: data for context, data in found.items() if data is not None}


def data_set(settings: Settings, grid: Grid, context: str, origins: Minutes) -> DataSet | None:
    """Data set of one part; None where it has no origins."""
    if not len(origins):
        return None
    about = {
        "from": f"{origins[0]}Z",
        "to": f"{origins[-1] + np.timedelta64(1, 'h')}Z",
        "origins": len(origins),
        "interval": grid.interval,
        "stations": len(grid.stations),
        "observed": round(grid.observed_share, 4),
    }
    return DataSet(NAME, span_fingerprint(grid, origins), context, redact(settings.data_root), about)
