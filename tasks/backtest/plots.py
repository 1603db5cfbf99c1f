"""Pictures of a replay's report: the models side by side."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.plot_style import INK, QUIET, darker, label_ends, model_styles, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCOPES = {"stations": "every station's hour", "network": "the network's hour"}


def pictures(report: dict[str, Any]) -> Iterable[tuple[str, Figure]]:
    """Name and picture: errors, errors by horizon, by day and by hour of day, and calibration."""
    yield "errors", draw_errors(report)
    yield "horizon", draw_lines(report, "by_band", "mae_band", "Error by minutes ahead", "people in the band, MAE")
    yield (
        "days",
        draw_lines(report, "by_day", "rmse_hour", "Error by service day of the origin", "people an hour, RMSE"),
    )
    yield (
        "hours",
        draw_lines(report, "by_hour_of_day", "rmse_hour", "Error by hour of the origin", "people an hour, RMSE"),
    )
    yield "calibration", draw_calibration(report)


def draw_errors(report: dict[str, Any]) -> Figure:
    """RMSE of the hour of every model, of stations and network, best first; seeds' spread as a whisker."""
    figure, _ = new_figure("RMSE of the hour", _about(report), size=(9, 1.9 + 0.42 * len(report["models"])))
    figure.clear()
    return _bars(figure, report)


def _bars(figure: Figure, report: dict[str, Any]) -> Figure:
    height = figure.get_figheight()
    left = 0.12 / figure.get_figwidth()
    figure.text(left, 1 - 0.13 / height, "RMSE of the hour", fontsize=14, fontweight="bold", color=INK, va="top")
    figure.text(left, 1 - 0.42 / height, _about(report), fontsize=9.5, color=QUIET, va="top")
    panels = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.2, right=0.96, top=1 - 1.15 / height, bottom=0.5 / height, wspace=0.75)
    for axes, (scope, what) in zip(panels, SCOPES.items(), strict=True):
        values = {name: of[scope]["all"]["overall"].get("rmse_hour", np.nan) for name, of in report["models"].items()}
        order = sorted(values, key=lambda name: -values[name])
        spread = [_spread(report, name, scope) for name in order]
        styles = model_styles(report["models"])
        bars = axes.barh(
            order, [values[n] for n in order], color=[styles[n][0] for n in order], xerr=spread, height=0.6
        )
        axes.bar_label(bars, fmt="%.1f", padding=4, color=INK, fontsize=9)
        axes.set_title(what, fontsize=10, color=QUIET, loc="left")
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.tick_params(colors=QUIET, labelsize=9, length=0)
        axes.set_xticks([])
        axes.margins(x=0.16)
    return figure


def draw_lines(report: dict[str, Any], by: str, what: str, title: str, unit: str) -> Figure:
    """A figure of the stations along one axis of the report, one line per model."""
    figure, [axes] = new_figure(title, f"{_about(report)}; {unit}")
    ends, names = [], []
    for name, (colour, width, dash) in model_styles(report["models"]).items():
        rows = report["models"][name]["stations"]["all"][by]
        names = [key for key in rows if by != "by_band" or key != list(rows)[-1]]
        values = [rows[key].get(what, np.nan) for key in names]
        if values:
            axes.plot(range(len(values)), values, color=colour, linewidth=width, linestyle=dash)
            ends.append((name, values[-1], colour))
    stride = max(-(-len(names) // 10), 1)
    axes.set_xticks(range(0, len(names), stride), names[::stride])
    axes.set_ylim(bottom=0)
    label_ends(axes, ends)
    return figure


def draw_calibration(report: dict[str, Any]) -> Figure:
    """Share of minutes at or below each quantile against its level; on the diagonal is right."""
    figure, [axes] = new_figure(
        "Calibration", f"{_about(report)}; share of minutes at or below a quantile", size=(6.5, 5), ends=0.74
    )
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=":")
    ends = []
    for name, (colour, width, dash) in model_styles(report["models"]).items():
        shares = report["models"][name]["stations"]["all"]["calibration"]
        if shares:
            axes.plot([float(level) for level in shares], list(shares.values()), dash, color=colour, linewidth=width)
            ends.append((name, list(shares.values())[-1], darker(colour)))
    axes.set_xlabel("quantile")
    label_ends(axes, ends)
    return figure


def _spread(report: dict[str, Any], name: str, scope: str) -> float:
    spread = report["models"][name].get("spread")
    return float(spread[scope]["all"]["overall"].get("rmse_hour", 0.0)) if spread else 0.0


def _about(report: dict[str, Any]) -> str:
    seeds = f", mean of {len(report['seeds'])} seeds" if len(report["seeds"]) > 1 else ""
    span = f"{report['first_origin'][:10]} to {report['last_origin'][:10]}"
    return f"{span}, {report['origins']:,} origins, {report['stations']:,} stations{seeds}"
