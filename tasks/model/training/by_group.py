"""A model per group of stations: fitted and judged by itself, and joined to one that answers for the network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.contracts import Features, FitLog, Forecaster, Progress, Split
from tasks.errors import ConfigError, HistoryError
from tasks.model.grouped import Grouped, GroupModel, join_models, models_for, start_for
from tasks.model.groups import Group
from tasks.model.network_row import GroupFeatures, NetworkRows
from tasks.model.promotion.decision import GroupRow
from tasks.model.serving.bundle import BundledForecaster
from tasks.model.training.fit import fit_forecaster
from tasks.model.training.holdout import Scores
from tasks.model.training.judge import CHAMPION, judge_scores
from tasks.model.training.rivals import Rivals
from tasks.settings.tree import Settings

log = logging.getLogger(__name__)

FALLBACK = "linear_level"
"""Baseline that answers for a group that has neither a challenger nor a champion, where the gate has it."""


@dataclass(frozen=True)
class GroupFit:
    """The fit of one group.

    Attributes:
        group: of stations.
        forecaster: None where the fit failed.
        log: of the fit.
        error: why it failed.
    """

    group: Group
    forecaster: Forecaster | None
    log: FitLog
    error: str = ""


FitGroups = Callable[[Sequence[Group]], list[GroupFit]]
"""Fits all groups, elsewhere."""


def fit_groups(
    settings: Settings,
    name: str,
    features: Features,
    split: Split,
    seed: int,
    groups: Sequence[Group],
    notes: FitLog,
    start: Forecaster | None = None,
    progress: Progress | None = None,
) -> list[GroupFit]:
    """Fit the groups one after the other, so that the rows of one are held at a time; see `fit_forecaster`.

    A group that fails stops no other.

    Args:
        settings: the tree.
        name: architecture.
        features: of all stations.
        split: of the training.
        seed: of every group's fit.
        groups: of the stations.
        notes: are filled by the fit of the first group, the largest.
        start: fitted earlier; each group goes on from the model that answered for most of its stations.
        progress: called during long work.

    Raises:
        ConfigError: if the architecture or its config is unknown.
        Exception: the first group's error, where all failed.
    """
    network, fits, errors = NetworkRows(features), list[GroupFit](), list[Exception]()
    for number, group in enumerate(groups):
        own = notes if number == 0 else FitLog()
        try:
            fitted = fit_group(settings, name, features, split, seed, group, network, own, start, progress)
            fits.append(GroupFit(group, fitted, own))
        except ConfigError:
            raise
        # Whatever stops one group, be it too little history or a fault of its model, the others' nights go on.
        except Exception as error:
            log.exception("group %s failed; it keeps its champion", group.name)
            errors.append(error)
            fits.append(GroupFit(group, None, own, describe(error)))
    if len(errors) == len(groups):
        raise errors[0]
    return fits


def fit_group(
    settings: Settings,
    name: str,
    features: Features,
    split: Split,
    seed: int,
    group: Group,
    network: NetworkRows,
    notes: FitLog,
    start: Forecaster | None = None,
    progress: Progress | None = None,
) -> Forecaster:
    """Fit one group on its own stations and the network's row; see `fit_groups`."""
    own = GroupFeatures(features, group.stations, network)
    return fit_forecaster(settings, name, own, split, seed, notes, start_for(start, group.names), progress)


def describe(error: BaseException) -> str:
    """An error in one line, with its type."""
    return f"{type(error).__name__}: {str(error) or 'without a message'}"


@dataclass(frozen=True)
class GroupNight:
    """All groups of one night.

    Attributes:
        name: of the architecture.
        fits: of every group.
        rivals: of their challengers.
    """

    name: str
    fits: Sequence[GroupFit]
    rivals: Rivals

    def judge(self) -> tuple[Forecaster, dict[str, Scores], tuple[GroupRow, ...]]:
        """Hold each group's challenger against that group's part of champion and baselines.

        Returns:
            The challenger that is made of the promoted groups and of what answers for the others, or of all groups
            where none is promoted; its scores and those of its rivals; and what becomes of each group.
        """
        challenger = self.join(self.fits)
        scores = self.rivals.score(challenger)
        rows = tuple(self._row(fit, scores) for fit in self.fits)
        won = [fit for fit, row in zip(self.fits, rows, strict=True) if row.promoted]
        if won and len(won) < sum(fit.forecaster is not None for fit in self.fits):
            challenger = self.join(won)
            scores = self.rivals.score(challenger)
        return challenger, scores, rows

    def join(self, fits: Sequence[GroupFit]) -> Grouped:
        """One model of the challengers of these groups, and of what answers in the others' place."""
        new = {id(fit) for fit in fits}
        models: list[GroupModel] = []
        for fit in self.fits:
            names = fit.group.names
            if fit.forecaster is not None and id(fit) in new:
                models.append(GroupModel(fit.group.name, names, fit.forecaster))
            else:
                models += models_for(self._instead(), names, fit.group.name)
        return Grouped(self.name, join_models(models))

    def _row(self, fit: GroupFit, scores: Mapping[str, Scores]) -> GroupRow:
        name, at, rivals = fit.group.name, np.array(fit.group.stations), self.rivals
        if fit.forecaster is None:
            return GroupRow(name, len(at), False, self._kept(), fit.error, failed=True)
        decided = judge_scores(
            scores,
            len(rivals.days),
            rivals.volume,
            rivals.settings.gate,
            champion_name=champion_name(rivals.champion),
            stations=at,
        )
        kept = "" if decided.promoted else self._kept()
        seconds = fit.log.notes.get("fit_seconds")
        return GroupRow(name, len(at), decided.promoted, kept, decided.reason, table=decided.table, fit_seconds=seconds)

    def _instead(self) -> Forecaster:
        """What answers for a group without a promoted challenger: the champion, else a baseline.

        Raises:
            HistoryError: if there is neither.
        """
        champion = self.rivals.champion
        return self.rivals.baselines[self._baseline()] if champion is None else champion.forecaster

    def _kept(self) -> str:
        return self._baseline() if self.rivals.champion is None else champion_name(self.rivals.champion)

    def _baseline(self) -> str:
        if not self.rivals.baselines:
            raise HistoryError("a group has neither a challenger, a champion nor a baseline: ingest more history")
        return FALLBACK if FALLBACK in self.rivals.baselines else next(reversed(self.rivals.baselines))


def champion_name(champion: BundledForecaster | None) -> str:
    """What tables and sentences call the champion."""
    return CHAMPION if champion is None else f"champion {champion.version}"


def summarise(fits: Sequence[GroupFit], notes: FitLog) -> None:
    """Complete the notes of a night, which are those of the largest group's fit: all groups together."""
    if fits[0].log is not notes:
        notes.notes |= fits[0].log.notes
        notes.epochs |= fits[0].log.epochs
    seconds = [fit.log.notes["fit_seconds"] for fit in fits if "fit_seconds" in fit.log.notes]
    more: dict[str, Any] = {"groups": len(fits), "groups_failed": sum(fit.forecaster is None for fit in fits)}
    notes.notes |= more | ({"fit_seconds": round(sum(seconds), 1)} if seconds else {})
