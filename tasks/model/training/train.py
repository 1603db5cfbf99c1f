"""One training: split, fit, and the hold-out figures of challenger, champion and baselines on the same fresh days."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tasks.arrays import HORIZON_MINUTES
from tasks.contracts import Features, FitLog, Forecaster, HistoryFeatures, Progress, Split
from tasks.errors import HistoryError, ModelError
from tasks.grid import Grid
from tasks.metrics import Double
from tasks.model.serving.bundle import BundledForecaster
from tasks.model.training import history_gain
from tasks.model.training.fine_tuning import is_warm
from tasks.model.training.fit import fit_forecaster, make_architecture
from tasks.model.training.holdout import Scores, held_out_day, limit_origins, score
from tasks.model.training.split import time_split
from tasks.settings.tree import RetrainSettings, Settings

log = logging.getLogger(__name__)

CHALLENGER, CHAMPION = "challenger", "champion"
DAY_STEPS = 1440


@dataclass(frozen=True)
class Trained:
    """What a training brought, in memory.

    Attributes:
        model: name of the architecture.
        as_of: UTC moment that it pretends to be; it saw minutes before it only.
        seed: of the fit.
        config: what was configured for the architecture, `[models.NAME]`.
        forecaster: the challenger.
        split: origins of each part.
        log: of the challenger's fit.
        features: the maker of tensors, for pictures and examples.
        scores: "challenger", "champion" (if there is one that can be scored) and the baselines by name.
        days: first origin of each held-out day, ISO, in the order of `Scores.daily`.
        volume: float64 [station], people per held-out day; that of their total last, where there is one.
        champion: metadata of the present champion's bundle, with its `version`; empty without one.
        baselines: of the gate, fitted on the same days, by name.
        history: what the oldest third of a short history has brought.
    """

    model: str
    as_of: np.datetime64
    seed: int
    config: dict[str, Any]
    forecaster: Forecaster
    split: Split
    log: FitLog
    features: Features
    scores: dict[str, Scores]
    days: tuple[str, ...] = ()
    volume: Double = field(default_factory=lambda: np.zeros(0))
    champion: dict[str, Any] = field(default_factory=dict)
    baselines: dict[str, Forecaster] = field(default_factory=dict)
    history: history_gain.HistoryGain | None = None


def train(
    features: HistoryFeatures,
    settings: Settings,
    as_of: np.datetime64,
    model: str | None = None,
    notes: FitLog | None = None,
    champion: BundledForecaster | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Fit a challenger on what lay before `as_of` and score it on days that no model here was fitted on.

    Args:
        features: tensors from the first training origin to the last held-out hour.
        settings: the tree; `retrain` and `models` are used.
        as_of: UTC.
        model: architecture; `[retrain] model` by default.
        notes: are filled by the fit.
        champion: present champion, scored on the same days; left out with a warning where it cannot forecast them.
            By `[retrain] mode` the challenger goes on from it.
        progress: called during long work.

    Raises:
        HistoryError: if there is too little history; states how much there is.
        ConfigError: if the architecture, a baseline, or its config is unknown.
    """
    name, notes = model or settings.retrain.model, notes or FitLog()
    split = split_of(features, settings, as_of, settings.retrain)
    start = None
    # A champion that is newer than this moment was fitted on the days that are held out now.
    if champion is not None and not champion.as_of > as_of:
        warm = is_warm(settings.retrain, as_of, settings.network.timezone)
        start = champion.forecaster if warm else None
    challenger = fit_forecaster(settings, name, features, split, settings.retrain.seed, notes, start, progress)
    baselines = _baselines(features, settings, split)
    models = {CHALLENGER: challenger, **baselines}
    origins = limit_origins(split.holdout, len(features.grid.stations))
    if champion is not None and _can_forecast(champion, features, origins):
        models[CHAMPION] = champion
    scores = score(features, origins, models, settings.network.timezone, progress, baselines)
    first = origins[np.unique(held_out_day(origins), return_index=True)[1]]
    return Trained(
        model=name,
        as_of=as_of,
        seed=settings.retrain.seed,
        config=dict(settings.models.get(name, {})),
        forecaster=challenger,
        split=split,
        log=notes,
        features=features,
        scores=scores,
        days=tuple(f"{o}Z" for o in first),
        volume=_volume(features.grid, split),
        champion={} if champion is None else {**champion.meta, "version": champion.version},
        baselines=baselines,
        history=_history_gain(features, split, scores, settings, as_of),
    )


