"""Runs and metrics in MLflow. With `registry.py` the only home of MLflow, imported where it is used.

The default is SQLite under the data root, without any server; `[mlflow] tracking_uri` names another. Nothing that
publishes depends on it: a registry that does not answer raises `TrackingError` within seconds.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.errors import ConfigError, NexthourError
from tasks.settings import Settings
from tasks.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

RETRAIN_TAG = "nexthour.retrain_id"
LIVE_TAG = "nexthour.live"
SECRET = re.compile(r"pass(word|wd)?$|secret|token|credential|api_?key|authorization|headers$", re.IGNORECASE)
USER_INFO = re.compile(r"(?<=://)[^/@\s]*@")
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


def tracking_uri(settings: Settings) -> str:
    """Where runs are logged: the configured URI, else SQLite under the data root.

    Raises:
        ConfigError: if the data root is remote and no URI is set.
    """
    if settings.mlflow.tracking_uri:
        return settings.mlflow.tracking_uri
    local = Store(settings.data_root).local
    if local is None:
        raise ConfigError(
            f"data root {settings.data_root} is remote, where SQLite cannot live: set [mlflow] tracking_uri"
        )
    return f"sqlite:///{local}/mlflow/mlflow.db"


def artifact_root(settings: Settings) -> str | None:
    """Absolute place of artifacts; None where a tracking server decides it."""
    if "://" in tracking_uri(settings) and tracking_uri(settings).startswith(("http://", "https://", "databricks")):
        return None
    return Store(settings.data_root).url("mlflow/artifacts")


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
    shown = redacted(uri)
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
        yield Tracking(mlflow.MlflowClient(), shown, _experiment(settings, settings.mlflow.experiment + suffix))
    except (MlflowException, RequestException, SQLAlchemyError) as error:
        raise TrackingError(_sentence(shown, str(error))) from error


def _sentence(uri: str, message: str) -> str:
    """One line of what MLflow, or the way to it, said."""
    if "HTTPConnectionPool" in message or "HTTPSConnectionPool" in message:
        return f"MLflow at {uri} does not answer: start it, or correct [mlflow] tracking_uri"
    first = message.strip().partition("\n")[0][:300]
    return f"MLflow at {uri} refused: {redacted(first)}"


def _experiment(settings: Settings, name: str) -> str:
    """Id of the experiment; made once, under a lock, with an absolute artifact location."""
    import mlflow

    store = Store(settings.data_root)
    if store.local and not settings.mlflow.tracking_uri:
        (store.local / "mlflow").mkdir(parents=True, exist_ok=True)
    with store.lock("mlflow"):
        client = mlflow.MlflowClient()
        found = client.get_experiment_by_name(name)
        if found is None:
            root = artifact_root(settings)
            return str(
                client.create_experiment(
                    name,
                    artifact_location=f"{root}/{name}" if root else None,
                    tags={"mlflow.experimentKind": "custom_model_development"},
                )
            )
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)


@dataclass(frozen=True)
class Run:
    """One run, open for logging."""

    tracking: Tracking
    run_id: str

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
        """Log one value a metric; those that are not finite are left out."""
        self.series({name: [value] for name, value in values.items()}, at, [step])

    def series(self, values: Mapping[str, Sequence[float]], at: np.datetime64, steps: Sequence[int]) -> None:
        """Log a value a step for every metric; the same series twice is one."""
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
        self.tracking.client.log_inputs(self.run_id, [DatasetInput(seen, [InputTag("mlflow.data.context", "training")])])


@contextmanager
def open_run(tracking: Tracking, tag: str, value: str, name: str, tags: Mapping[str, str]) -> Iterator[Run]:
    """The run that carries `tag = value`: resumed if it is there, else started; ends when the block does.

    Args:
        tracking: an open connection.
        tag: name of the tag that makes a run the same one.
        value: its value.
        name: what the UI shows.
        tags: more tags.
    """
    import mlflow

    client = tracking.client
    quoted = value.replace("'", "")
    found = client.search_runs([tracking.experiment], f"tags.`{tag}` = '{quoted}'", max_results=1)
    if found:
        run_id = str(found[0].info.run_id)
    else:
        run_id = str(client.create_run(tracking.experiment, tags={tag: quoted}, run_name=name).info.run_id)
    with mlflow.start_run(run_id=run_id):
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


def redacted(text: str) -> str:
    """Text with user names and passwords of URLs masked."""
    return USER_INFO.sub("***@", text)


def resolved(settings: Settings) -> dict[str, Any]:
    """The settings as JSON-able values, secrets masked."""

    def clean(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: clean(inner, str(name)) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [clean(inner, key) for inner in value]
        if value is not None and SECRET.search(key):
            return "***"
        return redacted(value) if isinstance(value, str) else value

    cleaned: dict[str, Any] = clean(settings.model_dump(mode="json"))
    return cleaned


def flattened(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Leaves of a tree by dotted name; lists of plain values are one leaf."""
    flat: dict[str, str] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            value = {str(i): item for i, item in enumerate(value)}
        if isinstance(value, dict):
            flat.update(flattened(value, f"{name}."))
        elif value is not None:
            flat[name] = json.dumps(value) if isinstance(value, list) else str(value)
    return flat


def git_commit(folder: Path) -> str | None:
    """Commit that a working tree stands on, None outside one."""
    git = next((p / ".git" for p in (folder, *folder.parents) if (p / ".git").is_dir()), None)
    if git is None:
        return None
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        if (git / name).is_file():
            return (git / name).read_text().strip()
        packed = (git / "packed-refs").read_text().splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)
    except OSError:
        return None
