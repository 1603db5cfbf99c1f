"""Report of one ingest of one source, and the totals that it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tasks.ingest.advice import advise, find_problem
from tasks.ingest.context import IngestContext
from tasks.ingest.reasons import ROW_REASONS
from tasks.ingest.rejects import Reject, Rejects, Sample
from tasks.ingest.rows.filters import NONE_OF
from tasks.settings.sources.rows import BaseSource
from tasks.tables.staleness import LateReport

MinuteRange = tuple[np.datetime64, np.datetime64]
"""First and last UTC minute."""
EXAMPLES = 5


@dataclass(frozen=True)
class SourceReport:
    """Result of one ingest of one source.

    Attributes:
        source: its name.
        files: files (or pulls) that landed.
        rows: rows of the input that landed.
        minutes: rows of the minute table that were rebuilt.
        rejected: rejected rows, each once; some of them landed for another target.
        left_out: rows that the source's filters leave out.
        reasons: rejected rows per reason.
        remedies: what to change, per reason.
        problem: why this ingest counts as failed, and what to change, where nothing landed or most was rejected.
        first_minute, last_minute: range of the minutes stated, ISO 8601 UTC; None if nothing was.
        days: service days rebuilt.
        skipped: files unchanged since the last time.
        warnings: sentences for the person who reads the run.
        examples: the first few rejects as "origin:line reason text".
        failures: one line each on files that could not be used; they are tried again.
        late: which past service days changed, and what that makes stale.
    """

    source: str
    files: int = 0
    rows: int = 0
    minutes: int = 0
    rejected: int = 0
    left_out: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    first_minute: str | None = None
    last_minute: str | None = None
    days: list[str] = field(default_factory=list)
    skipped: int = 0
    warnings: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    late: LateReport = field(default_factory=LateReport)
    remedies: dict[str, str] = field(default_factory=dict)
    problem: str | None = None


@dataclass
class IngestTotals:
    """Running totals of an ingest, or of one key of it.

    Attributes:
        rows: rows of the input that landed.
        files: files that landed.
        skipped: files unchanged since the last time.
        old_rows: rows of a live ingest that are older than a day.
        days: service days to fold.
        reasons: rejected rows per reason.
        warnings, examples, failures: as in the report.
        minutes: first and last UTC minute stated, None before any.
        partly: rows that landed for one target and were rejected for another.
        samples: values of rejected rows, per reason.
        recheck_at: when the first of the rows that lie in the future counts; None where none waits.
    """

    rows: int = 0
    left_out: int = 0
    files: int = 0
    skipped: int = 0
    old_rows: int = 0
    days: set[str] = field(default_factory=set)
    reasons: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    minutes: MinuteRange | None = None
    partly: int = 0
    samples: dict[str, Sample] = field(default_factory=dict)
    recheck_at: np.datetime64 | None = None

    def add_rows(self, rows: int, minutes: MinuteRange | None, warnings: Sequence[str], left_out: int = 0) -> None:
        """Add rows that landed, the minutes that they state, warnings about them, and rows that filters leave out."""
        self.rows += rows
        self.left_out += left_out
        self.warnings += warnings
        self.minutes = join_ranges(self.minutes, minutes)

    def add_key(self, key: IngestTotals, rejects: Rejects, days: Iterable[str], old_rows: int) -> None:
        """Add the totals of a key that landed."""
        self.files += 1
        self.old_rows += old_rows
        self.partly += key.partly
        looks = [moment for moment in (self.recheck_at, key.recheck_at) if moment is not None]
        self.recheck_at = min(looks, default=None)
        self.days.update(days)
        self.add_rows(key.rows, key.minutes, key.warnings, key.left_out)
        self._add_rejects(rejects)

    def add_failure(self, line: str, rejects: Rejects) -> None:
        """Add a file that could not be used."""
        self.failures.append(line)
        self._add_rejects(rejects)

    def _add_rejects(self, rejects: Rejects) -> None:
        self.samples = {**rejects.samples, **self.samples}
        for reason, count in rejects.counts().items():
            self.reasons[reason] = self.reasons.get(reason, 0) + count
        if rejects.beyond:
            kept, total = len(rejects), len(rejects) + sum(rejects.beyond.values())
            self.warnings.append(
                f"{rejects.origin}: kept the first {kept:,} of {total:,} rejected rows; all are counted"
            )
        self.examples += [_line_of(reject) for reject in rejects[: EXAMPLES - len(self.examples)]]

    def to_report(self, context: IngestContext, minutes: int) -> SourceReport:
        """Report of these totals; `minutes` rows of the minute table were rebuilt."""
        source, remedies = context.source.name, {code: advise(code, self.samples.get(code)) for code in self.reasons}
        first, last = self.minutes or (None, None)
        warnings = list(dict.fromkeys(self.warnings))
        if self.old_rows:
            warnings.append(
                f"{self.old_rows:,} rows are older than a day, and count as known only from now: "
                f"for history use nexthour backfill --source {source}"
            )
        return SourceReport(
            source=source,
            files=self.files,
            rows=self.rows,
            minutes=minutes,
            rejected=sum(self.reasons.values()),
            left_out=self.left_out,
            reasons=dict(sorted(self.reasons.items())),
            first_minute=_minute_text(first),
            last_minute=_minute_text(last),
            days=sorted(self.days),
            skipped=self.skipped,
            warnings=warnings,
            examples=self.examples,
            failures=self.failures,
            remedies=dict(sorted(remedies.items())),
            problem=self._problem(context, remedies),
        )

    def _problem(self, context: IngestContext, remedies: Mapping[str, str]) -> str | None:
        reasons = {code: count for code, count in self.reasons.items() if code in ROW_REASONS}
        soon = context.as_of + np.timedelta64(context.network.interval_minutes, "m")
        waits = self.recheck_at is not None and bool(self.recheck_at <= soon)
        rows = self.rows + sum(reasons.values()) - self.partly
        problem = find_problem(
            self.rows, rows, reasons, remedies, waits=waits, allowed=_configured_rejections(context.source)
        )
        if problem is None and self.left_out and not self.rows:
            hint = next((each for each in self.warnings if NONE_OF in each), "correct where, or leave it out")
            problem = f"nothing of {self.left_out + rows:,} rows landed, as filters leave {self.left_out:,} out: {hint}"
        return problem


def _configured_rejections(config: BaseSource) -> frozenset[str]:
    """Reasons for which the configuration itself asks to reject rows."""
    chosen = config.model_fields_set
    several = {"superseded_in_file", "duplicate_row"} if "rows" in chosen else set()
    return frozenset(several | ({"duplicate_row"} if "duplicates" in chosen else set()))


def join_ranges(one: MinuteRange | None, other: MinuteRange | None) -> MinuteRange | None:
    """The smallest range that holds both; None is an empty one."""
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), max(one[1], other[1])


def _minute_text(minute: np.datetime64 | None) -> str | None:
    return None if minute is None else f"{minute.astype('datetime64[m]')}Z"


def _line_of(reject: Reject) -> str:
    return f"{reject.origin}:{reject.line} {reject.reason} {reject.text}"
