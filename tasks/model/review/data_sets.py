"""Data that a training reads: the counts of each part of its split, as MLflow lists them."""

from __future__ import annotations

import numpy as np

from tasks.contracts import Split
from tasks.grid import Grid
from tasks.settings.tree import Settings
from tasks.tracking.provenance import redact, span_fingerprint
from tasks.tracking.run import HELD_OUT, TRAINING, VALIDATION, DataSet

NAME = "minutes"


def data_sets(settings: Settings, grid: Grid, split: Split) -> dict[str, DataSet]:
    """Data set of each part that has origins, by its context; the digest is that of the counts in its hours."""
    parts = ((TRAINING, split.train), (VALIDATION, split.validation), (HELD_OUT, split.holdout))
    observed = round(grid.observed_share, 4)
    return {
        context: DataSet(
            NAME,
            span_fingerprint(grid, origins),
            context,
            redact(settings.data_root),
            {
                "from": f"{origins[0]}Z",
                "to": f"{origins[-1] + np.timedelta64(1, 'h')}Z",
                "origins": len(origins),
                "interval": grid.interval,
                "stations": len(grid.stations),
                "observed": observed,
            },
        )
        for context, origins in parts
        if len(origins)
    }
