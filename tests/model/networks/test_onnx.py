"""Networks are run without processors that wait for work."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from tasks.model.networks.onnx import OnnxNetwork


def doubling() -> OnnxNetwork:
    """`rows + rows`."""
    rows, answer = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in ("rows", "answer"))
    graph = helper.make_graph([helper.make_node("Add", ["rows", "rows"], ["answer"])], "double", [rows], [answer])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return OnnxNetwork(bytes(model.SerializeToString()))


def test_threads_of_a_network_sleep_while_they_have_no_work() -> None:
    network = doubling()
    np.testing.assert_array_equal(network({"rows": np.ones((3, 2), np.float32)}), np.full((3, 2), 2, np.float32))
    options = network._session.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
