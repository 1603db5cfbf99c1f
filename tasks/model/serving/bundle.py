"""Bundles: one folder with all that a forecast needs. JSON, ONNX and NPZ without pickle; no Keras, no MLflow."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.contracts import Forecaster, Prediction, Tensors
from tasks.errors import ModelError
from tasks.model import architectures
from tasks.model.ensemble import Ensemble, configs_of, member_folder
from tasks.tables.format import BUNDLE_FORMAT

FILE = "bundle.json"


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

    def predict(self, tensors: Tensors) -> Prediction:
        """Forecast the hour after every origin."""
        return self.forecaster.predict(tensors)

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
    files = {p.relative_to(folder).as_posix(): _digest(p) for p in below}
    head = {"format": BUNDLE_FORMAT, "architecture": forecaster.name, "config": config, "meta": meta, "files": files}
    (folder / FILE).write_text(json.dumps(head, indent=1, sort_keys=True, allow_nan=False), encoding="utf-8")


def load_bundle(folder: Path) -> Forecaster:
    """The forecaster of a bundle.

    Raises:
        ModelError: if the bundle is not there, damaged, or of an architecture or format that is not known here.
    """
    head = read_head(folder)
    for name, digest in head["files"].items():
        path = folder / name
        if not path.is_file() or _digest(path) != digest:
            raise ModelError(f"{path} is missing or damaged: restore the bundle, or run nexthour retrain")
    if head["architecture"] not in architectures.names():
        raise ModelError(f"{folder / FILE} wants model {head['architecture']!r}, which is not installed here")
    name, members = head["architecture"], configs_of(head["config"], folder)
    if members is None:
        return architectures.load(name, folder, head["config"])
    parts = enumerate(members)
    return Ensemble(name, [architectures.load(name, member_folder(folder, i), config) for i, config in parts])


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
    return head


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
