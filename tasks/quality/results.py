"""Findings of a quality check, and the named results made of them, the worst first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["network", "source", "station"]
Status = Literal["ok", "warning", "not_run"]


@dataclass(frozen=True)
class Finding:
    """One thing that a check does not like.

    Attributes:
        kind: what the subject is.
        subject: name of the source, station or network.
        observed: value that was seen, None where nothing was.
        limit: value beyond which it is reported.
        sentence: for people: what, where, since when.
        weight: the heavier, the worse, among the findings of one check.
    """

    kind: Kind
    subject: str
    observed: float | None
    limit: float
    sentence: str
    weight: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """What a check says.

    Attributes:
        findings: all of them, in any order.
        looked_at: for people: what was looked at and is well where there is no finding.
    """

    findings: Sequence[Finding]
    looked_at: str


def count_phrase(number: int, what: str) -> str:
    """A number of things for people: 1 source, 2 sources."""
    return f"{number:,} {what}{'s' * (number != 1)}"


class NotRun(Exception):
    """There is nothing to make a check on, or with; the message says why."""


@dataclass(frozen=True)
class QualityResult:
    """A named result of a check.

    Attributes:
        check: its name.
        status: ok, warning, or not_run where the check could not be made.
        kind, subject: what it is about; the network where it is about nothing less.
        observed, limit: the value seen, and that beyond which it is reported; None where there is none.
        sentence: for people; of one that was not run the reason.
        total: warnings of this check in this run, of which only the worst are results.
        since: moment of the first run in a row that reported it, ISO 8601 UTC; None where it is no warning.
        new: whether this run is that one.
        broken: whether the check itself failed.
    """

    check: str
    status: Status
    kind: Kind
    subject: str
    sentence: str
    observed: float | None = None
    limit: float | None = None
    total: int = 0
    since: str | None = None
    new: bool = False
    broken: bool = False


def results_of(check: str, network: str, verdict: Verdict, worst: int) -> list[QualityResult]:
    """The worst findings of a check as warnings; one result that all is well where there are none."""
    if not verdict.findings:
        return [QualityResult(check, "ok", "network", network, verdict.looked_at)]
    ordered = sorted(verdict.findings, key=lambda f: (-f.weight, f.kind, f.subject))
    return [
        QualityResult(check, "warning", f.kind, f.subject, f.sentence, f.observed, f.limit, len(ordered))
        for f in ordered[:worst]
    ]
