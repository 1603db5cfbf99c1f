"""Bundles: one folder with all that a forecast needs. JSON, ONNX and NPZ without pickle; no Keras, no MLflow."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.contracts import Forecaster, Prediction, Tensors
from tasks.errors import ModelError
from tasks.model import architectures
from tasks.model.ensemble import Ensemble, configs_of, member_folder
from tasks.model.grouped import Grouped, GroupModel, group_configs, group_folder
from tasks.settings.tree import FeatureSettings
from tasks.tables.format import BUNDLE_FORMAT
from tasks.tracking.provenance import flatten

FILE = "bundle.json"
CONTENT = (".onnx", ".npz")
"""Endings of the files that a model is loaded from; one that `bundle.json` does not list is rejected."""
LEAST_KNOWN = 0.5
"""Share of a network's stations that a model must have been trained on to forecast it."""
NO_MATTER = ("mapped_mib",)
"""Settings of `[features]` that change no feature."""
TRIES, PAUSE_SECONDS = 3, 0.1
"""A bundle that is being replaced while it is read is read again."""


@dataclass(frozen=True)
class BundledForecaster:
    """A forecaster loaded from a stored bundle; implements `contracts.Forecaster`.

    Attributes:
        forecaster: what the bundle holds.
        version: of the bundle: a registry number, or `local-…`.
        meta: the `meta` of its `bundle.json`.
    """

    forecaster: Forecaster
    version: str
    meta: dict[str, Any]

    @property
    def name(self) -> str:
        """The version, by which the tables call it."""
        return self.version

    @property
    def as_of(self) -> np.datetime64:
        """UTC moment up to which it was trained; NaT where the bundle does not state it."""
        return np.datetime64(str(self.meta.get("as_of", "NaT")).removesuffix("Z"), "s")

    def changed_features(self, settings: FeatureSettings) -> list[str]:
        """Settings of `[features]` that differ from those of its training, in words, where it states them."""
        trained, changed = self.meta.get("config") or {}, []
        for name, now in flatten(settings.model_dump(mode="json")).items():
            before = trained.get(f"features.{name}", now)
            if before != now and name not in NO_MATTER:
                changed.append(f"{name} was {before}, is {now}")
        return changed

    def predict(self, tensors: Tensors) -> Prediction:
        """Forecast the hour after every origin.

        Raises:
            ModelError: if it was trained for other targets, another interval, or mostly other stations.
        """
        self._check_network(tensors)
        return self.forecaster.predict(tensors)

    def _check_network(self, tensors: Tensors) -> None:
        """Compare what the bundle states of its network; one that states nothing is taken as it is."""
        here = {"targets": list(tensors.targets), "interval": tensors.interval}
        for what, now in here.items():
            if self.meta.get(what, now) != now:
                raise ModelError(
                    f"version {self.version} was trained on {what} {self.meta[what]}, the network has {now}: "
                    "run nexthour retrain"
                )
        now = set(tensors.stations)
        common = now & set(self.meta.get("stations", now))
        if len(common) < LEAST_KNOWN * len(now):
            raise ModelError(
                f"version {self.version} was trained on other stations, it knows {len(common)} of {len(now)}: "
                "run nexthour retrain"
            )

    def export(self, folder: Path) -> dict[str, Any]:
        """Write the forecaster into `folder`; return its config."""
        return self.forecaster.export(folder)


