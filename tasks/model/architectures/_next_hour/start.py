"""What a network starts from: a simple forecast that is fitted before it, corrected by it, and kept in its bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tasks.arrays import Float, Minutes
from tasks.contracts import Features, Split
from tasks.model.architectures._boosted.fit import fit_boosted
from tasks.model.architectures._boosted.forecaster import BoostedForecaster
from tasks.model.architectures._boosted.trees import BoostedConfig
from tasks.model.architectures._linear.forecaster import LinearForecaster
from tasks.model.architectures._next_hour.inputs import Station
from tasks.model.origin_chunks import chunks

Base = Literal["boosted_level", "linear_level", "profile_times_level"]
StartForecaster = LinearForecaster | BoostedForecaster


@dataclass(frozen=True)
class FittedStart:
    """A start, as its training rows must see it, and as it forecasts.

    Attributes:
        for_validation: fitted on the training origins alone, so that validation days can weigh the network beside it;
            its trees are those that were grown without the day.
        for_refit: the ridge is fitted on the validation origins, too.
        fitted: what forecasts.
        notes: how far the trees correct the ridge, where there are some.
        beside_for_validation, beside: the ridge with its trees, with which a network that starts from the ridge is
            blended; None where it is blended with its start.
    """

    for_validation: StartForecaster
    for_refit: StartForecaster
    fitted: StartForecaster
    notes: dict[str, Any]
    beside_for_validation: BoostedForecaster | None = None
    beside: BoostedForecaster | None = None


def choose_base(base: Base | Literal["auto"], features: Features, split: Split) -> Base:
    """The start that `auto` means: trees while the history is shorter than the weekly lags reach, then the ridge.

    With few weeks the trees find what the profile cannot hold yet. With all of them the network finds it by itself, and
    is better off beside the trees.
    """
    if base != "auto":
        return base
    # One origin per day: the oldest lag of a single day may be a holiday, or a day without counts.
    newest_first = split.validation[::-1]
    days = np.unique((newest_first[:1] - newest_first) // np.timedelta64(1, "D"), return_index=True)[1]
    reached = (np.isfinite(features.tensors(newest_first[at : at + 1]).lags[-1]).any() for at in days)
    return "linear_level" if any(reached) else "boosted_level"


def fit_start(base: Base, features: Features, split: Split, seed: int) -> FittedStart | None:
    """The start of that name; None for profile times level, which needs no fit.

    Raises:
        HistoryError: if there are no training or no validation origins, or no training hour has a count.
    """
    if base == "profile_times_level":
        return None
    boosted = fit_boosted(features, split, BoostedConfig(), seed)
    if base == "boosted_level":
        return FittedStart(boosted.for_validation, boosted.for_refit, boosted.fitted, boosted.notes)
    before, after = boosted.for_validation, boosted.fitted
    return FittedStart(before.ridge, after.ridge, after.ridge, boosted.notes, before, after)


def load_start(folder: Path, config: dict[str, Any] | None) -> StartForecaster | None:
    """The start whose `export(folder)` returned `config`; None without one.

    Raises:
        ModelError: if the folder does not hold it.
    """
    if not config:
        return None
    kind = BoostedForecaster if "ridge" in config else LinearForecaster
    return kind.load(folder, config)


def load_beside(folder: Path, config: dict[str, Any] | None) -> BoostedForecaster | None:
    """The ridge with its trees whose `export(folder)` returned `config`; None without one.

    Raises:
        ModelError: if the folder does not hold it.
    """
    return BoostedForecaster.load(folder, config) if config else None


def rows_of(forecaster: StartForecaster, features: Features, origins: Minutes, place: Station) -> Float:
    """Expected counts of some rows, float32 [row, target, step].

    Args:
        forecaster: what forecasts.
        features: the maker of tensors.
        origins: of the rows.
        place: of the rows' stations in the grid.
    """
    every, at = np.unique(origins, return_inverse=True)
    mean = np.concatenate([forecaster.mean(features.tensors(part)) for part in chunks(every, features)], axis=1)
    return np.ascontiguousarray(mean[:, at, place].swapaxes(0, 1))
