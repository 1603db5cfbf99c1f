"""Counts that no crowd brings: many times what the station usually counts and the network's busiest hour together.

An event at a quiet station brings what a busy one sees every day; a counter that is broken or was reset brings more.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tasks.quality.context import Seen
from tasks.quality.hourly import DayComparison, Double
from tasks.quality.results import Finding, NotRun, Verdict

RUSH = 6
"""How much denser than spread over its hour a crowd may come."""


def check(seen: Seen) -> Verdict:
    """One finding per station and target with an hour, or an interval, beyond `jump_factor` times all that is usual."""
    days = [each for each in seen.hourly_days if len(each.before) > 1]
    if not days:
        raise NotRun("there are no two earlier days of the same kind to compare with")
    findings = [finding for each in days for finding in _jumps(seen, each)]
    return Verdict(findings, "no station counts many times what is usual at that hour")


def _jumps(seen: Seen, each: DayComparison) -> Iterator[Finding]:
    """The worst hour of each station and target that has one beyond the limit."""
    usual = np.nan_to_num(np.fmax.reduce([day.people for day in each.before]))  # [target, station, hour]
    limit = seen.config.jump_factor * (usual + usual.max(axis=(1, 2), keepdims=True) + seen.config.jump_people)
    dense = limit * min(RUSH * seen.interval / 60, 1)
    times = np.maximum(each.today.sums / limit, each.today.peaks / dense)
    for c, s in np.argwhere((times > 1).any(axis=2)):
        hour = int(times[c, s].argmax())
        yield _finding(seen, each, (int(c), int(s), hour), usual, limit, dense)


def _finding(
    seen: Seen, each: DayComparison, at: tuple[int, int, int], usual: Double, limit: Double, dense: Double
) -> Finding:
    c, s, hour = at
    target, name = seen.settings.network.targets[c], each.stations[s]
    whole, peak = float(each.today.sums[at] / limit[at]), float(each.today.peaks[at] / dense[at])
    value, most = (each.today.sums[at], limit[at]) if whole >= peak else (each.today.peaks[at], dense[at])
    span = "the hour" if whole >= peak else "one interval of the hour"
    sentence = (
        f"station {name!r}: {value:,.0f} {target} in {span} from {hour:02d}:00 local time on {each.today.day}, where "
        f"{usual[at]:,.0f} were the most of {len(each.before)} earlier days in the whole hour"
    )
    return Finding("station", name, float(value), round(float(most), 1), sentence, max(whole, peak))
