"""A study of configs in MLflow: a run with the best config, and beneath it one run a trial."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tasks.settings.tree import Settings
from tasks.tracking import runs

log = logging.getLogger(__name__)

SUFFIX, TAG = "-tune", "nexthour.study"
EPOCH = np.datetime64("1970-01-01T00:00", "ms")


def log_study(
    settings: Settings, name: str, model: str, metric: str, trials: Sequence[Mapping[str, Any]], toml: str
) -> str | None:
    """Log a study, once however often it goes on; returns the id of its run, None where MLflow does not answer.

    Args:
        settings: the tree.
        name: of the study.
        model: what was tuned.
        metric: by what.
        trials: `number`, `values`, `loss` and `state` of each.
        toml: the best config.
    """
    own = {"nexthour.model": model, "mlflow.user": "nexthour", "mlflow.source.name": "nexthour tune"}
    losses = [trial["loss"] for trial in trials if trial["state"] == "complete"]
    try:
        with (
            runs.connect(settings, SUFFIX) as mlflow,
            runs.open_run(mlflow, TAG, name, name, {"mlflow.note.content": f"```toml\n{toml}```", **own}) as run,
        ):
            run.text("best.toml", toml)
            run.metrics({f"best/{metric}": min(losses)} if losses else {}, EPOCH)
            for trial in trials:
                label = f"trial {trial['number']}"
                tags = {**own, "nexthour.state": trial["state"]}
                with runs.open_run(mlflow, TAG, f"{name} {label}", label, tags, run) as child:
                    child.params(trial["values"])
                    child.metrics({metric: trial["loss"]} if trial["loss"] is not None else {}, EPOCH)
            return run.run_id
    except runs.TrackingError as error:
        log.warning("%s; the study is not logged", error)
        return None
