"""Retention of nights: runs, versions and live metrics in MLflow, and the bundles of those versions on disk."""

from __future__ import annotations

import logging

from tasks.model.promotion.champion import POINTER, bundle_folder
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tracking.retention import RemovedNights, remove_old_live_runs, remove_old_nights
from tasks.tracking.runs import TrackingError, connect

log = logging.getLogger(__name__)


def remove_nights(settings: Settings) -> RemovedNights | None:
    """Remove the nights that `[mlflow] keep_nights` no longer keeps; None where nothing went, or MLflow is away.

    The champion, what a rollback returns to, and every version with an alias stay. With the nights go the months of
    live metrics that ended before those that are kept.

    Raises:
        StoreError: if a bundle cannot be removed.
    """
    if settings.mlflow.keep_nights is None:
        return None
    store = Store(settings.data_root)
    pointer = store.read_json(POINTER) or {}
    protected = {pointer.get("version"), *pointer.get("earlier", [])} - {None}
    try:
        with connect(settings) as tracking:
            removed = remove_old_nights(tracking, settings, settings.mlflow.keep_nights, protected)
        if removed is not None:
            with connect(settings, "-live") as tracking:
                remove_old_live_runs(tracking, settings, removed.before)
    except TrackingError as error:
        log.warning("no old night was removed: %s", error)
        return None
    for version in removed.versions if removed else ():
        for path in sorted(store.files(bundle_folder(version)), key=lambda p: not p.endswith("/bundle.json")):
            store.delete(path)  # the head first: a bundle without one is none
    return removed
