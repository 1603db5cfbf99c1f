"""Tiers of stations by how many people they count, and how much of what could be gained on each a model gains."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt

TIERS = ("busiest third", "middle third", "quietest third")


def station_tiers(volume: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int64], ...]:
    """Station positions by thirds of the number of stations, busiest first; empty thirds are left out."""
    order = np.argsort(-np.nan_to_num(volume), kind="stable")
    return tuple(part for part in np.array_split(order, len(TIERS)) if len(part))


def noise_floor(people: float, spans: float) -> float:
    """Root mean squared error of whoever knew the true rate of Poisson counts, that many people in that many spans."""
    return float(np.sqrt(people / spans)) if spans else float("nan")


def headroom_taken(
    figures: Mapping[str, Mapping[str, float]], baselines: Collection[str], error: str = "rmse_hour"
) -> dict[str, float]:
    """Share of the squared error between the best baseline and the noise floor that each model saves.

    1 is a model that errs by chance alone, 0 one as good as the best baseline, and less than 0 a worse one. Empty
    without a baseline, or where the best of them is at the floor.

    Args:
        figures: model -> figures of the same hours, `noise_floor` among them.
        baselines: names of the models that are baselines.
        error: name of the root mean squared error among the figures.
    """
    known = {name: of for name, of in figures.items() if np.isfinite([of.get(error, np.nan)]).all()}
    rivals = [known[name][error] for name in baselines if name in known]
    if not rivals:
        return {}
    best = min(rivals) ** 2
    taken = {}
    for name, of in known.items():
        floor = of.get("noise_floor", np.nan) ** 2
        if best > floor:
            taken[name] = (best - of[error] ** 2) / (best - floor)
    return taken
