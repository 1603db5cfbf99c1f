"""The sine-wave article's recipe: two stacked LSTM layers read a window of 50 steps and say the next one.

The hour is one full recursive sequence from the last window. The article's three ways to forecast a series (point by
point, sequences that start again from truth, one sequence) are noted for a day, with their errors in people. Windows
are scaled by station from training hours, not divided by their first value, which may be zero. Trained with keras,
served without.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tasks.arrays import HORIZON_MINUTES
from tasks.contracts import Features, FitLog, Split
from tasks.model.architectures._recursive.recipe import RecursiveConfig, RecursiveForecaster, RecursiveLstm
from tasks.model.architectures._recursive.recursion import (
    full_sequence,
    point_by_point,
    sliding_windows,
    windowed_sequences,
)
from tasks.model.architectures._recursive.shown import Shown, error
from tasks.model.plots.plots import Values
from tasks.model.plots.series import ThreeWays


class StackedConfig(RecursiveConfig):
    """Table `[models.stacked_lstm]`; the defaults are the article's: layers 1-5-20-1, window 50, batch 512, 5 %."""


class StackedLstm(RecursiveLstm):
    """See the file's head."""

    name = "stacked_lstm"
    config_type = StackedConfig

    def show(self, forecaster: RecursiveForecaster, features: Features, split: Split, log: FitLog) -> None:
        """Note the last validation day at the busiest station, forecast in three ways, and their errors."""
        ways = forecast_three_ways(forecaster, features, split.validation[-1])
        log.notes |= {
            "three_ways": ways,
            "rmse_point_by_point": error(ways.points, ways.counts),
            "rmse_windowed_sequences": error(ways.sequences.ravel(), ways.counts[: ways.sequences.size]),
            "rmse_full_sequence": error(ways.whole, ways.counts),
        }


def forecast_three_ways(forecaster: RecursiveForecaster, features: Features, end: np.datetime64) -> ThreeWays:
    """The day before `end` at the busiest station: point by point, by the hour from truth, and all from its start.

    What starts from a window with a gap is NaN.
    """
    grid, window = features.grid, forecaster.window
    stop, hour = int(grid.index(end)), HORIZON_MINUTES // grid.interval
    shown = Shown.of(forecaster, features, max(stop - 24 * hour - window, 0), stop)
    network, steps = forecaster.next_steps(), len(shown.minutes) - window
    gaps = np.asarray(sliding_windows(shown.gaps[:-1, None], window).any(axis=(1, 2)))

    def whole(answer: Values, gap: npt.NDArray[np.bool_]) -> Values:
        return np.where(gap, np.nan, answer)

    points = whole(shown.people(point_by_point(network, shown.known, window)), gaps)
    hours = shown.people(windowed_sequences(network, shown.known, window, hour))
    day = shown.people(full_sequence(network, shown.known[None, :window], steps))[0]
    return ThreeWays(
        shown.minutes[window:],
        shown.counts[window:],
        points,
        whole(hours, gaps[: len(hours) * hour : hour, None]),
        whole(day, gaps[:1]),
        shown.station,
    )


ARCHITECTURE = StackedLstm
