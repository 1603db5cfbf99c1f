"""Runs and metrics in MLflow. With `registry.py` the only home of MLflow, imported where it is used.

The default is SQLite under the data root, without any server; `[mlflow] tracking_uri` names another. Nothing that
publishes depends on it: a registry that does not answer raises `TrackingError` within seconds.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.errors import NexthourError
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tracking.provenance import redact
from tasks.tracking.uri import artifact_root, tracking_uri

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

RETRAIN_TAG = "nexthour.retrain_id"
LIVE_TAG = "nexthour.live"
ABOUT = (
    "Next-hour ridership. A run is a retraining, described by the gate's decision; in `-live` the one that follows the "
    "published forecasts; in `-backtest` a backtest, with its models beneath; in `-tune` a study, with its trials."
)
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "DO_NOT_TRACK": "1",
}


class TrackingError(NexthourError):
    """MLflow does not answer, or refuses."""


@dataclass(frozen=True)
class Tracking:
    """An open connection.

    Attributes:
        client: MLflow's client.
        uri: tracking URI without credentials, for people.
        experiment: id of the experiment of retrainings, or of live metrics.
    """

    client: MlflowClient
    uri: str
    experiment: str


@contextmanager
def connect(settings: Settings, suffix: str = "") -> Iterator[Tracking]:
    """A connection, and the experiment made if it is not there.

    Args:
        settings: the tree.
        suffix: appended to the experiment's name.

    Raises:
        ConfigError: see `tracking_uri`.
        TrackingError: if MLflow does not answer or refuses, here or inside the block.
    """
    uri = tracking_uri(settings)
    shown = redact(uri)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    import mlflow
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        with Store(settings.data_root).lock("mlflow"):
            client = _client(settings, uri)
            experiment = _experiment(client, settings.mlflow.experiment + suffix, artifact_root(settings))
        yield Tracking(client, shown, experiment)
    except (MlflowException, RequestException, SQLAlchemyError) as error:
        raise TrackingError(_sentence(shown, str(error))) from error


def _sentence(uri: str, message: str) -> str:
    """One line of what MLflow, or the way to it, said."""
    if "HTTPConnectionPool" in message or "HTTPSConnectionPool" in message:
        return f"MLflow at {uri} does not answer: start it, or correct [mlflow] tracking_uri"
    first = message.strip().partition("\n")[0][:300]
    return f"MLflow at {uri} refused: {redact(first)}"


def _client(settings: Settings, uri: str) -> MlflowClient:
    """MLflow's client; a new database gets its tables, one that is down is known before MLflow tries for minutes."""
    import mlflow

    if artifact_root(settings):
        from sqlalchemy import create_engine

        if uri.startswith("sqlite:///"):
            Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        create_engine(uri).connect().close()
    return mlflow.MlflowClient()


def _experiment(client: MlflowClient, name: str, root: str | None) -> str:
    """Id of the experiment, made with an absolute artifact location if it is not there."""
    found = client.get_experiment_by_name(name)
    if found is None:
        location = f"{root}/{name}" if root else None
        tags = {"mlflow.experimentKind": "custom_model_development", "mlflow.note.content": ABOUT}
        return str(client.create_experiment(name, artifact_location=location, tags=tags))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


