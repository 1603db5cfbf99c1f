"""The report of a replay: figures by band, tier, width, hour of day and day, averaged over seeds with their spread."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.arrays import QUANTILES, Int, Minutes
from tasks.backtest.figures import minute_figures, scaled_errors, tier_figures, width_figures
from tasks.backtest.sums import Sums, widths
from tasks.busy_hours import peak_figures
from tasks.clock import service_dates, to_local
from tasks.errors import StoreError
from tasks.grid import Grid
from tasks.metrics import Double, figures, finite
from tasks.storage.roots import replace_file
from tasks.tiers import headroom_taken

SCHEMA_VERSION = 2
POOLED = "all"
SCOPES = ("stations", "network", "total")


@dataclass(frozen=True)
class Training:
    """One fit: who, on minutes before when, for how many origins, under what name, from what, in how many seconds."""

    model: str
    seed: int
    as_of: str
    origins: int
    model_version: str
    fine_tuned: bool
    seconds: float


@dataclass
class ReplayTally:
    """Sums of a replay, of every model and seed; a few kB an origin.

    Attributes:
        models, seeds, targets: names.
        origins: all that are replayed, datetime64[m], ascending.
        bands: names of the axis B, the whole hour last.
        timezone: the network's.
        trainings: every fit.
        seconds: spent by kind of work.
        sums: by model and seed, of the stations.
        totals: the same of their total, where the network asks for one.
        baselines: models whose best is what others are held against, see `headroom_taken`.
    """

    models: Sequence[str]
    seeds: Sequence[int]
    targets: Sequence[str]
    origins: Minutes
    bands: Sequence[str]
    timezone: str
    trainings: list[Training] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    sums: dict[tuple[str, int], Sums] = field(default_factory=dict)
    totals: dict[tuple[str, int], Sums] = field(default_factory=dict)
    baselines: Collection[str] = ()

    def report(self, grid: Grid, retrain_every: np.timedelta64 | None) -> dict[str, Any]:
        """Content of `report.json`; figures without data are absent.

        Returns:
            What was replayed, and `models` -> name -> "stations" or "network" -> "all" or a target -> `overall`,
            `by_band`, `by_width` (minutes summed), `by_hour_of_day` (local hour of the origin), `by_day` (service day
            of the origin), and of the stations `by_tier` and `calibration` -> figures, means over the seeds. Where
            the network has a total of its own, `total` names it, and what the stations have is there for it, too,
            under "total". With several seeds `spread` (their standard deviation) and `by_seed` hold the overall figures
            likewise. All that depends on the machine is under `timing`.
        """
        minutes = None if retrain_every is None else int(retrain_every / np.timedelta64(1, "m"))
        rows = len(self.models) * len(self.targets) * len(self.origins) * len(grid.stations) * (60 // grid.interval)
        fits = [asdict(training) for training in self.trainings]
        models = {name: self._model(name, grid.interval) for name in self.models}
        _add_headroom(models, self.baselines)
        return {
            "schema_version": SCHEMA_VERSION,
            "timezone": self.timezone,
            "interval_minutes": grid.interval,
            "targets": list(self.targets),
            "stations": len(grid.stations[grid.parts]),
            **({"total": grid.total} if grid.total is not None else {}),
            "origins": len(self.origins),
            "first_origin": f"{self.origins[0]}Z",
            "last_origin": f"{self.origins[-1]}Z",
            "rows": rows,
            "retrain_every_minutes": minutes,
            "seeds": list(self.seeds),
            "trainings": [{k: v for k, v in fit.items() if k != "seconds"} for fit in fits],
            "models": models,
            "timing": {
                "seconds": {what: round(spent, 3) for what, spent in self.seconds.items()},
                "fits": [round(fit["seconds"], 3) for fit in fits],
            },
        }

    def _model(self, name: str, interval: int) -> dict[str, Any]:
        """Figures of one model: means over its seeds, and what they spread."""
        trees = {str(seed): self._tree((name, seed), interval) for seed in self.seeds}
        whole: dict[str, Any] = mean_tree(list(trees.values()))
        if len(trees) == 1:
            return whole
        overall = {seed: _overall(tree) for seed, tree in trees.items()}
        return {**whole, "spread": spread_tree(list(overall.values())), "by_seed": overall}

    def _tree(self, who: tuple[str, int], interval: int) -> dict[str, Any]:
        """Figures of one fit after the other, by scope and target."""
        of: dict[str, Any] = {"stations": {}, "network": {}} | ({"total": {}} if who in self.totals else {})
        sums = self.sums[who]
        for target, c in {POOLED: slice(None), **{t: slice(i, i + 1) for i, t in enumerate(self.targets)}}.items():
            of["stations"][target] = self._stations(sums, c, interval)
            of["network"][target] = self._network(sums, c, interval)
            if who in self.totals:
                tree = self._stations(self.totals[who], c, interval)
                of["total"][target] = {name: part for name, part in tree.items() if name != "by_tier"}
        return of

    def _stations(self, sums: Sums, c: slice, interval: int) -> dict[str, Any]:
        tree = self._figures(sums.stations[c].sum(axis=0))
        by_width = width_figures(sums.errors[c].sum(axis=(0, 1)), widths(interval))
        covered = sums.covered[c].sum(axis=(0, 1))
        bands = zip(self.bands, covered, strict=True)
        for band, row in bands:
            tree["by_band"][band] |= minute_figures(row)
        whole = by_width[str(widths(interval)[-1])]
        shared = {name: whole[name] for name in ("noise_floor", "noise_share", "headroom", "skill") if name in whole}
        tree["overall"] |= minute_figures(covered[-1]) | scaled_errors(sums.errors[c, :, -1]) | shared
        tree["overall"] |= finite(peak_figures(sums.peaks[c].sum(axis=(0, 1))))
        return tree | {
            "by_width": by_width,
            "by_tier": tier_figures(sums.errors[c], sums.covered[c], sums.peaks[c], sums.errors[..., -1, :]),
            "calibration": _calibration(sums.below[c].sum(axis=(0, 1))),
        }

    def _network(self, sums: Sums, c: slice, interval: int) -> dict[str, Any]:
        tree = self._figures(sums.network[c].sum(axis=0))
        by_width = width_figures(sums.network_errors[c].sum(axis=0), widths(interval))
        whole = by_width[str(widths(interval)[-1])]
        scaled = scaled_errors(sums.network_errors[c, None, -1])
        shared = {name: whole[name] for name in ("noise_floor", "noise_share", "headroom", "skill") if name in whole}
        tree["overall"] |= scaled | shared
        return tree | {"by_width": by_width}

    def _figures(self, sums: Double) -> dict[str, Any]:
        """Figures of the sums [O, B, K] of one target."""
        whole = sums[:, -1]
        hour = to_local(self.origins, self.timezone).astype("datetime64[h]").astype(np.int64) % 24
        day = service_dates(self.origins, self.timezone)
        bands = zip(self.bands, sums.sum(axis=0), strict=True)
        return {
            "overall": finite(figures(whole.sum(axis=0))),
            "by_band": {band: finite(figures(row, "band")) for band, row in bands},
            "by_hour_of_day": _group_figures(whole, hour, [f"{h:02d}" for h in np.unique(hour)]),
            "by_day": _group_figures(whole, day.astype(np.int64), [str(d) for d in np.unique(day)]),
        }


def _add_headroom(models: Mapping[str, Any], baselines: Collection[str]) -> None:
    """Add `headroom_taken` to the overall figures of every scope and target, and to those of every tier."""
    first: Mapping[str, Any] = next(iter(models.values()), {})
    for scope, target in [(s, t) for s in first if s in SCOPES for t in first[s]]:
        trees = {name: of[scope][target] for name, of in models.items()}
        groups = [({name: tree["overall"] for name, tree in trees.items()}, "rmse_hour")]
        tiers = trees[next(iter(trees))].get("by_tier", {})
        groups += [({name: tree["by_tier"][tier] for name, tree in trees.items()}, "rmse") for tier in tiers]
        for of, error in groups:
            for name, share in headroom_taken(of, baselines, error).items():
                of[name]["headroom_taken"] = share


def scopes(report: Mapping[str, Any]) -> tuple[str, ...]:
    """What a report has figures of: stations, their sum, and the total's own forecasts where there are any."""
    return tuple(scope for scope in SCOPES if scope != "total" or "total" in report)


