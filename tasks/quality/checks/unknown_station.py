"""Stations that nobody listed: not on the list, or without one never seen in the last weeks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tasks.quality.context import Seen
from tasks.quality.results import Finding, NotRun, Verdict, count_phrase


def check(seen: Seen) -> Verdict:
    """One finding per station that `stations` or `stations_file` does not hold; without them one that is new, once."""
    here = {name: day for name, day in seen.stations.items() if day in seen.days}
    listed = _configured_stations(seen)
    if listed:
        strange = [
            (name, f"is on no list of stations; last seen on {here[name]}") for name in here if name not in listed
        ]
        return Verdict(_findings(strange), f"{count_phrase(len(here), 'station')}, all on the list")
    if seen.known is None:
        raise NotRun(
            f"first look: {count_phrase(len(seen.stations), 'station')} noted; new ones are reported from now on"
        )
    days = seen.config.new_station_days
    strange = []
    for name, day in here.items():
        last = seen.known.get(name)
        if last is None:
            strange.append((name, f"was never seen before {day}"))
        elif np.datetime64(day, "D") - np.datetime64(last, "D") > np.timedelta64(days, "D"):
            strange.append((name, f"is back on {day} after more than {days} days; it was last seen on {last}"))
    return Verdict(_findings(strange), f"{count_phrase(len(here), 'station')}, none of them new")


def _findings(strange: list[tuple[str, str]]) -> list[Finding]:
    return [Finding("station", name, 1.0, 0.0, f"station {name!r} {what}") for name, what in strange]


def _configured_stations(seen: Seen) -> frozenset[str]:
    """Stations of the configuration: its list, and the first column of its file."""
    listed = set(seen.config.stations)
    if seen.config.stations_file:
        lines = Path(seen.config.stations_file).read_text(encoding="utf-8-sig").splitlines()
        names = (line.split(",")[0].strip().strip('"') for line in lines)
        listed.update(name for name in names if name and not name.startswith("#") and name != "station_id")
    return frozenset(listed)
