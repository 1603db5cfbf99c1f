"""Add up the scores of several days; a few kB per station and model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.arrays import QUANTILES, Int
from tasks.busy_hours import PEAK_SUMS, peak_counts, peak_figures
from tasks.metrics import SUMS, Cells, Double, add_up, figures, finite
from tasks.score.report import Figures, ScoreReport
from tasks.score.scoring import PAIRED, Scored
from tasks.tables.issues import Issues
from tasks.tiers import TIERS, headroom_taken, noise_floor, station_tiers

Array = npt.NDArray[Any]

COVERAGES = ("coverage_50", "coverage_80", "coverage_90")
OVERRIDDEN = ("hours", "absolute", "absolute_without")
CHANGED = 1e-4
"""Share by which a person must change a forecast for it to count as changed."""


@dataclass
class StationSums:
    """Sums of one station's forecasts by one model.

    Attributes:
        figures: float64 [C, B, K] by `metrics.SUMS`.
        peaks: float64 [4] by `busy_hours.PEAK_SUMS`.
        paired: float64 [6] by `scoring.PAIRED`.
    """

    figures: Double
    peaks: Double
    paired: Double

    def __add__(self, other: StationSums) -> StationSums:
        return StationSums(self.figures + other.figures, self.peaks + other.peaks, self.paired + other.paired)


@dataclass
class Tally:
    """Sums while the days go by; `report` closes it.

    Attributes:
        targets: names of the axis C.
        bands: names of the axis B, the whole hour last.
        baselines: versions that are baselines, see `headroom_taken`.
    """

    targets: Sequence[str]
    bands: Sequence[str]
    baselines: Sequence[str] = ()
    origins: int = 0
    rows: int = 0
    pending: int = 0
    unobserved: int = 0
    _stations: dict[str, dict[str, StationSums]] = field(default_factory=dict)
    _network: Double = field(init=False)
    _total: Double = field(init=False)
    _below: Double = field(default_factory=lambda: np.zeros((2, len(QUANTILES) + 1)))
    _overridden: Double = field(default_factory=lambda: np.zeros(len(OVERRIDDEN)))

    def __post_init__(self) -> None:
        self._network, self._total = self._zero(), self._zero()

    def add(self, issues: Issues, scored: Scored, limits: Double) -> None:
        """Count issues whose hour is over.

        Args:
            issues: what was forecast.
            scored: their errors.
            limits: [C, S], people per hour above which an hour is busy.
        """
        parts = scored.parts
        something = scored.cells.complete[:, :, parts].any(axis=(0, 2, 3))
        self.origins += int(something.sum())
        self.unobserved += int((~something).sum())
        self.rows += scored.rows.num_rows
        for version in np.unique(issues.model_versions.astype(str)):
            self._add_model(str(version), np.flatnonzero(issues.model_versions == version), issues, scored, limits)
        self._network = self._network + scored.network.sum(axis=1)
        self._total = self._total + add_up(_at(scored.cells, slice(None), scored.whole), (1, 2))
        truth, seen = scored.truth[:, :, parts], np.isfinite(scored.truth[:, :, parts])
        for level, quantile in enumerate(issues.quantiles):
            self._below[0, level] += (seen & (truth < quantile[:, :, parts])).sum()
            self._below[1, level] += (seen & (truth <= quantile[:, :, parts])).sum()
        self._below[:, -1] += seen.sum()
        self._overridden += _overridden(issues, scored)

    def include(self, other: Tally) -> None:
        """Count what another tally of the same targets and bands has counted."""
        self.origins, self.rows = self.origins + other.origins, self.rows + other.rows
        self.pending, self.unobserved = self.pending + other.pending, self.unobserved + other.unobserved
        for version, of in other._stations.items():
            mine = self._stations.setdefault(version, {})
            for name, sums in of.items():
                mine[name] = mine[name] + sums if name in mine else sums
        self._network, self._total = self._network + other._network, self._total + other._total
        self._below, self._overridden = self._below + other._below, self._overridden + other._overridden

    def arrays(self) -> dict[str, Array]:
        """All that was counted, as arrays for a file; `restore` is the reverse."""
        rows = [(version, name, sums) for version, of in self._stations.items() for name, sums in of.items()]
        return {
            "counts": np.array([self.origins, self.rows, self.pending, self.unobserved], np.int64),
            "versions": np.array([version for version, _, _ in rows], np.str_),
            "stations": np.array([name for _, name, _ in rows], np.str_),
            "figures": np.stack([sums.figures for _, _, sums in rows]) if rows else np.zeros(0),
            "peaks": np.stack([sums.peaks for _, _, sums in rows]) if rows else np.zeros(0),
            "paired": np.stack([sums.paired for _, _, sums in rows]) if rows else np.zeros(0),
            "network": self._network,
            "total": self._total,
            "below": self._below,
            "overridden": self._overridden,
        }

    def restore(self, held: Mapping[str, Array]) -> None:
        """Take over what `arrays` of another tally of the same targets and bands gave."""
        self.origins, self.rows, self.pending, self.unobserved = held["counts"].tolist()
        names = zip(held["versions"].tolist(), held["stations"].tolist(), strict=True)
        figures, peaks, paired = held["figures"], held["peaks"], held["paired"]
        for row, (version, name) in enumerate(names):
            self._stations.setdefault(version, {})[name] = StationSums(figures[row], peaks[row], paired[row])
        self._network, self._total = held["network"], held["total"]
        self._below, self._overridden = held["below"], held["overridden"]

    def report(self, days: Sequence[str]) -> ScoreReport:
        """The figures of all that was added."""
        everything = [sums for of in self._stations.values() for sums in of.values()]
        total = np.sum([sums.figures for sums in everything], axis=0) if everything else self._zero()
        own = self._total[:, -1].sum(axis=0)
        tiers = self._tiers()
        by_model = {version: self._hour(list(of.values())) for version, of in sorted(self._stations.items())}
        for version, share in headroom_taken(by_model, self.baselines).items():
            by_model[version]["headroom_taken"] = share
        return ScoreReport(
            days=list(days),
            origins=self.origins,
            rows=self.rows,
            pending=self.pending,
            unobserved=self.unobserved,
            metrics=self._hour(everything) | self._coverage(total.sum(axis=0)),
            network=finite(figures(self._network[:, -1].sum(axis=0))),
            by_target={target: finite(figures(total[c, -1])) for c, target in enumerate(self.targets)},
            by_model=by_model,
            by_tier={tier: self._hour(self._of(names)) for tier, names in tiers.items()},
            by_group=[row for tier, names in tiers.items() for row in self._group_rows(tier, names)],
            calibration=self._calibration(),
            overrides=self._override_figures(),
            total=finite(figures(own) | self._coverage(self._total.sum(axis=0))) if own.any() else {},
        )

    def _add_model(self, version: str, mine: Int, issues: Issues, scored: Scored, limits: Double) -> None:
        """Add the issues of one model, station by station."""
        parts = scored.parts
        of_station = self._stations.setdefault(version, {})
        sums = add_up(_at(scored.cells, mine, parts), (1,))
        counted = np.repeat(limits[:, None, parts], len(mine), axis=1)
        peaks = peak_counts(issues.mean[:, mine][:, :, parts], scored.truth[:, mine][:, :, parts], counted).sum(axis=0)
        paired = scored.paired[:, mine][:, :, parts].sum(axis=(0, 1))
        for s, name in enumerate(issues.stations[i] for i in parts.tolist()):
            new = StationSums(sums[:, s], peaks[s], paired[s])
            of_station[name] = of_station[name] + new if name in of_station else new

    def _hour(self, stations: Sequence[StationSums]) -> Figures:
        """Figures of the whole hour of some stations, all targets."""
        hour = np.sum([of.figures[:, -1].sum(axis=0) for of in stations] or [np.zeros(len(SUMS))], axis=0)
        peaks = np.sum([of.peaks for of in stations] or [np.zeros(len(PEAK_SUMS))], axis=0)
        paired = np.sum([of.paired for of in stations] or [np.zeros(len(PAIRED))], axis=0)
        floor = noise_floor(hour[SUMS.index("actual")], hour[SUMS.index("spans")])
        gains = _paired_figures(dict(zip(PAIRED, paired.tolist(), strict=True)))
        return finite(figures(hour) | peak_figures(peaks) | {"noise_floor": floor} | gains)

    def _tiers(self) -> dict[str, list[str]]:
        """Names of the stations by thirds of their number, busiest first."""
        people: dict[str, float] = {}
        for of in self._stations.values():
            for name, sums in of.items():
                people[name] = people.get(name, 0.0) + float(sums.figures[:, -1, SUMS.index("actual")].sum())
        names = sorted(people)
        groups = station_tiers(np.array([people[name] for name in names]))
        return {tier: [names[i] for i in group] for tier, group in zip(TIERS, groups, strict=False)}

    def _of(self, names: Sequence[str]) -> list[StationSums]:
        return [of[name] for of in self._stations.values() for name in names if name in of]

    def _group_rows(self, tier: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """Rows of one tier per model and band."""
        rows = []
        for version, of in sorted(self._stations.items()):
            sums = np.sum([of[name].figures.sum(axis=0) for name in names if name in of] or [self._zero()[0]], axis=0)
            for band, row in zip(self.bands, sums, strict=True):
                rows.append({"tier": tier, "model": version, "band": band, **finite(figures(row, "band"))})
        return rows

    def _calibration(self) -> list[Figures]:
        below, up_to = self._below[:, :-1] / np.maximum(self._below[:, -1:], 1)
        rows = zip(QUANTILES, below.tolist(), up_to.tolist(), strict=True)
        return [{"quantile": q, "below": b, "at_or_below": a} for q, b, a in rows] if self._below[0, -1] else []

    def _override_figures(self) -> Figures:
        hours, absolute, without = self._overridden.tolist()
        return {"hours": hours, "mae_hour": absolute / hours, "mae_hour_without": without / hours} if hours else {}

    def _zero(self) -> Double:
        return np.zeros((len(self.targets), len(self.bands), len(SUMS)))

    def _coverage(self, sums: Double) -> Figures:
        """Coverage by band, named `coverage_80/1-5`; sums are [B, K]."""
        by_band = {band: figures(row, "band") for band, row in zip(self.bands, sums, strict=True)}
        return finite({f"{name}/{band}": f[name] for name in COVERAGES for band, f in by_band.items()})


def _at(cells: Cells, issues: Int | slice, stations: Int) -> Cells:
    """The cells of some issues and stations."""
    return Cells._make(values[:, issues][:, :, stations] for values in cells)


def _paired_figures(at: dict[str, float]) -> Figures:
    """What was gained over the same minutes a week before, of sums by `PAIRED`."""
    chance, naive = at["actual"], at["naive_squared"]
    skill = 1 - at["absolute"] / at["naive_absolute"] if at["naive_absolute"] else float("nan")
    headroom = (naive - at["squared"]) / (naive - chance) if naive > chance else float("nan")
    return {"skill": skill, "headroom": headroom}


def _overridden(issues: Issues, scored: Scored) -> Double:
    """Hours that a person changed, and their absolute error with the change and without, by `OVERRIDDEN`."""
    hour = scored.cells.forecast[..., -1]
    without = (issues.mean / issues.override).sum(axis=-1, dtype=np.float64)
    changed = scored.cells.complete[..., -1] & (np.abs(without - hour) > CHANGED * np.maximum(without, hour))
    changed[:, :, scored.whole] = False
    actual = scored.cells.actual[..., -1][changed]
    return np.array(
        [changed.sum(), np.abs(hour[changed] - actual).sum(), np.abs(without[changed] - actual).sum()], np.float64
    )
