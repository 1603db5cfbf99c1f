"""One form for one network, whatever an exporter called and ordered its nodes."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from tasks.model.networks.canonical_onnx import canonical_form

WEIGHTS = {"w1": np.arange(6, dtype=np.float32).reshape(2, 3), "w2": np.ones((2, 3), np.float32)}


def exported(prefix: str, turned: bool, dead: bool = False, second: str = "MatMul") -> bytes:
    """`relu(x @ w1) + relu(y @ w2)`, its inner names and the order of its nodes as chance would have them."""
    own = {name: f"{prefix}{name}" for name in ("w1", "w2", "a", "b", "c", "d")}
    left = [
        helper.make_node("MatMul", ["x", own["w1"]], [own["a"]], name=f"{prefix}first"),
        helper.make_node("Relu", [own["a"]], [own["b"]]),
    ]
    right = [
        helper.make_node(second, ["y", own["w2"]], [own["c"]]),
        helper.make_node("Relu", [own["c"]], [own["d"]]),
    ]
    nodes = [*right, *left] if turned else [*left, *right]
    nodes += [helper.make_node("Neg", ["x"], [f"{prefix}unused"])] if dead else []
    nodes.append(helper.make_node("Add", [own["b"], own["d"]], ["z"]))
    weights = [numpy_helper.from_array(array, own[name]) for name, array in WEIGHTS.items()]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in ("y", "x")]
    output = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph(nodes, "g", inputs[:: -1 if turned else 1], [output], weights[:: -1 if turned else 1])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def test_names_orders_and_what_is_not_needed_make_no_difference() -> None:
    form = canonical_form(exported("p", turned=False))
    assert exported("p", turned=False) != exported("q__17", turned=True)
    assert canonical_form(exported("q__17", turned=True)) == form
    assert canonical_form(exported("r", turned=True, dead=True)) == form
    assert canonical_form(form) == form


def test_another_network_has_another_form() -> None:
    assert canonical_form(exported("p", turned=False, second="Gemm")) != canonical_form(exported("p", turned=False))


def test_the_settled_network_is_valid_and_answers_the_same_bits() -> None:
    form = canonical_form(exported("q__17", turned=True, dead=True))
    onnx.checker.check_model(onnx.load_from_string(form))
    rng = np.random.default_rng(1)
    given = {name: rng.normal(size=(4, 2)).astype(np.float32) for name in ("x", "y")}
    answers = [
        onnxruntime.InferenceSession(content).run(None, given)[0] for content in (exported("p", turned=False), form)
    ]
    np.testing.assert_array_equal(*answers)
