"""Sources that sent nothing for longer than they may."""

from __future__ import annotations

import numpy as np

from tasks.quality.context import Seen
from tasks.quality.results import Finding, Verdict, count_phrase

_TWO_DAYS = 2880


def check(seen: Seen) -> Verdict:
    """One finding per configured source whose last minute is older than its `quiet_after_minutes`, read or not."""
    last_minutes, findings = seen.last_minutes(), []
    for source in seen.settings.sources:
        limit = source.quiet_after_minutes + source.latency_seconds / 60
        minutes = silence(last_minutes.get(source.name), seen.as_of, seen.interval)
        if minutes is None:
            never = f"source {source.name!r} has never sent anything"
            findings.append(Finding("source", source.name, None, limit, never, np.inf))
        elif minutes > limit:
            last = f"last minute {last_minutes[source.name]}Z"
            sentence = f"source {source.name!r} has sent nothing for {how_long(minutes)} ({last})"
            findings.append(Finding("source", source.name, float(minutes), limit, sentence, minutes / limit))
    return Verdict(findings, f"{count_phrase(len(seen.settings.sources), 'source')} with recent rows")


def silence(last: np.datetime64 | None, as_of: np.datetime64, interval: int) -> int | None:
    """Whole minutes since the end of the last minute that was stated; None if nothing ever was."""
    if last is None:
        return None
    over = last.astype("datetime64[m]") + np.timedelta64(interval, "m")
    return max(int((as_of.astype("datetime64[m]") - over).astype(np.int64)), 0)


def how_long(minutes: int) -> str:
    """Minutes for people, with the days where they are many."""
    return f"{minutes:,} minutes" + (f", {minutes // 1440:,} days" if minutes >= _TWO_DAYS else "")
