"""Pictures that some architectures ask for: a series with its fit, and how much each week counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.arrays import Minutes
from tasks.model.plots.plots import Values
from tasks.plot_style import BLUE, INK, ORANGE, PART_COLOURS, QUIET, add_legend, clock_axis, date, new_figure, people

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class SeriesFit:
    """A series and a network's forecast of each next step, every fit at its own place.

    Attributes:
        minutes: UTC, datetime64[m] [T].
        counts: people per interval, [T]; NaN where not known.
        training, validation: the fit, [T]; NaN outside of its part and where a window has no beginning.
        station: whose it is.
    """

    minutes: Minutes
    counts: Values
    training: Values
    validation: Values
    station: str


@dataclass(frozen=True)
class ThreeWays:
    """A series, and a network that knows the next step of a window left to forecast it in three ways.

    Attributes:
        minutes: UTC, datetime64[m] [T].
        counts: people per interval, [T]; NaN where not known.
        points: each step from the true ones before it, [T].
        sequences: as many steps as a row has, each from the forecast before it, every row starting from truth, [N, H];
            the first row at the first minute.
        whole: all steps from what was known before the first, [T].
        station: whose it is.
    """

    minutes: Minutes
    counts: Values
    points: Values
    sequences: Values
    whole: Values
    station: str


def three_ways(ways: ThreeWays, local: Minutes, interval: int, where: str) -> Figure:
    """Three panels, the ways side by side over what was counted.

    Args:
        ways: what is shown.
        local: its minutes by the wall clock.
        interval: minutes per step.
        where: target and station, for the title.
    """
    length = ways.sequences.shape[1]
    figure, panels = new_figure(
        f"Three ways to forecast {date(local)}, {where}",
        "orange: forecast by the network; grey: counted",
        panels=3,
        size=(13, 4.6),
    )
    hours = [(local[i * length : (i + 1) * length], row) for i, row in enumerate(ways.sequences)]
    for axes, title, lines in (
        (panels[0], "point by point: from the true steps before", [(local, ways.points)]),
        (panels[1], f"sequences of {length * interval} minutes, each from truth", hours),
        (panels[2], "one sequence: from its own steps", [(local, ways.whole)]),
    ):
        axes.plot(local, ways.counts, color=QUIET, linewidth=0.7, alpha=0.7)
        for times, values in lines:
            axes.plot(times, values, color=ORANGE, linewidth=1.8)
        axes.set_title(title, fontsize=10, color=INK, loc="left")
        axes.set_ylim(bottom=0)
        clock_axis(axes, local)
    panels[0].set_ylabel(people(interval))
    return figure


def series_fit(fit: SeriesFit, local: Minutes, interval: int, where: str) -> Figure:
    """The series, and the next step by step on its training part and on its validation part.

    Args:
        fit: what is shown.
        local: its minutes by the wall clock.
        interval: minutes per step.
        where: target and station, for the title.
    """
    from matplotlib.dates import ConciseDateFormatter

    figure, (axes,) = new_figure(
        f"Step by step, {where}",
        "each step forecast from the true ones before it",
        size=(11, 4.6),
        ends=0.985,
        legend=True,
    )
    axes.plot(local, fit.counts, color=QUIET, linewidth=0.8, label="counted")
    for name, values in (("training", fit.training), ("validation", fit.validation)):
        axes.plot(local, values, color=PART_COLOURS[name], linewidth=1.4, label=f"fit ({name})")
    axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
    axes.set_ylim(bottom=0)
    axes.margins(x=0)
    axes.set_xlabel("local time")
    axes.set_ylabel(people(interval))
    add_legend(figure, [axes])
    return figure


def weight_by_week(weights: Sequence[float]) -> Figure:
    """How much each week counted.

    Args:
        weights: mean attention, oldest week first; they sum to 1.
    """
    figure, (axes,) = new_figure(
        "Attention by week", "mean over the validation hours of all stations; dashed: all weeks alike", ends=0.985
    )
    at = np.arange(len(weights))
    axes.bar(at, weights, color=BLUE, width=0.75)
    axes.axhline(1 / len(weights), color=QUIET, linewidth=1, linestyle="--")
    axes.set_xticks(at, [str(len(weights) - i) for i in at])
    axes.set_xlabel("weeks ago")
    axes.set_ylabel("share of attention")
    return figure
