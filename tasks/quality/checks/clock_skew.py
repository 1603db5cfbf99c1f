"""Sources whose clock is not ours: rows from the future, or rows that just came in and are long over."""

from __future__ import annotations

import numpy as np

from tasks.quality.context import Seen, SourceFacts
from tasks.quality.results import Finding, NotRun, Verdict, count_phrase

HISTORY = np.timedelta64(1, "D")
"""Rows that are older come late, and are no matter of clocks."""


def check(seen: Seen) -> Verdict:
    """One finding per source with over `future_share` of its rows ahead of our clock, or the newest far behind it."""
    read = [facts for facts in seen.sources if facts.rows + facts.rejected]
    if not read:
        raise NotRun("no rows came in")
    findings = [finding for facts in read for finding in (_ahead(seen, facts), _behind(seen, facts)) if finding]
    return Verdict(findings, f"nothing speaks against the clock of {count_phrase(len(read), 'source')}")


def _ahead(seen: Seen, facts: SourceFacts) -> Finding | None:
    count, limit = facts.reasons.get("in_future", 0), seen.config.future_share
    share = count / (facts.rows + facts.rejected)
    if share <= limit:
        return None
    sentence = f"source {facts.source!r}: {count:,} rows ({share:.1%}) were ahead of our clock: check its time zone"
    return Finding("source", facts.source, round(share, 4), limit, sentence, share)


def _behind(seen: Seen, facts: SourceFacts) -> Finding | None:
    """Rows that came in live, the newest of them older than a source of this kind ever lets pass."""
    if seen.backfill or facts.last_minute is None:
        return None
    config = next(s for s in seen.settings.sources if s.name == facts.source)
    limit = max(seen.config.skew_minutes, config.quiet_after_minutes)
    over = np.datetime64(facts.last_minute.removesuffix("Z"), "m") + np.timedelta64(seen.interval, "m")
    behind = seen.as_of.astype("datetime64[m]") - over
    minutes = int(behind.astype(np.int64))
    if minutes <= limit or behind >= HISTORY:
        return None
    sentence = (
        f"source {facts.source!r}: the newest row that just came in is {minutes:,} minutes old: "
        "its clock or time zone is wrong, or it delivers late"
    )
    return Finding("source", facts.source, float(minutes), float(limit), sentence, minutes / limit)