def fit_before(
    features: Features,
    settings: Settings,
    as_of: np.datetime64,
    model: str,
    *,
    seed: int | None = None,
    start: Forecaster | None = None,
) -> Forecaster:
    """A model fitted on all that lay before `as_of`, nothing held out: what a backtest replays.

    Args:
        features: see minutes before `as_of` only.
        settings: the tree.
        as_of: UTC.
        model: architecture.
        seed: of the fit; `[retrain] seed` by default.
        start: fitted earlier, to go on from.

    Raises:
        HistoryError: if there is too little history.
        ConfigError: if the architecture or its config is unknown.
    """
    make_architecture(settings, model, None)  # a bad config is reported before a history that is too short
    split = split_of(features, settings, as_of, settings.retrain.model_copy(update={"holdout_days": 0}))
    seed = settings.retrain.seed if seed is None else seed
    return fit_forecaster(settings, model, features, split, seed, FitLog(), start)


def split_of(features: Features, settings: Settings, as_of: np.datetime64, retrain: RetrainSettings) -> Split:
    """The split of what was observed before `as_of`; what a forecast looks back on keeps the parts apart, too.

    Raises:
        HistoryError: if there is too little.
    """
    grid, minute = features.grid, as_of.astype("datetime64[m]")
    first, last = observed_span(grid, minute)
    gap = HORIZON_MINUTES + settings.features.recent_minutes
    return time_split(min(minute, last), first, retrain, grid.interval, gap)


def observed_span(grid: Grid, before: np.datetime64) -> tuple[np.datetime64, np.datetime64]:
    """First minute with any count, and the end of the last one before `before`.

    Raises:
        HistoryError: if there is none.
    """
    stop = int(np.clip(grid.index(before), 0, grid.steps))
    starts = range(0, stop, DAY_STEPS)
    first = next((s for s in (_observed_steps(grid, a, min(a + DAY_STEPS, stop)) for a in starts) if len(s)), None)
    if first is None:
        raise HistoryError(f"no minute before {before}Z was observed: run nexthour ingest or nexthour backfill first")
    last = next(s for s in (_observed_steps(grid, a, min(a + DAY_STEPS, stop)) for a in reversed(starts)) if len(s))
    step = np.timedelta64(grid.interval, "m")
    return grid.start + int(first[0]) * step, grid.start + (int(last[-1]) + 1) * step


def _observed_steps(grid: Grid, start: int, stop: int) -> Any:
    return start + np.flatnonzero(np.isfinite(grid.values[:, :, start:stop]).any(axis=(0, 1)))


def _baselines(features: Features, settings: Settings, split: Split) -> dict[str, Forecaster]:
    """Every baseline of the gate that this history is enough for, by name."""
    fitted = {}
    for name in settings.gate.baselines:
        try:
            fitted[name] = make_architecture(settings, name, None).fit(features, split, settings.retrain.seed, FitLog())
        except HistoryError as error:
            log.warning("the gate does without the baseline %s: %s", name, error)
    return fitted


def _history_gain(
    features: HistoryFeatures, split: Split, scores: dict[str, Scores], settings: Settings, as_of: np.datetime64
) -> history_gain.HistoryGain | None:
    """What the oldest third of the history has brought; None where the gate does without the model that shows it."""
    if history_gain.MODEL not in scores:
        return None
    first, _ = observed_span(features.grid, as_of.astype("datetime64[m]"))
    return history_gain.measure_gain(features, split, scores[history_gain.MODEL], settings, first)


def _can_forecast(champion: Forecaster, features: Features, origins: Any) -> bool:
    """Whether the champion takes these tensors: the network may have changed since it was trained."""
    try:
        champion.predict(features.tensors(origins[:1]))
    except ModelError as error:
        log.warning("the champion cannot be compared: %s", error)
        return False
    return True


def _volume(grid: Grid, split: Split) -> Double:
    """People per day at each station over the hold-out, all targets, float64 [station]."""
    if not len(split.holdout):
        return np.zeros(len(grid.stations))
    at = grid.index(split.holdout[[0, -1]])
    counts = grid.values[:, :, at[0] : at[1] + HORIZON_MINUTES // grid.interval]
    days = max(counts.shape[-1] * grid.interval / 1440, 1e-9)
    return np.asarray(np.nansum(counts, axis=(0, 2), dtype=np.float64) / days)
