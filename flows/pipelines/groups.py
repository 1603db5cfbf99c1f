"""Groups of stations that are trained side by side in the workers of a cluster."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np

from flows.pipelines.executors import available_cores, open_workers
from tasks.errors import ConfigError
from tasks.model.steps import FitApart, Group, collect_fits, fit_apart, load_version
from tasks.settings.tree import Settings
from tasks.storage.store import Store

if TYPE_CHECKING:
    from tasks.model.steps import FitGroups, GroupFit

log = logging.getLogger(__name__)

FOLDER = "training"
"""Below the data root: bundles of groups until their night is over."""


@dataclass(frozen=True)
class GroupsJob:
    """All that a worker needs to fit a group besides its stations; small.

    Attributes:
        settings: the tree, whose data root every worker sees.
        as_of: of the training, UTC.
        first, last: origins of its features.
        model: architecture.
        champion: version of the present champion; None without one.
        folder: of the bundles of this night; a new name, so that nothing of an earlier one can land there late.
    """

    settings: Settings
    as_of: np.datetime64
    first: np.datetime64
    last: np.datetime64
    model: str
    champion: str | None
    folder: str


@contextmanager
def open_group_fits(
    settings: Settings,
    as_of: np.datetime64,
    span: tuple[np.datetime64, np.datetime64],
    model: str | None,
    champion: str | None,
) -> Iterator[FitGroups | None]:
    """What fits the groups in a cluster; None where there is no cluster or no group. Bundles go away at the end."""
    if settings.runner.kind == "threads" or not settings.groups.asked:
        yield None
        return
    store = Store(settings.data_root)
    folder = f"{FOLDER}/{uuid4().hex[:8]}"
    job = GroupsJob(settings, as_of, *span, model or settings.retrain.model, champion, folder)
    with store.lock(FOLDER):
        _remove(store)  # what a night left that was killed
        try:
            yield partial(_fit_in_workers, job)
        finally:
            _remove(store)


def _fit_in_workers(job: GroupsJob, groups: Sequence[Group]) -> list[GroupFit]:
    """Fit every group in a worker; one whose worker fails, or is killed again and again, stops no other.

    Raises:
        ConfigError: if the architecture or its config is unknown.
        HistoryError, ModelError: if all failed.
    """
    runner, done = job.settings.runner, list[FitApart]()
    with open_workers(runner, min(runner.workers or available_cores(), len(groups))) as workers:
        running: list[Future[FitApart]] = [
            workers.executor.submit(_fit_one, job, number, group) for number, group in enumerate(groups)
        ]
        for group, future in zip(groups, running, strict=True):
            try:
                done.append(future.result())
            except ConfigError:
                raise
            # As in a fit of this process, and also where a worker is lost: the nights of other groups go on.
            except Exception as error:
                log.error("group %s failed; it keeps its champion: %r", group.name, error)
                done.append(FitApart.failed(group, error))
    return collect_fits(job.settings, done)


def _remove(store: Store) -> None:
    for path in store.files(FOLDER):
        store.delete(path)
    if store.local is not None:
        shutil.rmtree(store.local / FOLDER, ignore_errors=True)


def _fit_one(job: GroupsJob, number: int, group: Group) -> FitApart:
    """Fit one group in a worker, which reads the minutes itself."""
    from tasks.features.steps import load_features
    from tasks.ingest.steps import read_channels

    channels = read_channels(job.settings) if job.settings.channels else ()
    features = load_features(job.settings, job.first, job.last, job.as_of, channels)
    champion = None if job.champion is None else load_version(job.settings, job.champion)
    return fit_apart(job.settings, features, job.as_of, job.model, group, champion, f"{job.folder}/{number}")
