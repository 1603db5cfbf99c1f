"""The picture of a retraining's errors by horizon, for a flow run's artifact."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from tasks.model.plots import plots
from tasks.plot_style import people


def draw_error_by_horizon(by_horizon: Mapping[str, Sequence[float]], interval: int) -> bytes:
    """PNG of the error at each step ahead, challenger and champion standing out.

    Args:
        by_horizon: model -> mean absolute error of a station's step, in people, per step ahead.
        interval: minutes per step.
    """
    steps = max(len(errors) for errors in by_horizon.values())
    minutes = [(i + 1) * interval for i in range(steps)]
    figure = plots.error_by_horizon(minutes, by_horizon, f"mean absolute error, {people(interval)}")
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110)
    return out.getvalue()
