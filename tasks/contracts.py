"""What the stages hand one another: grids, tensors, predictions and the protocols of plug-ins.

Stages never import one another; they meet here. Array axes are named in the order of memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np

from tasks.arrays import Float, Minutes
from tasks.grid import Grid, parts_of

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.channels import Channel

Progress = Callable[[str, int, int], None]
"""Reports on long work: what, how much is done, how much there is."""


@dataclass(frozen=True)
class Tensors:
    """Model inputs for a set of origins and all stations, at their own moments.

    Shapes: K weeks, C targets, O origins, S stations, R recent steps, H horizon steps.
    NaN means not observed or not existing; nothing is filled.

    Attributes:
        origins: datetime64[m] [O], UTC.
        lags: float32 [K, C, O, S, R+H]: week k+1 before, the R steps before the origin's minute and the hour.
        recent: float32 [C, O, S, R]: the present day up to the origin, unseen minutes NaN.
        profile: float32 [C, O, S, R+H]: expected count from the lags.
        level: float32 [C, O, S]: observed over expected in the recent window, damped.
        calendar: float32 [O, H, F]: see `CALENDAR`; local wall clock of each target minute.
        stations, targets: names of the axes.
        interval: minutes per step.
        trail: float32 [2, C, O, S, T], people and what the profile expected in each of the T hours before the recent
            steps, oldest first, over the steps that have both; zeros where none has. None where it is not made.
        total: the last station, where that is the sum of all others; None without.
        channels: float32 [2, N, O, S, R+H], of the N extra channels the value that was known at the origin of each
            minute before and in the hour, and the mean of what its weekly lags had, recent weeks weighing more; NaN
            where nothing was known. None where there are no channels. Beside 14 weeks of lags of two targets a
            channel takes a fourteenth of their memory: 0.4 of 6 MB an origin of 300 stations at 1 minute.
        channel_names: names of the channels.
        network: the last station, where it stands for the whole network of which the others are a group.
    """

    CALENDAR: ClassVar[tuple[str, ...]] = (
        "sin_day", "cos_day", "sin_half_day", "cos_half_day",
        "mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday",
    )  # fmt: skip

    origins: Minutes
    lags: Float
    recent: Float
    profile: Float
    level: Float
    calendar: Float
    stations: tuple[str, ...]
    targets: tuple[str, ...]
    interval: int
    trail: Float | None = None
    channels: Float | None = None
    channel_names: tuple[str, ...] = ()
    total: str | None = None
    network: str | None = None

    @property
    def parts(self) -> slice:
        """Stations over which the network is summed: all but their total, or the one that stands for all."""
        return parts_of(self.stations, self.total) if self.network is None else slice(len(self.stations) - 1, None)

    @property
    def horizon(self) -> int:
        """Steps in the forecast hour."""
        return int(self.calendar.shape[1])

    @property
    def hours(self) -> Float:
        """The trail, with no hours where it is not made."""
        return np.zeros((2, *self.level.shape, 0), np.float32) if self.trail is None else self.trail


class Features(Protocol):
    """The one maker of tensors, for training and for serving.

    Attributes:
        grid: the minutes.
        extra: rows of the extra channels, in the order of `Tensors.channel_names`.
    """

    grid: Grid
    extra: tuple[Channel, ...]

    def tensors(self, origins: Minutes, stations: Sequence[int] | None = None) -> Tensors:
        """Tensors at these origins (UTC), each seeing only what lies before it."""

    def truth(self, origins: Minutes) -> Float:
        """Counts of the hour after each origin, float32 [C, O, S, H]; NaN where not observed."""


class HistoryFeatures(Features, Protocol):
    """Features whose history can be cut, to see what it brings."""

    def since(self, moment: np.datetime64) -> Features:
        """The features as if nothing had been observed before `moment` (UTC), with counts of today and no channels."""


class History(Protocol):
    """Counts and profile of any minute, from which the series of a day is made.

    Attributes:
        grid: the minutes, those known at the origin.
        holidays: dates that count as their own kind of day.
    """

    grid: Grid
    holidays: frozenset[date]

    def counts(self, minutes: Minutes) -> Float:
        """Observed counts of ascending UTC minutes, float32 [C, S, minute]; NaN where there are none."""

    def profile(self, minutes: Minutes) -> Float:
        """Profile of ascending UTC minutes, float32 [C, S, minute]; NaN where no week has a value."""

    def lag_tensor(self, minutes: Minutes, stations: Sequence[int] | None = None) -> Float:
        """Every weekly lag of ascending UTC minutes, float32 [K, C, station, minute]; NaN where there is none."""


@dataclass(frozen=True)
class Prediction:
    """A model's answer.

    Attributes:
        mean: float32 [C, O, S, H], expected count per interval, >= 0.
        quantiles: float32 [Q, C, O, S, H] at `QUANTILES`, non-decreasing along Q, >= 0.
    """

    mean: Float
    quantiles: Float


@dataclass(frozen=True)
class Split:
    """A time-ordered split by origin; the gap keeps every training hour ahead of every held-out input.

    Attributes:
        train, validation, holdout: datetime64[m] origins, UTC, ascending.
    """

    train: Minutes
    validation: Minutes
    holdout: Minutes


OnEpoch = Callable[[int, Mapping[str, float]], None]
"""Receives the figures of an epoch as soon as it is over: its number, the first is 1, and metric name -> value."""


@dataclass
class FitLog:
    """What happened during a fit.

    Attributes:
        epochs: metric name -> one value per epoch.
        notes: what people want to look at.
        on_epoch: called by `add_epoch`.
    """

    epochs: dict[str, list[float]] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    on_epoch: OnEpoch | None = None

    def add_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Add the figures of one epoch."""
        for name, value in figures.items():
            self.epochs.setdefault(name, []).append(value)
        if self.on_epoch is not None:
            self.on_epoch(epoch, figures)


@runtime_checkable
class Forecaster(Protocol):
    """A fitted model: predicts, and writes itself into a bundle folder."""

    @property
    def name(self) -> str:
        """What tables and reports call it: its version where it came from a stored bundle, else its architecture."""

    def predict(self, tensors: Tensors) -> Prediction:
        """Forecast the hour after every origin, for every station and target of the tensors."""

    def export(self, folder: Path) -> dict[str, Any]:
        """Write network and state into `folder`; return the JSON config that loads it again."""


class Range(NamedTuple):
    """Values that tuning may try, whole numbers between whole numbers; evenly by their logarithm if `log`."""

    low: float
    high: float
    log: bool = False


Space = Mapping[str, Range | tuple[Any, ...]]
"""Dotted key of a config -> a `Range`, or a tuple of choices."""


@dataclass(frozen=True)
class Publication:
    """One issue as targets publish it.

    Attributes:
        forecasts: rows of `tables.FORECASTS` of one origin.
        summary: JSON-able; see `tasks.forecast.issue.summarise`, with `next_issue_at`: UTC text, None if not known.
        stations: rows of `tables.STATION_LEVELS`, one per station and target, without the network's total.
        make_day: makes `day`; called once, and only when a target asks for it.
    """

    forecasts: pa.Table
    summary: dict[str, Any]
    stations: pa.Table
    make_day: Callable[[], pa.Table]

    @cached_property
    def day(self) -> pa.Table:
        """Rows of `tables.DAY_SERIES`: the service day of the origin, one per station, target and bin."""
        return self.make_day()


@runtime_checkable
class Target(Protocol):
    """Where a forecast is published. One file in `tasks/publish` each."""

    name: str

    def publish(self, publication: Publication) -> str:
        """Publish one issue; return where it can be found. Idempotent: the same issue twice is one."""
