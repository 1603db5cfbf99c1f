"""Minutes that stations owe: the share not observed, by station and hour, beyond what is usual for them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tasks.clock import day_bounds, to_utc
from tasks.quality.context import Seen
from tasks.quality.hourly import DayComparison, Double, Hours
from tasks.quality.results import Finding, Verdict, count_phrase

Flags = npt.NDArray[np.bool_]
FEW = 3
"""Where more than half of so many stations or more are missing at once, that is one finding of the network."""


def check(seen: Seen) -> Verdict:
    """One finding per station with hours that miss more than `missing_share` over what they usually miss."""
    findings: list[Finding] = []
    hours, last = 0, seen.hourly_days[-1].today.day
    for each in seen.hourly_days:
        checked = _over(each, seen, bool(each.today.day < last))
        hours += int(checked.sum())
        lacking = (_excess(each) > seen.config.missing_share) & checked
        everywhere = lacking.mean(axis=0) > 0.5 if len(each.stations) >= FEW else np.zeros(lacking.shape[1], bool)
        share = _missing(each, each.today).max(axis=0)
        if everywhere.any():
            findings.append(_finding(seen, each, None, everywhere, share.mean(axis=0)))
        lacking &= ~everywhere
        findings += [_finding(seen, each, int(s), lacking[s], share[s]) for s in np.flatnonzero(lacking.any(axis=1))]
    return Verdict(findings, f"no station lacks more than usual in {count_phrase(hours, 'hour')}")


def _excess(each: DayComparison) -> Double:
    """Share missing over what is usual [station, hour], the worst of the targets.

    Usual is the mean of earlier days, or the newest of them where that is more, as a station may have gone; without
    any, what the stations of the same hour mostly miss.
    """
    missing = _missing(each, each.today)
    if each.before:
        usual = np.maximum(
            np.mean([_missing(each, day) for day in each.before], axis=0), _missing(each, each.before[0])
        )
    else:
        usual = np.median(missing, axis=1, keepdims=True)
    return np.asarray((missing - usual).max(axis=0))


def _missing(each: DayComparison, day: Hours) -> Double:
    """Share missing on a day [target, station, hour]; 0 for a target that the station never counts."""
    counts = np.any([other.seen.any(axis=-1) for other in (each.today, *each.before)], axis=0)
    return np.where(counts[..., None], day.missing, 0.0)


def _over(each: DayComparison, seen: Seen, followed: bool) -> Flags:
    """Hours [hour] after which some station was observed, and so long over that nothing late is to be expected."""
    zone = seen.settings.network.timezone
    midnight = each.today.day.astype("datetime64[m]")
    ends = to_utc(midnight + np.arange(1, 25) * np.timedelta64(60, "m"), zone)
    ends = np.where(np.isnat(ends), day_bounds(each.today.day, zone)[1], ends)
    observed = each.today.seen.any(axis=(0, 1))
    after = np.flip(np.logical_or.accumulate(np.flip(observed))) | followed
    return np.asarray(after & (ends + np.timedelta64(seen.config.late_minutes, "m") <= seen.as_of))


def _finding(seen: Seen, each: DayComparison, station: int | None, hours: Flags, share: Double) -> Finding:
    """What is missing in some hours [hour] by one station, or by most of them at once."""
    where = np.flatnonzero(hours)
    runs = np.split(where, np.flatnonzero(np.diff(where) > 1) + 1)
    spans = ", ".join(f"{run[0]:02d}:00 to {run[-1] + 1:02d}:00" for run in runs[:3]) + (" …" if len(runs) > 3 else "")
    who = "most stations" if station is None else f"station {each.stations[station]!r}"
    return Finding(
        kind="network" if station is None else "station",
        subject=seen.settings.network.name if station is None else each.stations[station],
        observed=round(float(share[hours].max()), 3),
        limit=seen.config.missing_share,
        sentence=f"{who}: {share[hours].mean():.0%} of the minutes missing on {each.today.day} from {spans} local time",
        weight=float(share[hours].sum()) + (len(hours) if station is None else 0),
    )
