"""A bundle is JSON and ONNX, forecasts without Keras, and says so when it is damaged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import tiny_city

from tasks.contracts import Forecaster
from tasks.errors import ModelError
from tasks.model import architectures
from tasks.model.architectures import initial_forecaster
from tasks.model.networks.onnx import OnnxNetwork
from tasks.model.serving.bundle import BundledForecaster, load_bundle, load_with_meta, read_head, save_bundle
from tasks.model.training.train import Trained

ROOT = Path(__file__).parents[3]
ORIGIN = tiny_city.AS_OF - np.timedelta64(2, "D")
ELSEWHERE = """
import json, sys
from pathlib import Path
import numpy as np
from support import tiny_city
from tasks.model.serving.bundle import load_bundle
origin = tiny_city.AS_OF - np.timedelta64(2, "D")
prediction = load_bundle(Path(sys.argv[1])).predict(tiny_city.features().tensors(np.array([origin])))
heavy = sorted({"tensorflow", "keras", "mlflow", "prefect", "pickle5"} & set(sys.modules))
print(json.dumps({"heavy": heavy, "mean": prediction.mean.tolist(), "quantiles": prediction.quantiles.tolist()}))
"""


@pytest.fixture
def bundle(tiny_champion: Trained, tmp_path: Path) -> Path:
    save_bundle(tmp_path / "7", tiny_champion.forecaster, {"as_of": "2024-02-12T00:00:00Z", "note": "tüchtig"})
    return tmp_path / "7"


def test_another_process_forecasts_the_same_without_keras_or_mlflow(tiny_champion: Trained, bundle: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(bundle)],
        capture_output=True,
        check=True,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PATH": ""},
    )
    there = json.loads(answer.stdout)
    assert there["heavy"] == []
    here = tiny_champion.forecaster.predict(tiny_city.features().tensors(np.array([ORIGIN])))
    np.testing.assert_allclose(there["mean"], here.mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(there["quantiles"], here.quantiles, atol=1)


def test_it_holds_json_onnx_and_plain_arrays_alone(bundle: Path) -> None:
    names = sorted(str(p.relative_to(bundle)) for p in bundle.rglob("*") if p.is_file())
    own = [name for name in names if "/" not in name]
    assert own == ["bundle.json", "network.onnx", "ridge.npz", "weights.npz"]
    assert {Path(name).suffix for name in names} == {".json", ".onnx", ".npz"}
    assert {Path(name).parent.name.rstrip("0123456789") for name in names} == {"", "trees-"}
    head = read_head(bundle)
    assert head["architecture"] == "next_hour_lstm"
    assert head["meta"] == {"as_of": "2024-02-12T00:00:00Z", "note": "tüchtig"}
    assert len(head["files"]["network.onnx"]) == 64


def test_baselines_are_bundles_too(tmp_path: Path, tiny_champion: Trained) -> None:
    baseline = initial_forecaster("weekday_level")
    save_bundle(tmp_path, baseline, {})
    tensors = tiny_city.features().tensors(np.array([ORIGIN]))
    np.testing.assert_array_equal(load_bundle(tmp_path).predict(tensors).mean, baseline.predict(tensors).mean)


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_network_is_rejected(bundle: Path, damage: str) -> None:
    network = bundle / "network.onnx"
    if damage == "cut":
        network.write_bytes(network.read_bytes()[:-100])
    else:
        network.unlink()
    with pytest.raises(ModelError, match=r"network\.onnx is missing or damaged"):
        load_bundle(bundle)


def test_a_network_that_onnxruntime_does_not_know_is_rejected(bundle: Path) -> None:
    import hashlib

    (bundle / "network.onnx").write_bytes(b"nonsense")
    head = read_head(bundle)
    head["files"]["network.onnx"] = hashlib.sha256(b"nonsense").hexdigest()
    del head["digest"]
    (bundle / "bundle.json").write_text(json.dumps(head))
    with pytest.raises(ModelError, match="no network that this onnxruntime runs"):
        load_bundle(bundle)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "cannot be read"),
        ("{", "is not JSON"),
        ("[]", "states no bundle format"),
        ('{"format": 2}', "bundle format 2, and this nexthour reads up to 1: install the version that wrote it"),
        ('{"format": 1, "architecture": "oracle", "config": {}, "meta": {}, "files": {}}', "wants model 'oracle'"),
        ('{"format": 1, "architecture": "next_hour_lstm", "config": {}, "meta": {}, "files": {}}', "not one of|cannot"),
    ],
)
def test_a_bundle_that_cannot_be_used_says_why(tmp_path: Path, text: str | None, complaint: str) -> None:
    if text is not None:
        (tmp_path / "bundle.json").write_text(text)
    with pytest.raises(ModelError, match=complaint):
        load_bundle(tmp_path)


def test_inputs_that_a_network_was_not_trained_on_are_rejected_by_name(bundle: Path) -> None:
    network = OnnxNetwork.read(bundle)
    shapes = {node.name: node.shape for node in network._session.get_inputs()}
    wider = {
        name: np.zeros((2, *(width + 1 for width in shape[1:])), np.int32 if name == "station" else np.float32)
        for name, shape in shapes.items()
    }
    with pytest.raises(ModelError, match="was trained on other inputs"):
        network(wider)
    with pytest.raises(ModelError, match="was trained on other inputs"):
        network({name: array for name, array in wider.items() if name != "station"})


def rewrite(bundle: Path, **changes: Any) -> None:
    """Change `bundle.json` without its digest."""
    head = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps(head | changes))


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    """A bundle with a file, of a baseline, which takes no training."""
    meta = {"stations": list(tiny_city.STATIONS), "targets": list(tiny_city.TARGETS), "interval": tiny_city.INTERVAL}
    save_bundle(tmp_path / "5", initial_forecaster("weekday_level"), meta)
    return tmp_path / "5"


def test_a_head_that_was_changed_or_cut_is_rejected(baseline: Path) -> None:
    rewrite(baseline, config={"recency": 2})
    with pytest.raises(ModelError, match=r"bundle\.json was changed after it was written"):
        load_bundle(baseline)
    (baseline / "bundle.json").write_text('{"format": 1, "architecture": "weekday_level"}')
    with pytest.raises(ModelError, match=r"bundle\.json lacks config, meta, files"):
        load_bundle(baseline)


def test_a_head_of_an_earlier_release_has_no_digest_and_loads(baseline: Path) -> None:
    head = json.loads((baseline / "bundle.json").read_text())
    del head["digest"]
    (baseline / "bundle.json").write_text(json.dumps(head))
    assert load_bundle(baseline).name == "weekday_level"


def test_a_file_that_the_head_does_not_list_is_rejected(baseline: Path) -> None:
    (baseline / "network.onnx").write_bytes(b"somebody else's")
    with pytest.raises(ModelError, match=r"network\.onnx is not listed in bundle\.json"):
        load_bundle(baseline)


def test_a_bundle_that_is_replaced_while_it_is_read_is_read_again(
    baseline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, loads = architectures.load, []

    def slow(name: str, folder: Path, config: dict[str, Any]) -> Forecaster:
        loads.append(name)
        if len(loads) == 1:
            save_bundle(folder, initial_forecaster("weekday_mean"), {"note": "newer"})
        return load(name, folder, config)

    monkeypatch.setattr(architectures, "load", slow)
    forecaster, meta = load_with_meta(baseline)
    assert (forecaster.name, meta, loads) == ("weekday_mean", {"note": "newer"}, ["weekday_level", "weekday_mean"])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"targets": ["entries"]}, r"version 5 was trained on targets \['entries'\], the network has"),
        ({"interval": 15}, "version 5 was trained on interval 15, the network has 5"),
        ({"stations": ["central", "x", "y"]}, "trained on other stations, it knows 1 of 3"),
        ({"stations": ["central", "harbour", "x", "y"]}, None),
    ],
)
def test_a_bundle_of_another_network_is_rejected_and_one_of_a_network_that_grew_is_not(
    change: dict[str, Any], complaint: str | None
) -> None:
    meta = {"stations": list(tiny_city.STATIONS), "targets": list(tiny_city.TARGETS), "interval": tiny_city.INTERVAL}
    bundled = BundledForecaster(initial_forecaster("weekday_level"), "5", meta | change)
    tensors = tiny_city.features().tensors(np.array([ORIGIN]))
    if complaint is None:
        assert np.isfinite(bundled.predict(tensors).mean).all()
    else:
        with pytest.raises(ModelError, match=complaint):
            bundled.predict(tensors)
