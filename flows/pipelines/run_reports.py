"""What a run of ingest or of forecast came to: one report each, of all its sources or targets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tasks.errors import SourceError

if TYPE_CHECKING:
    from tasks.forecast.steps import Issue
    from tasks.ingest.steps import SourceReport
    from tasks.quality.steps import QualityResult


@dataclass(frozen=True)
class IngestReport:
    """One report per source that was read, one sentence per source that was not, and the data-quality results."""

    sources: tuple[SourceReport, ...]
    failures: tuple[str, ...]
    quality: tuple[QualityResult, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence per source of which nothing landed or most was rejected: what to change."""
        return tuple(f"{source.source}: {source.problem}" for source in self.sources if source.problem)


class NothingRead(SourceError):
    """No source could be read; `report` holds the failures and the quality results."""

    def __init__(self, report: IngestReport) -> None:
        super().__init__("; ".join(report.failures))
        self.report = report


@dataclass(frozen=True)
class ForecastReport:
    """What was published and where: place per target, and the error per target that failed.

    The table `forecasts` counts as a target where it fails. `withheld` says why it was published nowhere, where that is
    meant; `failed_shadows` why shadow models failed.
    """

    issue: Issue
    published: dict[str, str]
    failed_targets: dict[str, str] = field(default_factory=dict)
    withheld: str | None = None
    failed_shadows: dict[str, str] = field(default_factory=dict)

    @property
    def failures(self) -> tuple[str, ...]:
        """One sentence per target that failed."""
        return tuple(f"{target}: {error}" for target, error in self.failed_targets.items())
