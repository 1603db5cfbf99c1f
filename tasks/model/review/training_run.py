"""The MLflow run of one training: opened before the first epoch, so that its curves move while it trains."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.clock import to_local
from tasks.contracts import Features, FitLog
from tasks.model.review.data_sets import data_sets
from tasks.model.review.log_figures import settings_params
from tasks.model.serving.bundle import BundledForecaster
from tasks.model.training.train import split_of
from tasks.settings.tree import Settings
from tasks.tracking import provenance, runs
from tasks.tracking.curves import record
from tasks.tracking.nights import end_stale_runs
from tasks.tracking.run import Run, Tracking

log = logging.getLogger(__name__)

PROJECT = Path(__file__).parents[3]


@dataclass(frozen=True)
class FlowRun:
    """The Prefect flow run that a training is a part of.

    Attributes:
        id: of the flow run.
        url: its page, where a server shows one.
    """

    id: str
    url: str | None


@dataclass(frozen=True)
class Identity:
    """What makes two trainings the same one, so that a retried one resumes its run.

    Attributes:
        model: name of the architecture.
        as_of: moment of the training, UTC.
        data: fingerprint of the data.
        champion: version that it is compared with, None without one.
    """

    model: str
    as_of: np.datetime64
    data: str
    champion: str | None

    def value(self, settings: Settings) -> str:
        """Value of the tag `runs.RETRAIN_TAG`."""
        config = json.dumps(provenance.settings_tree(settings), sort_keys=True)
        text = "\n".join((self.model, str(self.as_of), self.data, config, str(self.champion)))
        return f"{compact(self.as_of)}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def compact(moment: np.datetime64) -> str:
    """A moment as a name: 20260310T083000."""
    return str(moment.astype("datetime64[s]")).replace("-", "").replace(":", "")


def start_run(mlflow: Tracking, settings: Settings, identity: Identity, flow_run: FlowRun | None) -> Run:
    """The run of a training, running from now on: the one that it had before, or a new one."""
    as_of = identity.as_of
    tags = {
        "nexthour.model": identity.model,
        "nexthour.network": settings.network.name,
        "nexthour.as_of": f"{as_of.astype('datetime64[s]')}Z",
        "nexthour.data": identity.data,
        "nexthour.flow_run": flow_run and flow_run.id,
        "nexthour.flow_run_url": flow_run and flow_run.url,
        "mlflow.user": "nexthour",
        "mlflow.source.name": "nexthour retrain",
        "mlflow.source.type": "JOB",
        "mlflow.source.git.commit": provenance.git_commit(PROJECT),
    }
    local = to_local(np.array([as_of], "datetime64[m]"), settings.network.timezone)[0]
    name = f"{str(local).replace('T', ' ')} {identity.model}"
    present = {key: value for key, value in tags.items() if value}
    return runs.find_or_create(mlflow, runs.RETRAIN_TAG, identity.value(settings), name, present)


@contextmanager
def follow_training(
    settings: Settings,
    features: Features,
    as_of: np.datetime64,
    model: str | None,
    champion: BundledForecaster | None,
    flow_run: FlowRun | None = None,
) -> Iterator[FitLog]:
    """Log of a fit whose epochs go to MLflow as they come; without MLflow the training goes on all the same.

    A block that ends well leaves the run for `register_challenger` to end; one that raises leaves it FAILED, or KILLED.

    Args:
        settings: the tree.
        features: of the training.
        as_of: moment of the training, UTC.
        model: architecture; `[retrain] model` by default.
        champion: present champion.
        flow_run: Prefect flow run that it is a part of.

    Raises:
        HistoryError: if there is too little history; there is no run of it then.
    """
    split, notes = split_of(features, settings, as_of, settings.retrain), FitLog()
    name, version = model or settings.retrain.model, None if champion is None else champion.version
    identity = Identity(name, as_of, provenance.data_fingerprint(features.grid, features.extra), version)
    try:
        with runs.connect(settings) as mlflow:
            end_stale_runs(mlflow)
            run = start_run(mlflow, settings, identity, flow_run)
            run.params(settings_params(settings, name, as_of, features.grid, split, identity.data))
            run.inputs([*data_sets(settings, features.grid, split).values()])
            link = f" by [this flow run]({flow_run.url})" if flow_run and flow_run.url else ""
            run.tags({"mlflow.note.content": f"Training{link}. The decision follows."})
    except runs.TrackingError as error:
        log.warning("the training is not followed in MLflow: %s", error)
        yield notes
        return
    with record(run, "loss") as curves:
        notes.on_epoch = curves.add
        yield notes
    notes.on_epoch = None
