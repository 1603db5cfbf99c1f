"""How published forecasts do, in MLflow: the network's run of a month, and the versions that made the forecasts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tasks.settings.tree import Settings
from tasks.tracking.registry import model_id_of
from tasks.tracking.run import Run, Tracking, is_absent
from tasks.tracking.runs import LIVE_TAG, connect, open_run

TAGGED = ("rmse_hour", "mae_hour", "coverage_80")
"""Figures that the tags of a version state, so that the list of versions shows them."""


def log_live_metrics(
    settings: Settings,
    metrics: Mapping[str, float],
    step: int,
    as_of: np.datetime64,
    by_version: Mapping[str, Mapping[str, float]] | None = None,
) -> str:
    """Log how the published forecasts do into the network's run of that month; returns its id.

    Args:
        settings: the tree.
        metrics: name -> value.
        step: position on the axis, e.g. hours since 1970.
        as_of: when they were true, UTC.
        by_version: figures of each model's own forecasts; registered versions show them as `live/<figure>`.

    Raises:
        TrackingError: if MLflow does not answer.
    """
    name, month = settings.network.name, str(as_of.astype("datetime64[M]"))
    with connect(settings, "-live") as tracking:
        for version, figures in (by_version or {}).items():
            if version.isdecimal():
                _log_version(tracking, settings, version, figures, step, as_of)
        with open_run(tracking, LIVE_TAG, f"{name} {month}", f"live: {name}, {month}", {}) as run:
            run.metrics(metrics, as_of, step)
            return run.run_id


def _log_version(
    tracking: Tracking,
    settings: Settings,
    version: str,
    figures: Mapping[str, float],
    step: int,
    as_of: np.datetime64,
) -> None:
    """Log figures to the run, logged model and tags of a version; one that is gone has none."""
    from mlflow.exceptions import MlflowException

    client, name = tracking.client, settings.mlflow.registered_model
    try:
        found = client.get_model_version(name, version)
        live = {f"live/{figure}": value for figure, value in figures.items()}
        Run(tracking, str(found.run_id)).metrics(live, as_of, step, model_id_of(found))
    except MlflowException as error:
        if is_absent(error):
            return
        raise
    tags = {f"live.{figure}": f"{figures[figure]:.4g}" for figure in TAGGED if figure in figures}
    for key, value in {**tags, "live.until": f"{as_of.astype('datetime64[m]')}Z"}.items():
        client.set_model_version_tag(name, version, key, value)
