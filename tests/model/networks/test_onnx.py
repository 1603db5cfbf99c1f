"""Networks are run without threads that wait for work, and say in one line why they do not answer."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnxruntime.capi import onnxruntime_pybind11_state as state

from tasks.errors import ModelError
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


@pytest.mark.parametrize("kind", [state.RuntimeException, state.EPFail, state.Fail])
def test_a_network_that_breaks_is_an_error_of_the_model(kind: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    network = doubling()

    def run(*given: object) -> None:
        raise kind("Failed to allocate memory")

    monkeypatch.setattr(network._session, "run", run)
    with pytest.raises(ModelError, match=r"or breaks .*Failed to allocate memory.*: retrain it"):
        network({"rows": np.ones((1, 2), np.float32)})
