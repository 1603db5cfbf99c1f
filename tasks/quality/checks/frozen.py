"""Counters that stand still: the same count for too long, or nobody for hours in which many are usual."""

from __future__ import annotations

import numpy as np

from tasks.arrays import Float, Int
from tasks.grid import Grid
from tasks.quality.context import Seen
from tasks.quality.hourly import HOURS, DayComparison
from tasks.quality.results import Finding, Verdict

FEWEST_STEPS = 24
"""Equal counts in a row that chance does not bring, however coarse the interval; a quiet station often counts 1."""


def check(seen: Seen) -> Verdict:
    """One finding per station and target whose count other than zero stands, or whose zero cannot be."""
    steps = max(-(-seen.config.frozen_minutes // seen.interval), FEWEST_STEPS)
    findings = [finding for grid in seen.grids for finding in _standing(grid, steps)]
    targets = seen.settings.network.targets
    for each in seen.hourly_days:
        for c, target in enumerate(targets):
            findings += _nobody(each, c, target, seen.config.frozen_people)
    return Verdict(findings, f"no counter stood still for {steps * seen.interval} minutes")


def _standing(grid: Grid, steps: int) -> list[Finding]:
    """Stations that stated the same count other than zero for so many steps in a row, or longer."""
    findings = []
    for c, target in enumerate(grid.targets):
        length = _equal_before(grid.values[c])
        for s in np.flatnonzero((length >= steps - 1).any(axis=1)):
            last = int(length[s].argmax())
            minutes, first = (int(length[s, last]) + 1) * grid.interval, last - int(length[s, last])
            value = float(grid.values[c, s, last])
            sentence = (
                f"station {grid.stations[s]!r}: {value:,.0f} {target} in every interval for {minutes:,} minutes, "
                f"from {grid.minutes[first]}Z"
            )
            limit = float(steps * grid.interval)
            findings.append(Finding("station", grid.stations[s], float(minutes), limit, sentence, minutes / limit))
    return findings


def _equal_before(values: Float) -> Int:
    """How many steps before each one [station, step] was the same, zero and what was not observed apart."""
    same = np.zeros(values.shape, dtype=bool)
    same[:, 1:] = (values[:, 1:] == values[:, :-1]) & (values[:, 1:] > 0)
    step = np.arange(values.shape[1])
    return np.asarray(step - np.maximum.accumulate(np.where(same, 0, step), axis=1))


def _nobody(each: DayComparison, c: int, target: str, people: float) -> list[Finding]:
    """Stations that counted nobody for whole hours in a row in which each of the earlier days counted so many."""
    if len(each.before) < 2:
        return []
    usual = np.min([day.people[c] for day in each.before], axis=0)
    silent = (each.today.sums[c] == 0) & (each.today.seen[c] >= each.today.steps) & (each.today.steps > 0)
    silent &= np.isfinite(usual)
    findings = []
    for s in np.flatnonzero((silent * np.nan_to_num(usual)).sum(axis=1) >= people):
        runs = np.split(np.arange(HOURS), np.flatnonzero(np.diff(silent[s])) + 1)
        run = max((r for r in runs if silent[s, r[0]]), key=lambda r: float(usual[s, r].sum()))
        missed = float(usual[s, run].sum())
        if missed >= people:
            sentence = (
                f"station {each.stations[s]!r}: not one of {target} on {each.today.day} from {run[0]:02d}:00 to "
                f"{run[-1] + 1:02d}:00 local time, where {missed:,.0f} or more are usual"
            )
            findings.append(Finding("station", each.stations[s], missed, people, sentence, missed / people))
    return findings
