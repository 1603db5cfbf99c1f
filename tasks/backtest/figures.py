"""Figures that hold a replay against last week and against chance: scaled errors, tiers, widths, noise floors.

The rival is the same weekday last week. The noise floor is the error of whoever knew the true rate of a Poisson count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.backtest.sums import COVERED, ERRORS
from tasks.busy_hours import peak_figures
from tasks.metrics import Double, finite
from tasks.tiers import TIERS, noise_floor, station_tiers


def scaled_errors(errors: Double) -> dict[str, float]:
    """MASE and RMSSE of sums [C, S, E]: error over that of last week, mean over the series that last week misses.

    R. J. Hyndman and A. B. Koehler, "Another look at measures of forecast accuracy", 2006, with the rival's errors on
    the same hours.
    """
    at = _by_name(errors)
    mase = _mean_ratio(at["paired_absolute"], at["naive_absolute"])
    return finite({"mase": mase, "rmsse": _mean_ratio(at["paired_squared"], at["naive_squared"], root=True)})


def width_figures(errors: Double, widths: Sequence[int]) -> dict[str, dict[str, float]]:
    """Figures of sums [W, E] by the minutes that were summed.

    Returns:
        `rmse` and `mae` in people, `wape`; `noise_floor`, the RMSE of the true rate, and `noise_share`, its share of
        the squared error; `headroom`, the share of what last week could be bettered by that was gained; `skill`, the
        absolute error saved over last week.
    """
    return {str(width): _errors(row) for width, row in zip(widths, errors, strict=True)}


def tier_figures(errors: Double, covered: Double, peaks: Double, volume: Double) -> dict[str, dict[str, float]]:
    """Figures of thirds of the stations.

    Args:
        errors: [C, S, W, E].
        covered: [C, S, B, 5].
        peaks: [C, S, 4].
        volume: [C, S, E] of the hour, all targets, by which the thirds are cut.
    """
    at = _by_name(volume)
    people = np.divide(at["actual"], at["spans"], out=np.zeros_like(at["actual"]), where=at["spans"] > 0).sum(axis=0)
    return {
        name: {
            "stations": float(len(group)),
            **_errors(errors[:, group, -1].sum(axis=(0, 1))),
            **scaled_errors(errors[:, group, -1]),
            **minute_figures(covered[:, group, -1].sum(axis=(0, 1))),
            **finite(peak_figures(peaks[:, group].sum(axis=(0, 1)))),
        }
        for name, group in zip(TIERS, station_tiers(people), strict=False)
    }


def minute_figures(covered: Double) -> dict[str, float]:
    """Shares of minutes [5] within the 50, 80 and 90 % intervals, and the CRPS per minute."""
    minutes = covered[0]
    shares = {name: float(n / minutes) for name, n in zip(COVERED[1:], covered[1:], strict=True) if minutes}
    return finite(shares)


def _errors(row: Double) -> dict[str, float]:
    at = {name: float(value) for name, value in _by_name(row).items()}
    floor, paired = noise_floor(at["actual"], at["spans"]) ** 2, at["paired"]
    squared = _ratio(at["squared"], at["spans"])
    naive, ours = _ratio(at["naive_squared"], paired), _ratio(at["paired_squared"], paired)
    return finite(
        {
            "rmse": squared**0.5,
            "mae": _ratio(at["absolute"], at["spans"]),
            "wape": _ratio(at["absolute"], at["actual"]),
            "bias": _ratio(at["forecast"] - at["actual"], at["actual"]),
            "peak_wape": _ratio(at["weighted_absolute"], at["squared_actual"]),
            "skill": 1 - _ratio(at["paired_absolute"], at["naive_absolute"]),
            "noise_floor": floor**0.5,
            "noise_share": _ratio(floor, squared),
            "headroom": _ratio(naive - ours, naive - floor) if naive > floor else float("nan"),
        }
    )


def _by_name(errors: Double) -> dict[str, Double]:
    """The sums [..., E] by name."""
    return dict(zip(ERRORS, np.moveaxis(errors, -1, 0), strict=True))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _mean_ratio(ours: Double, theirs: Double, root: bool = False) -> float:
    some = theirs > 0
    ratio = ours[some] / theirs[some]
    return float(np.mean(np.sqrt(ratio) if root else ratio)) if some.any() else float("nan")
