"""Counts of an interval that lie outside the range that was configured for their target."""

from __future__ import annotations

import numpy as np

from tasks.quality.context import Seen
from tasks.quality.results import Finding, NotRun, Verdict


def check(seen: Seen) -> Verdict:
    """One finding per station and target that is ever out of `ranges`."""
    ranges = seen.config.ranges
    if not ranges:
        raise NotRun("no range is configured: write [quality] ranges = { entries = [0, 2000] }")
    findings = []
    for grid in seen.grids:
        for c, target in enumerate(grid.targets):
            low, high = ranges.get(target, (-np.inf, np.inf))
            beyond = np.fmax(np.fmax(grid.values[c] - high, low - grid.values[c]), 0)
            for s in np.flatnonzero((beyond > 0).any(axis=1)):
                step, times = int(beyond[s].argmax()), int((beyond[s] > 0).sum())
                value = float(grid.values[c, s, step])
                limit = float(high if value > high else low)
                sentence = (
                    f"station {grid.stations[s]!r}: {value:,.0f} {target} at {grid.minutes[step]}Z, outside "
                    f"{low:,.0f} to {high:,.0f}" + (f" (and {times - 1:,} more times)" if times > 1 else "")
                )
                findings.append(Finding("station", grid.stations[s], value, limit, sentence, float(beyond[s, step])))
    return Verdict(findings, f"every count of {', '.join(ranges)} lies within its range")
