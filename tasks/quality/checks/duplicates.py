"""Sources that say the same row twice."""

from __future__ import annotations

from tasks.quality.context import Seen
from tasks.quality.results import Finding, NotRun, Verdict, count_phrase

REASONS = ("duplicate_row", "superseded_in_file")
FEWEST = 5
"""Duplicates in one ingest that are never reported, however few the rows."""


def check(seen: Seen) -> Verdict:
    """One finding per source of whose rows more than `duplicate_share` were stated before in the same input."""
    read = [facts for facts in seen.sources if facts.rows + facts.rejected]
    if not read:
        raise NotRun("no rows came in")
    findings = []
    for facts in read:
        rows = facts.rows + facts.rejected
        count = sum(facts.reasons.get(reason, 0) for reason in REASONS)
        share = count / rows
        if share > seen.config.duplicate_share and count > FEWEST:
            sentence = (
                f"source {facts.source!r}: {count:,} of {rows:,} rows ({share:.1%}) were stated twice in one input"
            )
            findings.append(
                Finding("source", facts.source, round(share, 4), seen.config.duplicate_share, sentence, share)
            )
    return Verdict(findings, f"{count_phrase(len(read), 'source')} read, hardly a row twice")
