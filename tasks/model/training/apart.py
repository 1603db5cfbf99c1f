"""Fits of groups in other processes: each leaves its model in the data root, where this one finds it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.contracts import Features, FitLog
from tasks.errors import HistoryError, ModelError
from tasks.model.groups import Group
from tasks.model.network_row import NetworkRows
from tasks.model.promotion.champion import copy_bundle
from tasks.model.serving.bundle import BundledForecaster, save_bundle
from tasks.model.serving.stored import read_stored
from tasks.model.training.by_group import GroupFit, describe, fit_group
from tasks.model.training.train import split_of, start_of_night
from tasks.settings.tree import Settings
from tasks.storage.store import Store


@dataclass(frozen=True)
class FitApart:
    """What another process says of a group's fit; small.

    Attributes:
        group: of stations.
        place: folder of its bundle below the data root; None where the fit failed.
        log: of the fit.
        error: why it failed.
        too_short: whether for too little history.
    """

    group: Group
    place: str | None
    log: FitLog
    error: str = ""
    too_short: bool = False

    @classmethod
    def failed(cls, group: Group, error: BaseException) -> FitApart:
        """A fit that an error ended, be it too little history, a fault of its model, or the loss of its worker."""
        return cls(group, None, FitLog(), describe(error), isinstance(error, HistoryError))


def fit_apart(
    settings: Settings,
    features: Features,
    as_of: np.datetime64,
    model: str,
    group: Group,
    champion: BundledForecaster | None,
    place: str,
) -> FitApart:
    """Fit one group as `train` does, and leave its bundle in a folder of the data root.

    Args:
        settings: the tree.
        features: of all stations, as the training has them.
        as_of: of the training, UTC.
        model: architecture.
        group: of stations; they are found by their names.
        champion: present one.
        place: the folder.

    Raises:
        HistoryError: if there is too little history.
        ConfigError: if the architecture or its config is unknown.
    """
    log, at = FitLog(), {name: i for i, name in enumerate(features.grid.stations)}
    own = Group(group.name, tuple(at[name] for name in group.names), group.names)
    split = split_of(features, settings, as_of, settings.retrain)
    start = start_of_night(champion, settings, as_of)
    seed, network = settings.retrain.seed, NetworkRows(features)
    fitted = fit_group(settings, model, features, split, seed, own, network, log, start)
    with tempfile.TemporaryDirectory() as folder:
        save_bundle(Path(folder), fitted, {})
        copy_bundle(Store(settings.data_root), place, Path(folder))
    return FitApart(group, place, log)


def collect_fits(settings: Settings, done: Sequence[FitApart]) -> list[GroupFit]:
    """The fits of all groups, their models read.

    Raises:
        HistoryError: if all failed, the first for too little history.
        ModelError: if all failed.
    """
    if all(each.place is None for each in done):
        raise (HistoryError if done[0].too_short else ModelError)(f"every group failed, the first: {done[0].error}")
    store, fits = Store(settings.data_root), list[GroupFit]()
    for each in done:
        model = None if each.place is None else read_stored(store, each.place, each.group.name).forecaster
        fits.append(GroupFit(each.group, model, each.log, each.error))
    return fits
