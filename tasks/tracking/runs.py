"""Runs and metrics in MLflow. With `registry.py` the only home of MLflow, imported where it is used.

The default is SQLite under the data root, without any server; `[mlflow] tracking_uri` names another. Nothing that
publishes depends on it: a registry that does not answer raises `TrackingError` within seconds.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import NexthourError
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tracking.provenance import redact
from tasks.tracking.run import Run, Tracking, mlflow_errors
from tasks.tracking.uri import artifact_root, tracking_uri, ui_address

if TYPE_CHECKING:
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

    try:
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        with Store(settings.data_root).lock("mlflow"):
            client = _client(settings, uri)
            experiment = _experiment(client, settings.mlflow.experiment + suffix, artifact_root(settings))
        yield Tracking(client, shown, experiment, ui_address(settings))
    except mlflow_errors() as error:
        raise TrackingError(_sentence(shown, str(error))) from error


def _sentence(uri: str, message: str) -> str:
    """One line of the error of MLflow, or of the way to it."""
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
    with resume(find_or_create(tracking, tag, value, name, tags, parent), nested=parent is not None) as run:
        yield run


@contextmanager
def resume(run: Run, *, nested: bool = False) -> Iterator[Run]:
    """The run, which MLflow's own functions log into, until the block ends and the run with it.

    Args:
        run: was found or made.
        nested: whether the block of another run is open.
    """
    import mlflow

    with mlflow.start_run(run_id=run.run_id, nested=nested):
        yield run


def find_or_create(
    tracking: Tracking, tag: str, value: str, name: str, tags: Mapping[str, str], parent: Run | None = None
) -> Run:
    """The run of `open_run`, running from now on; nothing ends it."""
    client, quoted = tracking.client, value.replace("'", "")
    found = client.search_runs([tracking.experiment], f"tags.`{tag}` = '{quoted}'", max_results=1)
    if found:
        run_id = str(found[0].info.run_id)
        client.update_run(run_id, status="RUNNING")
    else:
        own = {tag: quoted} | ({"mlflow.parentRunId": parent.run_id} if parent else {})
        run_id = str(client.create_run(tracking.experiment, tags=own, run_name=name).info.run_id)
    run = Run(tracking, run_id)
    if tags:
        run.tags(tags)
    return run
