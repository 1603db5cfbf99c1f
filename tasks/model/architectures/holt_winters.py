"""Holt-Winters, the classical rival: level, damped trend and season of each station's same-weekday windows.

A forecast has only its tensors: today's last hours and the same window in earlier weeks, not the days between. So
the series is those windows one after the other, oldest week first, today last, in bins of some minutes; its season is
the place in the window. Its state is computed from the tensors of each origin, and a bundle holds the parameters only:
those that statsmodels finds for a number of training series, the median by target. Bins are spread to minutes as the
profile is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from pydantic import Field

from tasks.arrays import Float
from tasks.base_forecast import profile_times_level
from tasks.contracts import Features, FitLog, Forecaster, Prediction, Split, Tensors
from tasks.errors import HistoryError, ModelError
from tasks.model.architectures import BaseArchitecture, ModelConfig
from tasks.model.architectures._holt_winters import Smoothing, continue_series, find_smoothing, initial_state
from tasks.model.bins import bin_sums, divisor
from tasks.model.uncertainty.counts import HIGHEST
from tasks.model.uncertainty.spread import Spread, learn_spread, pick_evenly, read_spread, with_quantiles

UNTOLD = Smoothing(alpha=0.1, beta=0.0, gamma=0.1, damping=0.0)
"""Parameters of a target that was observed, and that nobody was counted in."""


class HoltWintersConfig(ModelConfig):
    """Table `[models.holt_winters]`."""

    bin_minutes: int = Field(15, ge=1, le=60, description="Minutes that are summed into one step of the series.")
    damped_trend: bool = Field(True, description="Whether there is a trend beside level and season.")
    fit_series: int = Field(40, ge=1, description="Training series of each target that parameters are found for.")
    fit_origins: int = Field(200, ge=1, description="Validation origins from which the spread is learnt, at most.")


@dataclass(frozen=True)
class WeekdayWindows:
    """Same-weekday windows in bins; axes W weeks (oldest first), M bins a window, C, O, S.

    Attributes:
        weeks: float32 [W, M, C, O, S]; NaN where less than half of a bin was observed.
        today: float32 [bins before the hour, C, O, S].
        size: steps per bin.
    """

    weeks: Float
    today: Float
    size: int

    @classmethod
    def of(cls, tensors: Tensors, bin_minutes: int) -> WeekdayWindows:
        """From tensors."""
        size = divisor(tensors.horizon, bin_minutes // tensors.interval)
        weeks = np.moveaxis(_bins(tensors.lags[::-1], size), -1, 1)
        return cls(weeks, np.moveaxis(_bins(tensors.recent, size), -1, 0), size)

    def series(self) -> Float:
        """All weeks, then today, float32 [bin, C, O, S]."""
        return np.concatenate([*self.weeks, self.today])


@dataclass
class HoltWintersForecaster:
    """Parameters by target and the spread around the means."""

    smoothing: dict[str, Smoothing]
    bin_minutes: int
    phi: Spread = field(default_factory=dict)
    name: str = "holt_winters"

    def predict(self, tensors: Tensors) -> Prediction:
        """Forecast the hour after every origin; where no week was observed, as `weekday_level` does.

        Raises:
            ModelError: if the tensors have a target that it has no parameters for.
        """
        return with_quantiles(self.mean(tensors), self.phi, tensors)

    def mean(self, tensors: Tensors) -> Float:
        """Expected counts, float32 [target, origin, station, step]."""
        missing = set(tensors.targets) - set(self.smoothing)
        if missing:
            raise ModelError(f"{self.name} was not trained on targets {sorted(missing)}: run nexthour retrain")
        windows = WeekdayWindows.of(tensors, self.bin_minutes)
        series, state = windows.series(), initial_state(windows.weeks)
        ahead = tensors.horizon // windows.size
        by_bin = np.stack(
            [
                continue_series(
                    series[:, c], type(state)(state.level[c], state.season[:, c]), ahead, self.smoothing[target]
                )
                for c, target in enumerate(tensors.targets)
            ],
            axis=1,
        )
        people = np.repeat(np.moveaxis(np.clip(by_bin, 0, HIGHEST), 0, -1), windows.size, axis=-1)
        known = np.asarray(np.isfinite(windows.weeks).any(axis=(0, 1)))
        return np.where(known[..., None], people * _shares(tensors, windows.size), profile_times_level(tensors)).astype(
            np.float32
        )

    def export(self, folder: Path) -> dict[str, Any]:
        """Nothing goes into the folder: the config is all."""
        smoothing = {target: how.values() for target, how in self.smoothing.items()}
        return {"smoothing": smoothing, "bin_minutes": self.bin_minutes, "phi": self.phi}


class HoltWinters(BaseArchitecture):
    """See the file's head."""

    name = "holt_winters"
    config: HoltWintersConfig
    config_type = HoltWintersConfig

    def fit(self, features: Features, split: Split, seed: int, log: FitLog) -> Forecaster:
        """Find parameters on `fit_series` series of each target at training origins, the spread on validation hours.

        Raises:
            HistoryError: if no training series has half of its bins observed.
        """
        config, begun = self.config, perf_counter()
        found = self._search(features, split, np.random.default_rng(seed))
        smoothing = {}
        for target, several in found.items():
            values = np.median([list(how.values().values()) for how in several or [UNTOLD]], axis=0)
            smoothing[target] = Smoothing(*values.tolist())
            log.notes |= {f"{name}_{target}": round(x, 4) for name, x in smoothing[target].values().items()}
        forecaster = HoltWintersForecaster(smoothing, config.bin_minutes)
        forecaster.phi = learn_spread(forecaster.mean, features, pick_evenly(split.validation, config.fit_origins))
        log.notes["fit_seconds"] = round(perf_counter() - begun, 1)
        return forecaster

    def _search(self, features: Features, split: Split, rng: np.random.Generator) -> dict[str, list[Smoothing]]:
        config, targets = self.config, features.grid.targets
        found: dict[str, list[Smoothing]] = {target: [] for target in targets}
        observed: set[str] = set()
        if not len(split.validation):
            raise HistoryError(f"{self.name}: no validation origins: ingest more history")
        for done, at in enumerate(pick_evenly(split.train, config.fit_series)):
            windows = WeekdayWindows.of(features.tensors(np.array([at])), config.bin_minutes)
            series, state = windows.series(), initial_state(windows.weeks)
            known = np.isfinite(series).mean(axis=0) >= 0.5
            observed |= {target for target, seen in zip(targets, known, strict=True) if seen.any()}
            usable = known & (np.nansum(series, axis=0) > 0)
            for c, target in enumerate(targets):
                stations = np.flatnonzero(usable[c, 0])
                for s in rng.permutation(stations)[: -(-config.fit_series // max(len(split.train), 1))]:
                    own = type(state)(state.level[c, 0, s], state.season[:, c, 0, s])
                    found[target].append(find_smoothing(_fill_gaps(series[:, c, 0, s], own), own, config.damped_trend))
            if self.progress:
                self.progress("training series", done + 1, config.fit_series)
        if observed != set(targets):
            raise HistoryError(f"{self.name}: no training series with half of it observed: ingest more history")
        return found

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> Forecaster:
        """The forecaster whose `export` returned `config`.

        Raises:
            ModelError: if the config is not of it.
        """
        try:
            smoothing = {target: Smoothing(**values) for target, values in config["smoothing"].items()}
            spread = read_spread(config, f"the bundle in {folder}")
            return HoltWintersForecaster(smoothing, int(config["bin_minutes"]), spread)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(f"the bundle in {folder} is not one of {cls.name} ({error!r}): retrain it") from None


def _bins(values: Float, size: int) -> Float:
    """Sums along the last axis as `inputs.bin_sums`, scaled up over missing steps; NaN under half of them."""
    seen = ~np.isnan(values)
    people, count = (bin_sums(x, size) for x in (np.where(seen, values, np.float32(0)), seen.astype(np.float32)))
    out = np.full(people.shape, np.nan, np.float32)
    np.divide(people * size, count, out=out, where=2 * count >= size)
    return out


def _fill_gaps(series: Float, state: Any) -> Float:
    """One series, [bin], with its level and season in the gaps."""
    usual = state.season[np.arange(len(series)) % len(state.season)] + np.nanmean(series)
    return np.where(np.isnan(series), usual, series)


def _shares(tensors: Tensors, size: int) -> Float:
    """Share of each step in its bin by the profile, float32 [C, O, S, H]; even where the profile has no one."""
    profile = np.nan_to_num(tensors.profile[..., -tensors.horizon :], nan=0.0)
    total = np.repeat(bin_sums(profile, size), size, axis=-1)
    return np.divide(profile, total, out=np.full_like(profile, 1 / size), where=total > 0)


ARCHITECTURE = HoltWinters