def whole_hour(sums: Sums) -> dict[str, float]:
    """Figures of the hour over all targets, stations and origins."""
    plain = finite(figures(sums.stations[:, :, -1].sum(axis=(0, 1))))
    return plain | scaled_errors(sums.errors[:, :, -1])


def mean_tree(trees: Sequence[Any]) -> Any:
    """Leaf by leaf the mean of trees of one shape; leaves that one of them lacks are left out."""
    first = trees[0]
    if isinstance(first, dict):
        shared = [key for key in first if all(key in tree for tree in trees)]
        return {key: mean_tree([tree[key] for tree in trees]) for key in shared}
    return first if len(trees) == 1 else float(np.mean(trees))


def spread_tree(trees: Sequence[Any]) -> Any:
    """Leaf by leaf the standard deviation over trees of one shape."""
    first = trees[0]
    if isinstance(first, dict):
        shared = [key for key in first if all(key in tree for tree in trees)]
        return {key: spread_tree([tree[key] for tree in trees]) for key in shared}
    return float(np.std(trees, ddof=1))


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write a JSON file whole.

    Raises:
        StoreError: if the folder cannot be written.
    """
    try:
        replace_file(path, json.dumps(report, indent=1, allow_nan=False).encode())
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from None


def _overall(tree: dict[str, Any]) -> dict[str, Any]:
    """The overall figures of a tree, by scope and target."""
    return {scope: {target: {"overall": of["overall"]} for target, of in by.items()} for scope, by in tree.items()}


def _calibration(below: Double) -> dict[str, float]:
    """Share of the observed minutes at or below each quantile."""
    shares = below[:-1] / below[-1] if below[-1] else np.full(len(below) - 1, np.nan)
    return finite({f"{level:.2f}": float(share) for level, share in zip(QUANTILES, shares, strict=True)})


def _group_figures(sums: Double, group: Int, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Figures of the sums [O, K] by the ascending values of a group."""
    values: npt.NDArray[np.int64] = np.unique(group)
    return {name: finite(figures(sums[group == v].sum(axis=0))) for name, v in zip(names, values, strict=True)}
