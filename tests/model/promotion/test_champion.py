"""Which bundle publishes: the pointer, the registry's alias, and the way back."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import numpy as np
import pytest

from tasks.errors import ModelError
from tasks.model.promotion.champion import POINTER, move_pointer, promote, rollback, store_bundle, sync_champion
from tasks.settings.servers import MlflowSettings
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tracking import registry, runs
from tasks.tracking.uri import tracking_uri

NOW = np.datetime64("2026-03-10T08:30:00", "s")
LOADER = "def _load_pyfunc(folder):\n    class Echo:\n        def predict(self, data, params=None):\n            return data\n    return Echo()\n"


def own_model(settings: Settings, name: str, root: Path) -> Settings:
    """A registered model and a data root of its own in the session's registry."""
    mlflow = MlflowSettings(tracking_uri=tracking_uri(settings), registered_model=name)
    return settings.model_copy(update={"mlflow": mlflow, "data_root": str(root)})


def version_of(settings: Settings, name: str, folder: Path) -> str:
    """Register a bundle that holds its own name; returns its version."""
    package, bundle = folder / f"echo_{name}", folder / "bundle"
    package.mkdir(parents=True)
    bundle.mkdir()
    (package / "__init__.py").write_text(LOADER)
    (bundle / "bundle.json").write_text(json.dumps({"name": name}))
    (bundle / "network.onnx").write_bytes(name.encode())
    x = {"x": np.zeros((1, 2), np.float32)}
    with (
        runs.connect(settings) as mlflow,
        runs.open_run(mlflow, runs.RETRAIN_TAG, str(folder), name, {}) as run,
    ):
        return registry.log_version(run, settings, registry.Served(bundle, package.name, package, x, x), {}, "").number


def alias(settings: Settings, version: str) -> None:
    with runs.connect(settings) as mlflow:
        registry.set_alias(mlflow, settings, registry.CHAMPION, version)


def aliases(settings: Settings) -> dict[str, str]:
    """Version of each alias."""
    with runs.connect(settings) as mlflow:
        found = mlflow.client.get_registered_model(settings.mlflow.registered_model).aliases
    return {name: str(version) for name, version in found.items()}


def unreachable(settings: Settings) -> Settings:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return settings.model_copy(update={"mlflow": MlflowSettings(tracking_uri=f"http://127.0.0.1:{port}")})


def test_the_pointer_remembers_what_published_before(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    for version in ("1", "2", "3"):
        pointer = move_pointer(store, version, version, NOW, "promoted")
    assert pointer == store.read_json(POINTER)
    assert (pointer["version"], pointer["folder"]) == ("3", "bundles/3")
    assert (pointer["previous"], pointer["earlier"]) == ("2", ["1", "2"])
    assert pointer["set_at"] == "2026-03-10T08:30:00Z"


def test_promoting_the_champion_again_does_not_make_it_its_own_predecessor(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    for version in ("1", "2", "2"):
        pointer = move_pointer(store, version, version, NOW, "promoted")
    assert (pointer["version"], pointer["previous"]) == ("2", "1")


def test_a_bundle_is_complete_once_its_head_is_there(tmp_path: Path) -> None:
    bundle = tmp_path / "made"
    (bundle / "state").mkdir(parents=True)
    for name in ("bundle.json", "network.onnx", "state/a.npz"):
        (bundle / name).write_text(name)
    written: list[str] = []

    class Recorder(Store):
        def write_bytes(self, path: str, data: bytes) -> None:
            written.append(path)
            super().write_bytes(path, data)

    assert store_bundle(Recorder(str(tmp_path / "root")), "7", bundle) == "bundles/7"
    assert sorted(written[:-1]) == ["bundles/7/network.onnx", "bundles/7/state/a.npz"]
    assert written[-1] == "bundles/7/bundle.json"


def test_an_alias_moved_by_hand_publishes_the_bundle_of_that_version(mlflow_settings: Settings, tmp_path: Path) -> None:
    settings = own_model(mlflow_settings, "by_hand", tmp_path / "root")
    one, two = (version_of(settings, name, tmp_path / name) for name in ("one", "two"))
    store = Store(settings.data_root)
    alias(settings, one)
    assert sync_champion(settings, NOW)
    assert sync_champion(settings, NOW) is None
    with runs.connect(settings) as mlflow:
        registry.set_alias(mlflow, settings, registry.CHALLENGER, two)
    alias(settings, two)
    said = sync_champion(settings, NOW)
    assert said is not None
    assert f"version {two}" in said
    pointer = store.read_json(POINTER)
    assert (pointer["version"], pointer["previous"], pointer["registry"]) == (two, one, two)
    assert "by hand" in pointer["source"]
    assert store.read_bytes(f"{pointer['folder']}/network.onnx") == b"two"
    assert aliases(settings) == {"champion": two, "previous": one}


def test_a_promotion_made_while_the_registry_was_down_is_not_undone_by_it(
    mlflow_settings: Settings, tmp_path: Path
) -> None:
    settings = own_model(mlflow_settings, "down_once", tmp_path / "root")
    one = version_of(settings, "one", tmp_path / "one")
    alias(settings, one)
    sync_champion(settings, NOW)
    move_pointer(Store(settings.data_root), "local-20260310", None, NOW, "promoted without the registry")
    assert sync_champion(settings, NOW) is None
    assert Store(settings.data_root).read_json(POINTER)["version"] == "local-20260310"


def test_rolling_back_moves_pointer_and_alias_and_can_be_done_twice(mlflow_settings: Settings, tmp_path: Path) -> None:
    settings = own_model(mlflow_settings, "rolled_back", tmp_path / "root")
    versions = [version_of(settings, name, tmp_path / name) for name in ("one", "two", "three")]
    for version in versions:
        alias(settings, version)
        sync_champion(settings, NOW)
    assert rollback(settings, NOW) == versions[1]
    assert aliases(settings) == {"champion": versions[1], "previous": versions[0]}
    assert sync_champion(settings, NOW) is None
    assert rollback(settings, NOW) == versions[0]
    assert aliases(settings) == {"champion": versions[0]}
    with pytest.raises(ModelError, match="nothing to roll back to"):
        rollback(settings, NOW)


def test_a_registry_that_is_down_stops_neither_following_nor_rolling_back(tmp_path: Path) -> None:
    settings = unreachable(Settings(data_root=str(tmp_path)))
    store = Store(settings.data_root)
    for version in ("1", "2"):
        move_pointer(store, version, version, NOW, "promoted")
    assert sync_champion(settings, NOW) is None
    assert store.read_json(POINTER)["version"] == "2"
    assert rollback(settings, NOW) == "1"
    assert store.read_json(POINTER)["registry"] == "2"


def test_a_version_that_a_person_promotes_publishes_and_is_fetched_where_it_is_not_on_disk(
    mlflow_settings: Settings, tmp_path: Path
) -> None:
    settings = own_model(mlflow_settings, "by_hand", tmp_path / "root")
    one, two = (version_of(settings, name, tmp_path / name) for name in ("one", "two"))
    assert promote(settings, one, NOW) == one
    promote(settings, two, NOW)
    pointer = Store(settings.data_root).read_json(POINTER)
    assert (pointer["version"], pointer["previous"], pointer["by"]) == (two, one, "person")
    assert aliases(settings) == {"champion": two, "previous": one}
    assert sync_champion(settings, NOW) is None
    with pytest.raises(ModelError, match=f"version {two} publishes already"):
        promote(settings, two, NOW)
    with pytest.raises(ModelError, match="version 99"):
        promote(settings, "99", NOW)
    assert Store(settings.data_root).read_json(POINTER) == pointer
