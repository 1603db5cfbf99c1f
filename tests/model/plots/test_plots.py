"""The pictures say what they show, in colours told apart, and are not empty."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from tasks import plot_style
from tasks.model.plots import plots, series

NAMES = ("challenger", "champion", "weekday_level", "weekday_mean")
LEVELS = (0.05, 0.5, 0.95)
DAY = np.datetime64("2026-03-10T00:00", "m") + np.arange(0, 1440, 5)
SHAPE = 20 + 10 * np.sin(np.arange(288) / 40)


def day(part: str, values: np.ndarray = SHAPE) -> plots.Day:
    return plots.Day(part, DAY, values, SHAPE, SHAPE - 5, SHAPE + 5)


def next_hour(timezone: str = "America/Chicago") -> Figure:
    bands = [("90 % band", SHAPE[:12] - 9, SHAPE[:12] + 9), ("50 % band", SHAPE[:12] - 3, SHAPE[:12] + 3)]
    return plots.forecast_against_actual(
        DAY[:36], SHAPE[:36], DAY[24], SHAPE[:12], bands, where="Clark/Lake", interval=5, timezone=timezone
    )


FIT = series.SeriesFit(
    DAY,
    SHAPE,
    np.where(DAY[150] > DAY, SHAPE, np.nan),
    np.where(DAY[150] > DAY, np.nan, SHAPE),
    "40380",
)

WAYS = series.ThreeWays(
    DAY,
    SHAPE,
    SHAPE + 1,
    SHAPE[: len(SHAPE) // 12 * 12].reshape(-1, 12),
    np.full(len(SHAPE), 3.0),
    "40380",
)

FIGURES: dict[str, tuple[Callable[[], Figure], list[str]]] = {
    "loss": (
        lambda: plots.loss_by_epoch([3, 2, 1], [4, 3, 1, 2], best=2),
        ["epoch", "loss", "training", "validation"],
    ),
    "days": (
        lambda: plots.days_by_part([day("training"), day("validation"), day("hold-out")], "Clark/Lake", 5),
        ["people in 5 minutes", "local time", "truth", "forecast (training)", "forecast (hold-out)", "Tue 10 Mar 2026"],
    ),
    "horizon": (
        lambda: plots.error_by_horizon(
            range(1, 61), {n: np.linspace(1, 2, 60).tolist() for n in NAMES}, "MAE, people per minute"
        ),
        ["minutes ahead", "MAE, people per minute", *NAMES],
    ),
    "hour": (
        lambda: plots.error_by_hour({n: np.linspace(1, 2, 24).tolist() for n in NAMES}, "RMSE of the hour, people"),
        ["local hour of the origin", "RMSE of the hour, people", "06:00", *NAMES],
    ),
    "calibration": (
        lambda: plots.calibration(LEVELS, {"challenger": (LEVELS, LEVELS), "champion": (LEVELS, LEVELS)}),
        ["level of the quantile", "share of minutes under the quantile", "challenger", "champion"],
    ),
    "series fit": (
        lambda: series.series_fit(FIT, DAY, 5, "entries at Clark/Lake"),
        ["local time", "people in 5 minutes", "counted", "fit (training)", "fit (validation)", "entries at Clark/Lake"],
    ),
    "three ways": (
        lambda: series.three_ways(WAYS, DAY, 5, "entries at Clark/Lake"),
        ["people in 5 minutes", "sequences of 60 minutes", "point by point", "one sequence", "entries at Clark/Lake"],
    ),
    "attention": (
        lambda: series.weight_by_week([0.1, 0.2, 0.3, 0.4]),
        ["weeks ago", "share of attention", "Attention by week", "4"],
    ),
    "next hour": (
        next_hour,
        ["local time (America/Chicago)", "people in 5 minutes", "forecast", "counted after", "90 % band", "Clark/Lake"],
    ),
}


def words(figure: Figure) -> str:
    figure.draw_without_rendering()
    from matplotlib.text import Text

    return "\n".join(text.get_text() for text in figure.findobj(Text) if text.get_visible())


@pytest.mark.parametrize("name", FIGURES)
def test_a_picture_carries_its_labels_and_units(name: str) -> None:
    make, expected = FIGURES[name]
    said = words(make())
    assert [label for label in expected if label not in said] == []


@pytest.mark.parametrize("name", FIGURES)
def test_a_picture_is_saved_and_not_blank(name: str) -> None:
    out = BytesIO()
    FIGURES[name][0]().savefig(out, dpi=60)
    from matplotlib.image import imread

    out.seek(0)
    pixels = imread(out)
    assert (pixels[..., :3].min(axis=-1) < 0.9).mean() > 0.01


@pytest.mark.parametrize("name", FIGURES)
def test_no_words_stand_on_others_or_leave_the_picture(name: str) -> None:
    figure = FIGURES[name][0]()
    figure.draw_without_rendering()
    boxes = [t.get_window_extent() for t in figure.texts] + [
        t.get_window_extent() for a in figure.axes for t in a.texts
    ]
    boxes += [legend.get_window_extent() for legend in figure.legends]
    boxes += [axes.title.get_window_extent() for axes in figure.axes if axes.title.get_text()]
    titles = [title for axes in figure.axes if (title := axes._left_title).get_text()]  # type: ignore[attr-defined]  # only private
    boxes += [title.get_window_extent() for title in titles]
    frame = figure.bbox
    assert all(frame.x0 <= b.x0 and b.x1 <= frame.x1 and frame.y0 <= b.y0 and b.y1 <= frame.y1 for b in boxes)
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :]]
    assert not any(a.overlaps(b) for a, b in pairs)


def test_pictures_share_no_state() -> None:
    import sys

    next_hour()
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_roles_keep_their_colour_whatever_else_is_drawn() -> None:
    few, many = plot_style.model_styles(["champion"]), plot_style.model_styles(["weekday_mean", *NAMES])
    assert few["champion"] == many["champion"]
    assert len({colour for colour, _, _ in plot_style.model_styles(NAMES).values()}) == len(NAMES)


@pytest.mark.parametrize("colour", [c for c, _, _ in plot_style.model_styles([*NAMES, "a", "b"]).values()])
def test_labels_can_be_read_on_white(colour: str) -> None:
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in to_rgb(plot_style.darker(colour))]
    luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    assert 1.05 / (luminance + 0.05) > 3


def test_missing_values_leave_gaps_and_stop_nothing() -> None:
    empty = np.full(288, np.nan)
    FIGURES["days"][0]().savefig(BytesIO())
    plots.days_by_part([day("training", empty)], "Clark/Lake").savefig(BytesIO())
    plots.error_by_hour({"challenger": [np.nan] * 24, "champion": [1.0] * 24}, "x").savefig(BytesIO())
    plots.loss_by_epoch([], []).savefig(BytesIO())


def test_the_loss_before_any_epoch_stands_at_epoch_nought() -> None:
    (axes,) = plots.loss_by_epoch([3, 2, 1], [4, 3, 1, 2], best=2).axes
    training, validation, kept = axes.lines
    assert np.asarray(training.get_xdata()).tolist() == [1, 2, 3]
    assert np.asarray(validation.get_xdata()).tolist() == [0, 1, 2, 3]
    assert np.asarray(kept.get_data()).tolist() == [[2], [1]]


def test_the_legend_of_an_hour_that_is_not_over_names_nothing_that_is_not_drawn() -> None:
    counts = np.where(DAY[:36] < DAY[24], SHAPE[:36], np.nan)
    figure = plots.forecast_against_actual(DAY[:36], counts, DAY[24], SHAPE[:12], [])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["counted before", "forecast"]
    assert not any("what then happened" in text.get_text() for text in figure.texts)
    over = next_hour()
    assert "counted after" in [text.get_text() for text in over.legends[0].get_texts()]


def test_errors_of_single_minutes_are_drawn_as_means_of_five_and_of_longer_steps_as_they_are() -> None:
    def drawn(interval: int) -> tuple[list[float], list[float], str]:
        minutes = range(interval, 61, interval)
        figure = plots.error_by_horizon(minutes, {"challenger": [float(m) for m in minutes]}, "MAE")
        (line,) = figure.axes[0].get_lines()
        said = " ".join(text.get_text() for text in (*figure.texts, *figure.axes[0].texts))
        return np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist(), said

    at, means, said = drawn(1)
    assert (at[:2], means[:2], len(means)) == ([5.0, 10.0], [3.0, 8.0], 12)
    assert "means of 5 minutes" in said
    at, errors, said = drawn(15)
    assert at == errors == [15.0, 30.0, 45.0, 60.0]
    assert "means" not in said
