"""Boosted trees of scikit-learn as ONNX: one operator, no pickle, no scikit-learn where a forecast is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from tasks.arrays import Float
from tasks.errors import ModelError
from tasks.model.networks.onnx import OnnxNetwork

OPSET, TREES, IR = 17, 3, 8
"""Versions of the ONNX operators, of those for trees, and of the format, that every onnxruntime since 1.16 reads."""
CUTS = 254
TINY = 1e-30


@dataclass(frozen=True)
class Bins:
    """Where each feature is cut before the trees see it, float32 ascending each.

    With weighted rows scikit-learn's own cutting takes three times as long as its trees.
    """

    edges: tuple[Float, ...]

    @classmethod
    def of(cls, rows: Float) -> Bins:
        """Cuts at evenly spaced ranks of float32 [row, feature]; NaN has no rank."""
        seen = (column[~np.isnan(column)] for column in rows.T)
        return cls(
            tuple(np.unique(np.sort(x)[np.linspace(0, len(x) - 1, CUTS).astype(int)] if len(x) else x) for x in seen)
        )

    def codes(self, rows: Float) -> Float:
        """How many cuts lie below each value; NaN stays, but in a feature that never had a value."""
        out = np.stack(
            [np.searchsorted(e, c).astype(np.float32) for e, c in zip(self.edges, rows.T, strict=True)], axis=1
        )
        known = np.array([len(e) > 0 for e in self.edges])
        return np.where(np.isnan(rows) & known, np.float32(np.nan), out)

    def thresholds(self, features: Any, thresholds: Any) -> Float:
        """The values that cut features where these codes do: a code is at most t where the value is at most edge t.

        An infinite one separates missing values from the others.
        """
        every = [np.append(edges, np.finfo(np.float32).max) for edges in self.edges]
        at = np.floor(np.minimum(thresholds, CUTS)).astype(int)
        return np.array([every[f][min(t, len(every[f]) - 1)] for f, t in zip(features, at, strict=True)], np.float32)


def export_trees(models: Sequence[Any], trees: int, bins: Bins, rows: Float) -> OnnxNetwork:
    """The first `trees` of one or several fitted HistGradientBoostingRegressors with a log link.

    Input `rows` float32 [row, feature], output float32 [row, 1]: what `predict` answers, the geometric mean of several.

    Args:
        models: fitted on codes.
        trees: how many of each one's trees, at least 1.
        bins: of the codes.
        rows: some rows on which both are held against one another.

    Raises:
        ModelError: if they differ, as this scikit-learn keeps its trees in another way.
    """
    network = OnnxNetwork(_onnx(_attributes(models, trees, bins), rows.shape[1]))
    codes = bins.codes(rows)
    each = [next(islice(model.staged_predict(codes), trees - 1, None)) for model in models]
    theirs = np.exp(np.mean(np.log(np.maximum(each, TINY)), axis=0))
    if not np.allclose(network({"rows": rows})[:, 0], theirs, rtol=1e-4, atol=1e-6):
        raise ModelError("the trees of this scikit-learn cannot be exported: install another release of it")
    return network


def _attributes(models: Sequence[Any], trees: int, bins: Bins) -> dict[str, Any]:
    """Attributes of ONNX's TreeEnsembleRegressor, which adds up all trees; those of several models have its mean."""
    nodes = [predictors[0].nodes for model in models for predictors in model._predictors[:trees]]
    every = np.concatenate(nodes)
    tree = np.repeat(np.arange(len(nodes)), [len(n) for n in nodes])
    node = np.concatenate([np.arange(len(n)) for n in nodes])
    leaf = every["is_leaf"].astype(bool)
    branch, values = np.where(leaf, 0, 1), np.zeros(len(every), np.float32)
    values[~leaf] = bins.thresholds(every["feature_idx"][~leaf], every["num_threshold"][~leaf])
    return {
        "nodes_treeids": tree,
        "nodes_nodeids": node,
        "nodes_featureids": every["feature_idx"] * branch,
        "nodes_values": values,
        "nodes_modes": ["LEAF" if end else "BRANCH_LEQ" for end in leaf],
        "nodes_truenodeids": every["left"] * branch,
        "nodes_falsenodeids": every["right"] * branch,
        "nodes_missing_value_tracks_true": every["missing_go_to_left"] * branch,
        "target_treeids": tree[leaf],
        "target_nodeids": node[leaf],
        "target_ids": np.zeros(leaf.sum(), int),
        "target_weights": every["value"][leaf] / len(models),
        "base_values": np.mean([np.ravel(model._baseline_prediction)[:1] for model in models], axis=0),
    }


def _onnx(attributes: dict[str, Any], features: int) -> bytes:
    from onnx import TensorProto, helper

    plain = {k: v if isinstance(v, list) else np.asarray(v).tolist() for k, v in attributes.items()}
    trees = helper.make_node(
        "TreeEnsembleRegressor", ["rows"], ["log"], domain="ai.onnx.ml", n_targets=1, post_transform="NONE", **plain
    )
    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, features])
    ratio = helper.make_tensor_value_info("ratio", TensorProto.FLOAT, [None, 1])
    graph = helper.make_graph([trees, helper.make_node("Exp", ["log"], ["ratio"])], "trees", [rows], [ratio])
    versions = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREES)]
    model = helper.make_model(graph, opset_imports=versions, ir_version=IR)
    return bytes(model.SerializeToString())
