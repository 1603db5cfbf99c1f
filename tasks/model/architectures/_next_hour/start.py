"""What a network starts from: a simple forecast that is fitted before it, corrected by it, and kept in its bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tasks.contracts import Features, Split
from tasks.model.architectures._boosted.fit import fit_boosted
from tasks.model.architectures._boosted.forecaster import BoostedForecaster
from tasks.model.architectures._boosted.trees import BoostedConfig
from tasks.model.architectures._linear.fit import LinearConfig, fit_linear
from tasks.model.architectures._linear.forecaster import LinearForecaster

Base = Literal["boosted_level", "linear_level", "profile_times_level"]
StartForecaster = LinearForecaster | BoostedForecaster


@dataclass(frozen=True)
class FittedStart:
    """A start, twice.

    Attributes:
        for_validation: fitted on the training origins alone, so that validation days can weigh the network beside it.
        fitted: on the validation origins, too.
        notes: how far its trees correct it, where it has some.
    """

    for_validation: StartForecaster
    fitted: StartForecaster
    notes: dict[str, Any]


def choose_base(base: Base | Literal["auto"], features: Features, split: Split) -> Base:
    """The start that `auto` means: trees while the history is shorter than the weekly lags reach, then the ridge.

    With few weeks the trees find what the profile cannot hold yet. With all of them the network finds it, and is better
    off without trees that were fitted on its own training rows.
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
    if base == "boosted_level":
        boosted = fit_boosted(features, split, BoostedConfig(), seed)
        return FittedStart(boosted.for_validation, boosted.fitted, boosted.notes)
    if base == "linear_level":
        linear = fit_linear(features, split, LinearConfig())
        return FittedStart(linear.for_validation, linear.fitted, {})
    return None


def load_start(folder: Path, config: dict[str, Any] | None) -> StartForecaster | None:
    """The start whose `export(folder)` returned `config`; None without one.

    Raises:
        ModelError: if the folder does not hold it.
    """
    if not config:
        return None
    kind = BoostedForecaster if "ridge" in config else LinearForecaster
    return kind.load(folder, config)