def save_bundle(folder: Path, forecaster: Forecaster, meta: dict[str, Any]) -> None:
    """Write a fitted model into `folder`, which is created; `bundle.json` is written last.

    Args:
        folder: empty, or of the same model.
        forecaster: its name is that of an architecture.
        meta: what people want to know of it; JSON-able.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = forecaster.export(folder)
    below = (p for p in sorted(folder.rglob("*")) if p.is_file() and p != folder / FILE)
    files = {p.relative_to(folder).as_posix(): _digest(p.read_bytes()) for p in below}
    head = {"format": BUNDLE_FORMAT, "architecture": forecaster.name, "config": config, "meta": meta, "files": files}
    head["digest"] = _head_digest(head)
    (folder / FILE).write_text(json.dumps(head, indent=1, sort_keys=True, allow_nan=False), encoding="utf-8")


def load_bundle(folder: Path) -> Forecaster:
    """The forecaster of a bundle; see `load_with_meta`."""
    return load_with_meta(folder)[0]


def load_with_meta(folder: Path) -> tuple[Forecaster, dict[str, Any]]:
    """The forecaster of a bundle and the `meta` of its `bundle.json`; the hash of every file is checked.

    A bundle that was replaced meanwhile is read again, so that nothing is loaded from two of them.

    Raises:
        ModelError: if the bundle is not there, damaged, or of an architecture or format that is not known here.
    """
    for attempt in range(TRIES):
        try:
            head = read_head(folder)
            _check_files(folder, head)
            forecaster = _load(folder, head)
            if read_head(folder) == head:
                _check_files(folder, head)
                return forecaster, head["meta"]
        except ModelError:
            if attempt == TRIES - 1:
                raise
        time.sleep(PAUSE_SECONDS)
    raise ModelError(f"{folder} was replaced each time it was read: try again")


def _check_files(folder: Path, head: dict[str, Any]) -> None:
    """Hold every file against its hash, and look for those that have none."""
    for name, digest in head["files"].items():
        path = folder / name
        if not path.is_file() or _digest(path.read_bytes()) != digest:
            raise ModelError(f"{path} is missing or damaged: restore the bundle, or run nexthour retrain")
    for path in sorted(folder.rglob("*")):
        if path.suffix in CONTENT and path.relative_to(folder).as_posix() not in head["files"]:
            raise ModelError(f"{path} is not listed in {FILE}: restore the bundle, or run nexthour retrain")


def _load(folder: Path, head: dict[str, Any]) -> Forecaster:
    name, config = head["architecture"], head["config"]
    groups = group_configs(config, folder)
    if groups is None:
        return _load_model(folder, name, config)
    models = (_load_model(group_folder(folder, i), g["architecture"], g["config"]) for i, g in enumerate(groups))
    held = zip(groups, models, strict=True)
    return Grouped(name, [GroupModel(g["group"], tuple(g["stations"]), model, g["whole"]) for g, model in held])


def _load_model(folder: Path, name: str, config: dict[str, Any]) -> Forecaster:
    """One network or baseline, or an ensemble."""
    if name not in architectures.names():
        raise ModelError(f"the bundle in {folder} wants model {name!r}, which is not installed here")
    members = configs_of(config, folder)
    if members is None:
        return architectures.load(name, folder, config)
    parts = enumerate(members)
    return Ensemble(name, [architectures.load(name, member_folder(folder, i), each) for i, each in parts])


def read_head(folder: Path) -> dict[str, Any]:
    """Content of `bundle.json`: format, architecture, config, meta, files with their SHA-256.

    Raises:
        ModelError: if it cannot be read, or is of another format.
    """
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): run nexthour retrain") from None
    except ValueError:
        raise ModelError(f"{path} is not JSON: restore the bundle, or run nexthour retrain") from None
    head: dict[str, Any] = found if isinstance(found, dict) else {}
    stated = head.get("format")
    if isinstance(stated, int) and stated > BUNDLE_FORMAT:
        raise ModelError(
            f"{path} is of bundle format {stated}, and this nexthour reads up to {BUNDLE_FORMAT}: install the version "
            "that wrote it, or run nexthour retrain with this one"
        )
    if stated != BUNDLE_FORMAT:
        raise ModelError(f"{path} states no bundle format: run nexthour retrain with this version")
    absent = [key for key in ("architecture", "config", "meta", "files") if key not in head]
    if absent or head.get("digest", digest := _head_digest(head)) != digest:
        what = f"lacks {', '.join(absent)}" if absent else "was changed after it was written"
        raise ModelError(f"{path} {what}: restore the bundle, or run nexthour retrain")
    return head


def _head_digest(head: dict[str, Any]) -> str:
    """Of all that a head says but its digest; bundles of earlier releases have none."""
    content = {key: value for key, value in head.items() if key != "digest"}
    return _digest(json.dumps(content, sort_keys=True).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
