"""Add up the scores of several days, and report their figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tasks.metrics import SUMS, Double, figures, finite
from tasks.score.live_error import TierControl
from tasks.score.scoring import Issues, Scored


@dataclass(frozen=True)
class ScoreReport:
    """How the forecasts of some days did. Figures that nothing supports are absent.

    Attributes:
        days: service days scored, each file replaced whole.
        origins: issues of which something was scored.
        rows: of the scores table.
        pending: issues whose hour is not over.
        unobserved: issues whose hour is over and whose truth is not there.
        metrics: all targets, and all stations but for their total; see `metrics.figures`, with `skill` (1 less the
            absolute error of the hour over that of the same wall-clock minutes a week before, where both are known) and
            coverage by band.
        network: figures of the sum over stations.
        by_target, by_model: figures of the stations by target and by model version.
        late: those of `days` that late data had marked.
        control: where the hourly error of each tier of stations stands; empty where it was not looked at.
        total: figures of the total's own forecasts, as `metrics` has them; empty where the network asks for none.
    """

    days: list[str]
    origins: int
    rows: int
    pending: int
    unobserved: int
    metrics: dict[str, float]
    network: dict[str, float]
    by_target: dict[str, dict[str, float]]
    by_model: dict[str, dict[str, float]]
    late: list[str] = field(default_factory=list)
    total: dict[str, float] = field(default_factory=dict)
    control: tuple[TierControl, ...] = ()


@dataclass
class Tally:
    """Sums while the days go by; `report` closes it.

    Attributes:
        targets: names of the axis C.
        bands: names of the axis B, the whole hour last.
    """

    targets: Sequence[str]
    bands: Sequence[str]
    origins: int = 0
    rows: int = 0
    pending: int = 0
    unobserved: int = 0
    _by_model: dict[str, Double] = field(default_factory=dict)
    _network: Double = field(init=False)
    _total: Double = field(init=False)
    _skill: Double = field(init=False)

    def __post_init__(self) -> None:
        self._network, self._total = self._zero(), self._zero()
        self._skill = np.zeros((len(self.targets), 2))

    def add(self, issues: Issues, scored: Scored) -> None:
        """Count issues whose hour is over."""
        something = scored.stations[:, :, :, SUMS.index("spans")].any(axis=(0, 2))
        self.origins += int(something.sum())
        self.unobserved += int((~something).sum())
        self.rows += scored.rows.num_rows
        for version in np.unique(issues.model_versions.astype(str)):
            mine = issues.model_versions == version
            before = self._by_model.get(str(version), self._zero())
            self._by_model[str(version)] = before + scored.stations[:, mine].sum(axis=1)
        self._network = self._network + scored.network.sum(axis=1)
        self._total = self._total + scored.total.sum(axis=1)
        self._skill = self._skill + scored.skill.sum(axis=1)

    def report(self, days: Sequence[str]) -> ScoreReport:
        """The figures of all that was added."""
        total = sum(self._by_model.values(), start=self._zero())
        own = self._total[:, -1].sum(axis=0)
        absolute, naive = self._skill.sum(axis=0)
        skill = {"skill": 1 - absolute / naive if naive else float("nan")}
        return ScoreReport(
            list(days),
            self.origins,
            self.rows,
            self.pending,
            self.unobserved,
            finite(figures(total[:, -1].sum(axis=0)) | skill | self._coverage(total.sum(axis=0))),
            finite(figures(self._network[:, -1].sum(axis=0))),
            {target: finite(figures(total[c, -1])) for c, target in enumerate(self.targets)},
            {version: finite(figures(sums[:, -1].sum(axis=0))) for version, sums in sorted(self._by_model.items())},
            total=finite(figures(own) | self._coverage(self._total.sum(axis=0))) if own.any() else {},
        )

    def _zero(self) -> Double:
        return np.zeros((len(self.targets), len(self.bands), len(SUMS)))

    def _coverage(self, sums: Double) -> dict[str, float]:
        """Coverage by band, named `coverage_80/1-5`; sums are [B, K]."""
        by_band = {band: figures(row, "band") for band, row in zip(self.bands, sums, strict=True)}
        return {f"{name}/{band}": f[name] for name in ("coverage_80", "coverage_90") for band, f in by_band.items()}
