"""One training: split, fit, and the hold-out figures of challenger, champion and baselines on the same fresh days."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tasks.arrays import HORIZON_MINUTES
from tasks.contracts import Features, FitLog, Forecaster, HistoryFeatures, Progress, Split
from tasks.errors import HistoryError
from tasks.grid import Grid
from tasks.metrics import Double
from tasks.model.grouped import Grouped, GroupModel, start_for
from tasks.model.groups import find_groups
from tasks.model.network_row import NetworkRows
from tasks.model.promotion.decision import GroupRow
from tasks.model.serving.bundle import BundledForecaster
from tasks.model.training import history_gain
from tasks.model.training.by_group import FitGroups, GroupNight, fit_group, fit_groups, summarise
from tasks.model.training.fine_tuning import is_warm
from tasks.model.training.fit import fit_forecaster, make_architecture
from tasks.model.training.holdout import Scores
from tasks.model.training.rivals import Rivals
from tasks.model.training.split import time_split
from tasks.settings.tree import RetrainSettings, Settings

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
        groups: what becomes of each group of stations, where each has a model of its own. The challenger then is that
            of the promoted groups with what answers for the others; of all groups where none is promoted.
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
    groups: tuple[GroupRow, ...] = ()


def train(
    features: HistoryFeatures,
    settings: Settings,
    as_of: np.datetime64,
    model: str | None = None,
    notes: FitLog | None = None,
    champion: BundledForecaster | None = None,
    progress: Progress | None = None,
    elsewhere: FitGroups | None = None,
) -> Trained:
    """Fit a challenger on what lay before `as_of` and score it on days that no model here was fitted on.

    Args:
        features: tensors from the first training origin to the last held-out hour.
        settings: the tree; `retrain`, `models` and `groups` are used.
        as_of: UTC.
        model: architecture; `[retrain] model` by default.
        notes: are filled by the fit.
        champion: present champion, scored on the same days; left out with a warning where it cannot forecast them.
            By `[retrain] mode` the challenger goes on from it.
        progress: called during long work.
        elsewhere: fits the groups, where there are any; this process by default.

    Raises:
        HistoryError: if there is too little history; states how much there is.
        ConfigError: if the architecture, a baseline, or its config is unknown, or groups cannot be made.
    """
    name, notes = model or settings.retrain.model, notes or FitLog()
    split = split_of(features, settings, as_of, settings.retrain)
    start = start_of_night(champion, settings, as_of)
    groups = find_groups(settings, features.grid, split.validation[0])
    if groups:
        given = settings, name, features, split, settings.retrain.seed, groups, notes, start, progress
        fits = fit_groups(*given) if elsewhere is None else elsewhere(groups)
        summarise(fits, notes)
        rivals = Rivals.of(features, settings, split, champion, progress)
        challenger, scores, rows = GroupNight(name, fits, rivals).judge()
    else:
        whole = start_for(start, features.grid.stations)
        challenger = fit_forecaster(settings, name, features, split, settings.retrain.seed, notes, whole, progress)
        rivals = Rivals.of(features, settings, split, champion, progress)
        scores, rows = rivals.score(challenger), ()
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
        days=rivals.days,
        volume=rivals.volume,
        champion={} if champion is None else {**champion.meta, "version": champion.version},
        baselines=rivals.baselines,
        history=_history_gain(features, split, scores, settings, as_of),
        groups=rows,
    )


def start_of_night(champion: BundledForecaster | None, settings: Settings, as_of: np.datetime64) -> Forecaster | None:
    """What the challenger goes on from; None where it starts from scratch."""
    # A champion that is newer than this moment was fitted on the days that are held out now.
    if champion is None or champion.as_of > as_of:
        return None
    return champion.forecaster if is_warm(settings.retrain, as_of, settings.network.timezone) else None


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
    groups = find_groups(settings, features.grid, split.validation[0])
    if not groups:
        return fit_forecaster(settings, model, features, split, seed, FitLog(), start)
    network, models = NetworkRows(features), list[GroupModel]()
    for group in groups:
        fit = fit_group(settings, model, features, split, seed, group, network, FitLog(), start)
        models.append(GroupModel(group.name, group.names, fit))
    return Grouped(model, models)


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


def _history_gain(
    features: HistoryFeatures, split: Split, scores: dict[str, Scores], settings: Settings, as_of: np.datetime64
) -> history_gain.HistoryGain | None:
    """What the oldest third of the history has brought; None where the gate does without the model that shows it."""
    if history_gain.MODEL not in scores:
        return None
    first, _ = observed_span(features.grid, as_of.astype("datetime64[m]"))
    return history_gain.measure_gain(features, split, scores[history_gain.MODEL], settings, first)
