"""What an ingest did, for people and for other programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tasks.ingest.rejects import Reject, Rejects
from tasks.tables.staleness import LateReport

Span = tuple[np.datetime64, np.datetime64]
EXAMPLES = 5


@dataclass(frozen=True)
class SourceReport:
    """What one ingest of one source did.

    Attributes:
        source: its name.
        files: files (or pulls) that landed.
        rows: rows of the input that landed.
        minutes: rows of the minute table that were rebuilt.
        rejected: rows refused.
        reasons: how many of each reason.
        first_minute, last_minute: span of what was stated, ISO 8601 UTC; None if nothing was.
        days: service days rebuilt.
        skipped: files unchanged since the last time.
        warnings: sentences for the person who reads the run.
        examples: the first few rejects as "origin:line reason text".
        failures: one line each on files that could not be used; they are tried again.
        late: what service days of the past touched that changed.
    """

    source: str
    files: int = 0
    rows: int = 0
    minutes: int = 0
    rejected: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    first_minute: str | None = None
    last_minute: str | None = None
    days: list[str] = field(default_factory=list)
    skipped: int = 0
    warnings: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    late: LateReport = field(default_factory=LateReport)


@dataclass
class Tally:
    """What a report is added up from.

    Attributes:
        span: first and last UTC minute stated, None before any.
    """

    rows: int = 0
    files: int = 0
    skipped: int = 0
    old: int = 0
    days: set[str] = field(default_factory=set)
    reasons: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    span: Span | None = None

    def landed(self, rows: int, span: Span | None, warnings: Sequence[str]) -> None:
        """Add what a batch brought."""
        self.rows += rows
        self.warnings += warnings
        if span is not None:
            mine = self.span or span
            self.span = min(mine[0], span[0]), max(mine[1], span[1])

    def add(self, key: Tally, rejects: Rejects, days: Iterable[str], old: int) -> None:
        """Add what a whole key brought."""
        self.files += 1
        self.old += old
        self.days.update(days)
        self.landed(key.rows, key.span, key.warnings)
        self._refused(rejects)

    def failed(self, line: str, rejects: Rejects) -> None:
        """Add a file that could not be used."""
        self.failures.append(line)
        self._refused(rejects)

    def _refused(self, rejects: Rejects) -> None:
        for reason, count in rejects.counts().items():
            self.reasons[reason] = self.reasons.get(reason, 0) + count
        if rejects.beyond:
            kept, total = len(rejects), len(rejects) + sum(rejects.beyond.values())
            self.warnings.append(
                f"{rejects.origin}: kept the first {kept:,} of {total:,} rows refused; all are counted"
            )
        self.examples += [_shown(r) for r in rejects[: EXAMPLES - len(self.examples)]]

    def report(self, source: str, minutes: int) -> SourceReport:
        """The report."""
        first, last = self.span or (None, None)
        warnings = list(dict.fromkeys(self.warnings))
        if self.old:
            warnings.append(
                f"{self.old:,} rows are older than a day, and count as known only from now: "
                f"for history use nexthour backfill --source {source}"
            )
        return SourceReport(
            source=source,
            files=self.files,
            rows=self.rows,
            minutes=minutes,
            rejected=sum(self.reasons.values()),
            reasons=dict(sorted(self.reasons.items())),
            first_minute=minute_text(first),
            last_minute=minute_text(last),
            days=sorted(self.days),
            skipped=self.skipped,
            warnings=warnings,
            examples=self.examples,
            failures=self.failures,
        )


def minute_text(minute: np.datetime64 | None) -> str | None:
    """ISO 8601 UTC of a minute."""
    return None if minute is None else f"{minute.astype('datetime64[m]')}Z"


def _shown(reject: Reject) -> str:
    return f"{reject.origin}:{reject.line} {reject.reason} {reject.text}"
