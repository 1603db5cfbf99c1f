"""Bundles of the data root, by the names that people give them: an alias, or a version."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from tasks.errors import ConfigError, ModelError, nearest_key
from tasks.model import architectures
from tasks.model.promotion.champion import POINTER, bundle_folder
from tasks.model.serving.bundle import FILE, BundledForecaster, load_with_meta
from tasks.storage.store import Store


def is_version(name: str) -> bool:
    """Whether a model's name is that of a bundle: a registry number, or one kept while the registry was away."""
    return name.isdecimal() or name.startswith("local-")


def unknown_model(name: str) -> ConfigError:
    """The error of a name that is neither a bundle's nor an architecture's; it names the nearest."""
    known = ("champion", "previous", *architectures.names())
    return ConfigError(f"model {name!r} is unknown{nearest_key(name, known)} (or a registry version such as 3)")


def find_stored(store: Store, name: str) -> tuple[str, str]:
    """Version and folder of a bundle.

    Args:
        store: the data root.
        name: "champion", "previous", "challenger" or a version.

    Raises:
        ModelError: if there is no such bundle; says what to run.
    """
    pointer = store.read_json(POINTER) or {}
    if is_version(name):
        version = name
    elif name == "challenger":
        version = _newest_challenger(store, pointer)
    elif not pointer:
        raise ModelError(f"there is no {name} yet in {store.url('bundles')}: run nexthour retrain")
    else:
        version = pointer["version"] if name == "champion" else pointer["previous"]
        if version is None:
            raise ModelError(f"there is no {name} yet in {store.url('bundles')}: one champion was made so far")
    folder = pointer["folder"] if version == pointer.get("version") else bundle_folder(version)
    if not store.exists(f"{folder}/bundle.json"):
        raise ModelError(f"version {version} has no bundle in {store.url(folder)}: run nexthour retrain")
    return str(version), folder


def read_stored(store: Store, folder: str, version: str) -> BundledForecaster:
    """The forecaster of the bundle in a folder of the data root, which an object store's is copied out of first.

    Raises:
        ModelError: if it is damaged.
    """
    if store.local is not None:
        return _load(store.local / folder, version)
    with tempfile.TemporaryDirectory() as local:
        for name in _file_names(store, folder):
            data = store.read_bytes(f"{folder}/{name}")
            if data is not None:  # what the head names and nobody wrote is reported when it is loaded
                copy = Path(local) / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(data)
        return _load(Path(local), version)


def _file_names(store: Store, folder: str) -> list[str]:
    """Names of a bundle's files: those listed, and those that its head names, as a listing may lag behind both."""
    names = {path.removeprefix(f"{folder}/") for path in store.files(folder)} | {FILE}
    try:
        head = json.loads(store.read_bytes(f"{folder}/{FILE}") or b"{}")
    except ValueError:
        return sorted(names)
    named = head.get("files", {}) if isinstance(head, dict) else {}
    inside = (name for name in named if ".." not in PurePosixPath(name).parts and not name.startswith("/"))
    return sorted(names | set(inside))


def _newest_challenger(store: Store, pointer: dict[str, Any]) -> str:
    """The newest version with a bundle that neither publishes nor did so last."""
    versions = {path.split("/")[1] for path in store.files("bundles", "/bundle.json")}
    numbers = [int(version) for version in versions if version.isdecimal()]
    others = [n for n in numbers if str(n) not in (pointer.get("version"), pointer.get("previous"))]
    if not others:
        raise ModelError(f"there is no challenger in {store.url('bundles')}: every version published")
    return str(max(others))


def _load(folder: Path, version: str) -> BundledForecaster:
    forecaster, meta = load_with_meta(folder)
    return BundledForecaster(forecaster, version, meta)
