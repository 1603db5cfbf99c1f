"""Several networks of one architecture that differ by their seed alone, forecasting as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.arrays import QUANTILES, Float
from tasks.contracts import Forecaster, Prediction, Tensors
from tasks.errors import ModelError

MIDDLE = QUANTILES.index(0.5)
NEARLY = 0.011
"""Quantiles that lie so near to whole numbers are those of counts: see `conformal`."""


@dataclass
class Ensemble:
    """Fitted members; the mean is the mean of theirs, each quantile the mean of theirs at its level.

    Quantiles so averaged keep the members' width, where a mixture of their distributions is wider than each
    (R. Ratcliff, "Group reaction time distributions and an analysis of distribution statistics", 1979).

    Attributes:
        name: of the architecture.
        members: at least one.
    """

    name: str
    members: Sequence[Forecaster]

    def predict(self, tensors: Tensors) -> Prediction:
        """Forecast the hour after every origin."""
        answers = [member.predict(tensors) for member in self.members]
        mean = np.stack([a.mean for a in answers]).mean(axis=0, dtype=np.float64)
        return Prediction(np.asarray(mean, np.float32), average_quantiles([a.quantiles for a in answers]))

    def export(self, folder: Path) -> dict[str, Any]:
        """Write every member into a folder of its own; return their configs."""
        configs = []
        for number, member in enumerate(self.members):
            part = member_folder(folder, number)
            part.mkdir(parents=True, exist_ok=True)
            configs.append(member.export(part))
        return {"members": configs}


def average_quantiles(quantiles: Sequence[Float]) -> Float:
    """Mean of quantiles [quantile, ...], non-decreasing.

    Where all are nearly whole it is whole, or as far from that as most members are; as far out where half of them are.
    """
    given = np.stack(quantiles)
    whole = np.round(given)
    short = given - whole
    mean = given.mean(axis=0, dtype=np.float64)
    if np.abs(short).max(initial=0) < NEARLY:
        order, half = np.sort(short, axis=0), len(given) // 2
        most = np.concatenate([order[(len(given) - 1) // 2][:MIDDLE], order[half][MIDDLE:]])
        mean = np.round(whole.mean(axis=0, dtype=np.float64)) + most
    return np.asarray(np.maximum(np.sort(mean, axis=0), 0), np.float32)


def member_folder(folder: Path, number: int) -> Path:
    """Where a member lies in a bundle."""
    return folder / f"member-{number}"


def member_of(forecaster: Forecaster | None, number: int) -> Forecaster | None:
    """What a member goes on from: the one of its number, in turn where there are fewer; else all from the same."""
    if isinstance(forecaster, Ensemble):
        return forecaster.members[number % len(forecaster.members)]
    return forecaster


def configs_of(config: dict[str, Any], where: Path) -> list[dict[str, Any]] | None:
    """Configs of the members that an export wrote; None where it is that of one network.

    Raises:
        ModelError: if there is none among them.
    """
    members = config.get("members")
    if members is None:
        return None
    if not isinstance(members, list) or not members:
        raise ModelError(f"the bundle in {where} has no members: retrain it")
    return members
