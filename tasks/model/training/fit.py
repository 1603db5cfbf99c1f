"""Architectures made as they are configured, and fitted: one network, or several that forecast as one."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from tasks.contracts import Architecture, Features, FitLog, Forecaster, Progress, Split
from tasks.model import architectures
from tasks.model.ensemble import Ensemble, member_of
from tasks.model.training.fine_tuning import FineTuning
from tasks.settings.tree import Settings


@runtime_checkable
class Reporting(Protocol):
    """An architecture that tells how far it is."""

    progress: Progress | None


def fitted(
    settings: Settings,
    name: str,
    features: Features,
    split: Split,
    seed: int,
    notes: FitLog,
    start: Forecaster | None = None,
    progress: Progress | None = None,
) -> Forecaster:
    """One forecaster, of as many members as are asked for where a seed changes what it answers.

    Args:
        settings: the tree.
        name: architecture.
        features: see `Architecture.fit`.
        split: see there.
        seed: of the first member; each later one's is one more.
        notes: are filled by the fit of the first member; with the number of `members`, and the seconds of all.
        start: fitted earlier, to go on from, a member from the member of its number.
        progress: told of long work.

    Raises:
        HistoryError: if the origins cannot feed it.
        ConfigError: if the name or its config is unknown.
    """
    unseeded = getattr(architectures.architecture_class(name), "unseeded", False)
    start = getattr(start, "forecaster", start)  # out of a bundle it comes with its version around it
    members, logs = [], [notes]
    for number in range(1 if unseeded else settings.retrain.members):
        member = made(settings, name, progress, member_of(start, number))
        members.append(member.fit(features, split, seed + number, logs[-1]))
        logs.append(FitLog())
    if len(members) == 1:
        return members[0]
    notes.notes |= {"members": len(members)}
    if "fit_seconds" in notes.notes:
        notes.notes["fit_seconds"] = round(sum(log.notes["fit_seconds"] for log in logs[:-1]), 1)
    return Ensemble(name, members)


def made(settings: Settings, name: str, progress: Progress | None, start: Forecaster | None = None) -> Architecture:
    """An architecture as `[models.NAME]` has it, told where to go on from and whom to tell how far it is.

    Raises:
        ConfigError: if the name or its config is unknown.
    """
    one = architectures.architecture(name, settings.models.get(name))
    if isinstance(one, FineTuning):
        one.start = start
    if isinstance(one, Reporting):
        one.progress = progress
    return one
