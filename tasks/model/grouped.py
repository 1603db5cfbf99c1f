"""Models of several groups of stations that forecast as one: each its own stations, all the same network."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tasks.arrays import QUANTILES, Int
from tasks.contracts import Forecaster, Prediction, Tensors
from tasks.errors import ModelError
from tasks.model.network_row import NetworkRow, add_row, select_stations


@dataclass(frozen=True)
class GroupModel:
    """A model and the stations that it answers for.

    Attributes:
        group: name of the group, for people.
        stations: by name.
        forecaster: fitted on these, or on more.
        whole: whether it sees all stations of the network, as a model that was trained without groups does.
    """

    group: str
    stations: tuple[str, ...]
    forecaster: Forecaster
    whole: bool = False


@dataclass
class Grouped:
    """Models that answer for one network together; implements `contracts.Forecaster`.

    Attributes:
        name: of the architecture.
        models: at least one. A station that none was trained on is answered by the first, as one that it does not know.
    """

    name: str
    models: Sequence[GroupModel]

    def predict(self, tensors: Tensors) -> Prediction:
        """Forecast the hour after every origin.

        Raises:
            ModelError: see the models.
        """
        shape = (len(tensors.targets), len(tensors.origins), len(tensors.stations), tensors.horizon)
        mean, quantiles = np.empty(shape, np.float32), np.empty((len(QUANTILES), *shape), np.float32)
        row = None if all(model.whole for model in self.models) else NetworkRow.of(tensors)
        owners = self.owners(tensors.stations)
        for number, model in enumerate(self.models):
            at = np.asarray(np.flatnonzero(owners == number), np.int64)
            if not len(at):
                continue
            if model.whole or row is None:
                answer, own = model.forecaster.predict(tensors), at
            else:
                answer = model.forecaster.predict(add_row(select_stations(tensors, at), row))
                own = np.arange(len(at), dtype=np.int64)
            mean[:, :, at], quantiles[:, :, :, at] = answer.mean[:, :, own], answer.quantiles[:, :, :, own]
        return Prediction(mean, quantiles)

    def owners(self, stations: Sequence[str]) -> Int:
        """Number of the model that answers for each station."""
        return np.array([self._model_of.get(station, 0) for station in stations], np.int64)

    @cached_property
    def _model_of(self) -> dict[str, int]:
        return {station: number for number, model in enumerate(self.models) for station in model.stations}

    def export(self, folder: Path) -> dict[str, Any]:
        """Write every model into a folder of its own; return what loads them again."""
        configs = []
        for number, model in enumerate(self.models):
            place = group_folder(folder, number)
            place.mkdir(parents=True, exist_ok=True)
            config = model.forecaster.export(place)
            own = {"group": model.group, "stations": list(model.stations), "whole": model.whole}
            configs.append({**own, "architecture": model.forecaster.name, "config": config})
        return {"groups": configs}


def group_folder(folder: Path, number: int) -> Path:
    """Where the model of a group lies in a bundle."""
    return folder / f"group-{number}"


def group_configs(config: dict[str, Any], where: Path) -> list[dict[str, Any]] | None:
    """What an export wrote of each group; None where the config is that of one model.

    Raises:
        ModelError: if there is no group, or one lacks something.
    """
    groups = config.get("groups")
    if groups is None:
        return None
    keys = {"group", "stations", "whole", "architecture", "config"}
    if not isinstance(groups, list) or not groups or not all(isinstance(g, dict) and keys <= g.keys() for g in groups):
        raise ModelError(f"the bundle in {where} has no groups that can be read: retrain it")
    return groups


def models_for(forecaster: Forecaster, stations: Collection[str], group: str) -> list[GroupModel]:
    """What of a forecaster answers for some stations; one that is not grouped sees the whole network."""
    if not isinstance(forecaster, Grouped):
        return [GroupModel(group, tuple(stations), forecaster, whole=True)]
    names = tuple(stations)
    owners = forecaster.owners(names)
    own = ((model, tuple(names[i] for i in np.flatnonzero(owners == n))) for n, model in enumerate(forecaster.models))
    return [replace(model, stations=held) for model, held in own if held]


def join_models(models: Sequence[GroupModel]) -> list[GroupModel]:
    """The models, each once with all its stations: no bundle holds a model twice."""
    joined: dict[int, GroupModel] = {}
    for model in models:
        before = joined.get(id(model.forecaster))
        if before is None:
            joined[id(model.forecaster)] = model
        else:
            group = before.group if model.group in before.group.split(", ") else f"{before.group}, {model.group}"
            stations = (*before.stations, *model.stations)
            joined[id(model.forecaster)] = replace(before, group=group, stations=stations)
    return list(joined.values())


def start_for(forecaster: Forecaster | None, stations: Collection[str]) -> Forecaster | None:
    """What a fit on some stations may go on from: the model that answers for most of them, or the one that there is."""
    if not isinstance(forecaster, Grouped):
        return forecaster
    return max(forecaster.models, key=lambda model: len(set(model.stations) & set(stations))).forecaster
