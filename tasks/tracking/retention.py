"""Retention in MLflow: old versions, logged models, runs and their files go; what an alias names stays.

`mlflow gc` leaves registered versions and, of logged models, the files. Here both go, and on a database of our own the
rows, too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.settings.tree import Settings
from tasks.tracking.run import Tracking
from tasks.tracking.runs import LIVE_TAG, RETRAIN_TAG

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

PAGE = 1000


@dataclass(frozen=True)
class RemovedNights:
    """What went of MLflow.

    Attributes:
        before: day of the oldest night that was kept for its age, YYYY-MM-DD.
        runs: how many retrainings went.
        versions: registered versions that went with them.
    """

    before: str
    runs: int
    versions: tuple[str, ...]


def remove_old_nights(
    tracking: Tracking, settings: Settings, keep: int, protected: Collection[str]
) -> RemovedNights | None:
    """Remove all retrainings but the newest, with all that they logged.

    A night stays, however old, if it is running, or if one of its versions has an alias or is protected.

    Args:
        tracking: an open connection.
        settings: the tree.
        keep: how many of the newest stay.
        protected: versions that stay.

    Returns:
        None where there was nothing to remove.
    """
    nights = [*_nights(tracking, settings)]
    if len(nights) <= keep:
        return None
    gone, versions = 0, list[str]()
    for night in nights[keep:]:
        own = _versions(tracking, settings, night.info.run_id)
        if night.info.status == "RUNNING" or any(_is_kept(tracking, settings, v, protected) for v in own):
            continue
        for version in own:
            tracking.client.delete_model_version(settings.mlflow.registered_model, version)
        _delete_models(tracking, night)
        _delete_run(tracking, night)
        gone, versions = gone + 1, [*versions, *own]
    oldest = np.datetime64(nights[keep - 1].info.start_time, "ms").astype("datetime64[D]")
    return RemovedNights(str(oldest), gone, tuple(versions)) if gone else None


def remove_old_live_runs(tracking: Tracking, settings: Settings, before: str) -> int:
    """Remove old months of live metrics; returns how many.

    Args:
        tracking: an open connection to the experiment of live metrics.
        settings: the tree.
        before: day, YYYY-MM-DD: months into which nothing was logged from then on go.
    """
    first, gone = np.datetime64(before, "ms").astype(int), 0
    of_network = re.compile(re.escape(_quoted(settings)) + r"( \d{4}-\d\d)?")  # earlier releases: one run for ever
    for run in [*_search(tracking, f"tags.`{LIVE_TAG}` != ''")]:
        ended = run.info.status != "RUNNING" and run.info.end_time < first
        if ended and of_network.fullmatch(run.data.tags[LIVE_TAG]):
            _delete_run(tracking, run)
            gone += 1
    return gone


def _nights(tracking: Tracking, settings: Settings) -> Iterator[MlflowRun]:
    """Retrainings of the network, the newest first."""
    return _search(tracking, f"tags.`{RETRAIN_TAG}` != '' and tags.`nexthour.network` = '{_quoted(settings)}'")


def _quoted(settings: Settings) -> str:
    """Name of the network as tags have it."""
    return settings.network.name.replace("'", "")


def _search(tracking: Tracking, asked: str) -> Iterator[MlflowRun]:
    """Runs of the experiment, the newest first."""
    token = None
    while True:
        found = tracking.client.search_runs(
            [tracking.experiment],
            asked,
            max_results=PAGE,
            order_by=["attributes.start_time DESC"],
            page_token=token,
        )
        yield from found
        if not (token := found.token):
            return


def _versions(tracking: Tracking, settings: Settings, run_id: str) -> list[str]:
    name = settings.mlflow.registered_model
    return [str(v.version) for v in tracking.client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")]


def _is_kept(tracking: Tracking, settings: Settings, version: str, protected: Collection[str]) -> bool:
    """Whether a version must stay; asked last thing before it would go, as aliases are moved at any time."""
    return version in protected or bool(
        tracking.client.get_model_version(settings.mlflow.registered_model, version).aliases
    )


def _delete_models(tracking: Tracking, night: MlflowRun) -> None:
    """Delete the logged models of a run, files first."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    client, store = tracking.client, tracking.client._tracking_client.store
    of_run = f"source_run_id = '{night.info.run_id}'"
    for model in client.search_logged_models([tracking.experiment], filter_string=of_run):
        _delete_files(model.artifact_location)
        client.delete_logged_model(model.model_id)
        if isinstance(store, SqlAlchemyStore):
            store._hard_delete_logged_model(model.model_id)


def _delete_run(tracking: Tracking, night: MlflowRun) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = tracking.client._tracking_client.store
    _delete_files(night.info.artifact_uri)
    tracking.client.delete_run(night.info.run_id)
    if isinstance(store, SqlAlchemyStore):
        store._hard_delete_run(night.info.run_id)


def _delete_files(uri: str) -> None:
    """Delete a folder of artifacts; one that is not there is fine."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository = get_artifact_repository(uri)
    if repository.list_artifacts():
        repository.delete_artifacts()
