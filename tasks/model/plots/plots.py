"""The pictures of a retraining and of a forecast. Matplotlib's objects only, no state shared; times are local."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tasks.plot_style import (
    BLUE,
    INK,
    PART_COLOURS,
    QUIET,
    RED,
    ROLE_STYLES,
    Times,
    add_legend,
    clock_axis,
    darker,
    date,
    label_ends,
    minute,
    model_styles,
    new_figure,
    people,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Values = npt.NDArray[np.floating[Any]]

LOSSES = "means over weighted rows, in training during the epoch and with dropout; the marked epoch was kept"


@dataclass(frozen=True)
class Day:
    """A stretch of truth and what had been forecast for it, each hour at its start.

    Attributes:
        part: "training", "validation" or "hold-out".
        times: local wall clock, datetime64 [T].
        actual, mean, low, high: people per interval, [T]; NaN where not known.
    """

    part: str
    times: Times
    actual: Values
    mean: Values
    low: Values
    high: Values


def loss_by_epoch(training: Sequence[float], validation: Sequence[float], best: int | None = None) -> Figure:
    """Loss after each epoch; the epoch whose network was kept is marked.

    Args:
        training: after epoch 1, 2, ...
        validation: the same, or one value more: before any epoch, as epoch 0.
        best: epoch that was kept.
    """
    from matplotlib.ticker import MaxNLocator

    figure, (axes,) = new_figure("Loss by epoch", LOSSES)
    lines, first = [], {"training": 1, "validation": 1 - (len(validation) - len(training))}
    for name, values in (("training", training), ("validation", validation)):
        epochs, colour = first[name] + np.arange(len(values)), PART_COLOURS[name]
        axes.plot(epochs, values, color=colour, linewidth=2, marker=".")
        if name == "validation" and best is not None and best in epochs:
            kept = values[best - first[name]]
            axes.plot(best, kept, "o", color=colour, markersize=10, markeredgecolor="white")
        lines.append((name, values[-1] if len(values) else np.nan, colour))
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    label_ends(axes, lines)
    return figure


def days_by_part(days: Sequence[Day], where: str, interval: int = 1) -> Figure:
    """A day of each part of the split side by side: truth in grey, forecasts in the colour of the part."""
    figure, panels = new_figure(
        f"Forecast and truth, {where}",
        "every hour forecast at its start; the band holds 80 % of what is expected",
        panels=max(len(days), 1),
        size=(13, 4.4),
        legend=True,
    )
    for axes, day in zip(panels, days, strict=False):
        colour = PART_COLOURS.get(day.part, BLUE)
        axes.plot(day.times, day.actual, ".", color="#7d7d7d", markersize=2, alpha=0.6, label="truth", zorder=1)
        axes.fill_between(day.times, day.low, day.high, color=colour, alpha=0.3, linewidth=0, zorder=2)
        axes.plot(day.times, day.mean, color=colour, linewidth=1.8, zorder=3, label=f"forecast ({day.part})")
        clock_axis(axes, day.times)
        axes.set_title(date(day.times), loc="left", fontsize=10, color=darker(colour), fontweight="bold")
        axes.set_xlabel("local time")
        axes.set_ylim(bottom=0)
    panels[0].set_ylabel(people(interval))
    add_legend(figure, panels)
    return figure


MEAN_MINUTES = 5
"""Of the horizon, in one mean."""


def error_by_horizon(minutes: Sequence[int], errors: Mapping[str, Sequence[float]], what: str) -> Figure:
    """Error against how far ahead, one line per model; single minutes as means of `MEAN_MINUTES`.

    The errors of one minute share its chance in all models: lines of single minutes go up and down together.

    Args:
        minutes: horizon minutes.
        errors: model -> error at each; "challenger" and "champion" stand out, the others are baselines.
        what: name and unit of the error.
    """
    width = MEAN_MINUTES if minutes[0] == 1 and len(minutes) % MEAN_MINUTES == 0 else 1
    means = f", means of {MEAN_MINUTES} minutes" if width > 1 else ""
    subtitle = f"held-out days, all stations{means}; lower is better; the axis is cut"
    figure, (axes,) = new_figure("Error by horizon", subtitle)
    if width > 1:
        minutes = minutes[width - 1 :: width]
        errors = {name: np.reshape(values, (-1, width)).mean(axis=1).tolist() for name, values in errors.items()}
    _models(axes, np.asarray(minutes, dtype=float), errors, from_zero=False)
    axes.set_xlabel("minutes ahead")
    axes.set_ylabel(what)
    axes.set_xticks([1, *range(10, max(minutes, default=60) + 1, 10)])
    return figure


def error_by_hour(errors: Mapping[str, Sequence[float]], what: str) -> Figure:
    """Error by local hour of the day, one line per model; 24 values each."""
    figure, (axes,) = new_figure(
        "Error by hour of the day", "held-out days, by the local hour of the origin; lower is better"
    )
    _models(axes, np.arange(24.0), errors)
    axes.set_xlabel("local hour of the origin")
    axes.set_ylabel(what)
    axes.set_xticks(range(0, 24, 3), [f"{hour:02d}:00" for hour in range(0, 24, 3)])
    return figure


def calibration(levels: Sequence[float], shares: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Figure:
    """Share of truths under each quantile against its level.

    Counts are whole numbers, so that a truth may equal its quantile: a bar reaches from the share below to the share
    at or below, and a quantile is honest where its bar crosses the diagonal.

    Args:
        levels: level of each quantile.
        shares: model -> share of minutes below, and at or below, each quantile.
    """
    figure, (axes,) = new_figure(
        "Calibration", "held-out minutes; honest where a bar crosses the dashed line", size=(6.6, 5.6), ends=0.82
    )
    axes.plot([0, 1], [0, 1], linestyle="--", color=QUIET, linewidth=1)
    lines, styles = [], model_styles(shares)
    for i, (name, (below, reached)) in enumerate(shares.items()):
        at = np.asarray(levels) + 0.014 * (i - (len(shares) - 1) / 2)
        axes.vlines(at, below, reached, color=styles[name][0], linewidth=5, alpha=0.85)
        lines.append((name, float(reached[-1]), styles[name][0]))
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.005)
    axes.set_aspect("equal")
    axes.set_xlabel("level of the quantile")
    axes.set_ylabel("share of minutes under the quantile")
    label_ends(axes, lines)
    return figure


def forecast_against_actual(
    times: Times,
    actual: Values,
    origin: np.datetime64,
    mean: Values,
    bands: Sequence[tuple[str, Values, Values]],
    *,
    where: str = "whole network",
    interval: int = 1,
    timezone: str = "",
    note: str = "",
) -> Figure:
    """The next hour as it was forecast, and what then happened.

    Args:
        times: local wall clock of the truth, datetime64 [T], before and after the origin.
        actual: people per interval, [T]; NaN where not known.
        origin: local start of the forecast hour.
        mean: expected people per interval, [H].
        bands: (label, low [H], high [H]), the widest first.
        where: what is shown, for the title.
        interval: minutes per step.
        timezone: shown on the axis.
        note: ends the line under the title.
    """
    from matplotlib.dates import date2num

    known, later = (times < origin) & np.isfinite(actual), (times >= origin) & np.isfinite(actual)
    subtitle = f"forecast made {minute(origin)}" + (", against what then happened" if later.any() else "")
    figure, (axes,) = new_figure(
        f"The next hour, {where}",
        f"{subtitle}; {note}" if note else subtitle,
        size=(10, 4.8),
        ends=0.97,
        legend=True,
    )
    ahead = origin + np.arange(len(mean)) * np.timedelta64(interval, "m")
    for i, (label, low, high) in enumerate(bands):
        axes.fill_between(ahead, low, high, color=BLUE, alpha=0.14 + 0.12 * i, linewidth=0, label=label)
    if known.any():
        axes.plot(times[times < origin], actual[times < origin], color=INK, linewidth=1.3, label="counted before")
    if later.any():
        axes.plot(times[later], actual[later], "o", color=RED, markersize=3.2, label="counted after")
    axes.plot(ahead, mean, color=BLUE, linewidth=2.6, label="forecast")
    axes.axvline(float(date2num(origin)), color=QUIET, linewidth=1, linestyle=":")
    clock_axis(axes, times)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"local time ({timezone})" if timezone else "local time")
    axes.set_ylabel(people(interval))
    add_legend(figure, [axes])
    return figure


def _models(axes: Axes, x: Values, errors: Mapping[str, Sequence[float]], from_zero: bool = True) -> None:
    """One line per model, the challenger on top, labelled at its end."""
    lines, styles = [], model_styles(errors)
    for name, values in errors.items():
        colour, width, dash = styles[name]
        series = np.asarray(values, dtype=float)
        axes.plot(x, series, color=colour, linewidth=width, linestyle=dash, zorder=3 if name in ROLE_STYLES else 2)
        seen = series[np.isfinite(series)]
        lines.append((name, float(seen[-1]) if len(seen) else np.nan, colour))
    if len(x) > 1:
        axes.set_xlim(x.min(), x.max())
    if from_zero:
        axes.set_ylim(bottom=0)
    label_ends(axes, lines)
