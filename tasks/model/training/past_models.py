"""Models as they would have been at past moments: what a backtest replays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tasks.contracts import Features, Forecaster
from tasks.errors import ConfigError
from tasks.model import architectures
from tasks.model.serving.bundle import load_bundle, save_bundle
from tasks.model.serving.stored import find_stored, is_version, read_stored, unknown_model
from tasks.model.training.fine_tuning import FineTuning, is_warm
from tasks.model.training.train import fit_before
from tasks.settings.tree import Settings
from tasks.storage.store import Store

BUNDLE = "bundle"
Before = Callable[[np.datetime64], Features]
"""Features for a fit at a moment."""
Maker = Callable[[np.datetime64, Path | None, Path], Forecaster]
"""Makes the model of a moment: that, the folder of the part before, and the folder of this part."""


def model_maker(settings: Settings, name: str, before: Before, seed: int | None = None) -> Maker:
    """What makes the model `name` as it would have been at any past moment, for a backtest.

    An architecture is fitted on what was known before the moment, nothing held out; it goes on from the part that is
    given, and leaves its bundle for the next where it may be asked to. A bundle serves moments after its training only.

    Args:
        settings: the tree.
        name: an architecture, "champion", "previous" or a version.
        before: features for a fit at a moment.
        seed: of the fits; `[retrain] seed` by default.

    Raises:
        ConfigError: if the name means nothing; when called, if the bundle was trained after the moment.
        ModelError: if there is no such bundle.
    """
    if name not in architectures.names():
        return _bundle_maker(settings, name)
    kept = fine_tunes(settings, name)

    def fit_model(moment: np.datetime64, previous: Path | None, folder: Path) -> Forecaster:
        start = None if previous is None else load_bundle(previous / BUNDLE)
        made = fit_before(before(moment), settings, moment, name, seed=seed, start=start)
        if kept:
            save_bundle(folder / BUNDLE, made, {"as_of": f"{moment}Z"})
        return made

    return fit_model


def starts_warm(settings: Settings, name: str, moment: np.datetime64) -> bool:
    """Whether the fit of an architecture at that moment starts from the weights of its fit before."""
    return fine_tunes(settings, name) and is_warm(settings.retrain, moment, settings.network.timezone)


def fine_tunes(settings: Settings, name: str) -> bool:
    """Whether a model is one that `[retrain] mode` may let go on from the night before.

    Raises:
        ConfigError: if an architecture's config cannot be used.
    """
    if name not in architectures.names():
        return False
    made = architectures.architecture(name, settings.models.get(name))
    return settings.retrain.mode != "scratch" and isinstance(made, FineTuning)


def _bundle_maker(settings: Settings, name: str) -> Maker:
    if name not in ("champion", "previous") and not is_version(name):
        raise unknown_model(name)
    store = Store(settings.data_root)
    version, folder = find_stored(store, name)
    bundled = read_stored(store, folder, version)

    def load(moment: np.datetime64, previous: Path | None, folder: Path) -> Forecaster:
        if not bundled.as_of <= moment:
            raise ConfigError(
                f"model {name!r} was trained on minutes up to {bundled.as_of}Z, "
                f"after {moment.astype('datetime64[s]')}Z: backtest later moments, or name an architecture, which is "
                "fitted again"
            )
        return bundled

    return load
