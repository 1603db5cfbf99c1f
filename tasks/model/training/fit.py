"""Fit a configured architecture: one network, or an ensemble of several."""

from __future__ import annotations

from tasks.contracts import Features, FitLog, Forecaster, Progress, Split
from tasks.model import architectures
from tasks.model.ensemble import Ensemble, member_of
from tasks.model.training.fine_tuning import FineTuning
from tasks.settings.tree import Settings


def fit_forecaster(
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
        features: see `BaseArchitecture.fit`.
        split: see there.
        seed: of the first member; each later one's is one more.
        notes: are filled by the fit of the first member; with the number of `members`, and the seconds of all.
        start: fitted earlier; each member continues from the member of its number.
        progress: called during long work.

    Raises:
        HistoryError: if the origins cannot feed it.
        ConfigError: if the name or its config is unknown.
    """
    unseeded = architectures.architecture_class(name).unseeded
    members, logs = [], [notes]
    for number in range(1 if unseeded else settings.retrain.members):
        member = make_architecture(settings, name, progress, member_of(start, number))
        members.append(member.fit(features, split, seed + number, logs[-1]))
        logs.append(FitLog())
    if len(members) == 1:
        return members[0]
    notes.notes |= {"members": len(members)}
    if "fit_seconds" in notes.notes:
        notes.notes["fit_seconds"] = round(sum(log.notes["fit_seconds"] for log in logs[:-1]), 1)
    return Ensemble(name, members)


def make_architecture(
    settings: Settings, name: str, progress: Progress | None, start: Forecaster | None = None
) -> architectures.BaseArchitecture:
    """An architecture configured by `[models.NAME]`.

    Args:
        settings: the tree.
        name: of the architecture.
        progress: called during the fit.
        start: forecaster whose weights the fit continues from, where the architecture can.

    Raises:
        ConfigError: if the name or its config is unknown.
    """
    one = architectures.architecture(name, settings.models.get(name))
    if isinstance(one, FineTuning):
        one.start = start
    one.progress = progress
    return one