@dataclass(frozen=True)
class Run:
    """One run, open for logging."""

    tracking: Tracking
    run_id: str

    @property
    def url(self) -> str | None:
        """Page of the run in the UI; None without a server."""
        if not self.tracking.uri.startswith("http"):
            return None
        page = f"#/experiments/{self.tracking.experiment}/runs/{self.run_id}"
        return f"{self.tracking.uri.replace('***@', '').rstrip('/')}/{page}?workflowType=machine_learning"

    def params(self, values: Mapping[str, Any]) -> None:
        """Log parameters, each once; a value too long for MLflow is cut."""
        from mlflow.entities import Param

        known = self.tracking.client.get_run(self.run_id).data.params
        fresh = [Param(key, str(value)[:6000]) for key, value in values.items() if key not in known]
        for start in range(0, len(fresh), 100):
            self.tracking.client.log_batch(self.run_id, params=fresh[start : start + 100])

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        from mlflow.entities import RunTag

        self.tracking.client.log_batch(self.run_id, tags=[RunTag(k, str(v)[:5000]) for k, v in values.items()])

    def metrics(self, values: Mapping[str, float], at: np.datetime64, step: int = 0) -> None:
        """Log one value per metric; those that are not finite are left out."""
        self.series({name: [value] for name, value in values.items()}, at, [step])

    def series(self, values: Mapping[str, Sequence[float]], at: np.datetime64, steps: Sequence[int]) -> None:
        """Log one value per step for every metric; the same series twice is one."""
        from mlflow.entities import Metric

        moment = int(at.astype("datetime64[ms]").astype(np.int64))
        points = [
            Metric(name, float(value), moment, int(step))
            for name, series in values.items()
            for step, value in zip(steps, series, strict=False)
            if np.isfinite(value)
        ]
        for start in range(0, len(points), 1000):
            self.tracking.client.log_batch(self.run_id, metrics=points[start : start + 1000])

    def text(self, path: str, text: str) -> None:
        """Log a text file."""
        self.tracking.client.log_text(self.run_id, text, path)

    def json(self, path: str, value: Any) -> None:
        """Log a JSON file."""
        self.text(path, json.dumps(value, indent=1, sort_keys=True, default=str) + "\n")

    def figure(self, path: str, figure: Figure) -> None:
        """Log a figure as PNG."""
        self.tracking.client.log_figure(self.run_id, figure, path, save_kwargs={"dpi": 150})

    def data(self, name: str, digest: str, source: str, profile: Mapping[str, Any]) -> None:
        """Say which data the run has seen."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        seen = Dataset(name, digest[:36], "local", json.dumps({"uri": source}), profile=json.dumps(profile))
        self.tracking.client.log_inputs(
            self.run_id, [DatasetInput(seen, [InputTag("mlflow.data.context", "training")])]
        )


@contextmanager
def open_run(
    tracking: Tracking, tag: str, value: str, name: str, tags: Mapping[str, str], parent: Run | None = None
) -> Iterator[Run]:
    """The run that carries `tag = value`: resumed if it is there, else started; ends when the block does.

    Args:
        tracking: an open connection.
        tag: name of the tag that makes a run the same one.
        value: its value.
        name: what the UI shows.
        tags: more tags.
        parent: run that it is shown beneath; its block is open.
    """
    import mlflow

    client = tracking.client
    quoted = value.replace("'", "")
    found = client.search_runs([tracking.experiment], f"tags.`{tag}` = '{quoted}'", max_results=1)
    if found:
        run_id = str(found[0].info.run_id)
    else:
        own = {tag: quoted} | ({"mlflow.parentRunId": parent.run_id} if parent else {})
        run_id = str(client.create_run(tracking.experiment, tags=own, run_name=name).info.run_id)
    with mlflow.start_run(run_id=run_id, nested=parent is not None):
        run = Run(tracking, run_id)
        if tags:
            run.tags(tags)
        yield run


def log_live_metrics(settings: Settings, metrics: Mapping[str, float], step: int, as_of: np.datetime64) -> str:
    """Log how the published forecasts do into the network's one long-lived run; returns its id.

    Args:
        settings: the tree.
        metrics: name -> value.
        step: position on the axis, e.g. hours since 1970.
        as_of: when they were true, UTC.

    Raises:
        TrackingError: if MLflow does not answer.
    """
    name = settings.network.name
    with connect(settings, "-live") as tracking, open_run(tracking, LIVE_TAG, name, f"live: {name}", {}) as run:
        run.metrics(metrics, as_of, step)
        return run.run_id
