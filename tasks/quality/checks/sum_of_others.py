"""A station that is the sum of all others: a total among the rows, which doubles every sum over the network."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.quality.context import Seen
from tasks.quality.hourly import DayComparison
from tasks.quality.results import Finding, Verdict

LEAST_HOURS = 4
"""Hours with people that must add up; fewer can do so by chance."""


def check(seen: Seen) -> Verdict:
    """One finding per station and day whose every hour is the sum of at least two others, all there are."""
    findings = [finding for each in seen.hourly_days for finding in _totals(seen, each)]
    return Verdict(findings, "no station is the sum of the others")


def _totals(seen: Seen, each: DayComparison) -> Iterator[Finding]:
    sums = each.today.sums  # [target, station, hour]
    for c, target in enumerate(seen.settings.network.targets):
        people = sums[c].sum(axis=1)
        s, hours = int(people.argmax()), sums[c].any(axis=0)
        if each.stations[s] == seen.settings.network.total:
            continue
        rest = sums[c].sum(axis=0) - sums[c, s]
        if (people > 0).sum() > 2 and hours.sum() >= LEAST_HOURS and bool((rest == sums[c, s]).all()):
            yield _finding(each.stations[s], target, str(each.today.day), float(people[s]))


def _finding(station: str, target: str, day: str, people: float) -> Finding:
    sentence = (
        f"station {station!r}: {target} are the sum of all other stations in every hour of {day}: if it is a total, "
        f'write exclude = ["{station}"] in [stations]; else everyone counts twice'
    )
    return Finding("station", station, people, 0.0, sentence, people)
