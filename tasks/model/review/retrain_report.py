"""What a retraining hands back; apart from what makes it, which no forecast needs to import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tasks.model.promotion.decision import GroupRow


@dataclass(frozen=True)
class RetrainReport:
    """What a retraining brought.

    Attributes:
        run_id: of MLflow; None where it did not answer.
        version: registry number, or `local-…` where MLflow did not answer.
        promoted: whether it publishes from now on.
        reason: the gate's sentence.
        metrics: one row per model on the same held-out days: `model`, and figures by the name of `metrics.figures`.
        decision: the gate's tables, markdown.
        tracking_uri: where MLflow is, without credentials.
        url: page of the run, where a server has one.
        bundle: path or URL of the bundle.
        fit_seconds: how long the fit took; None where the architecture does not say.
        waits: whether the gate would promote it, and a person decides.
        by_horizon: model -> mean absolute error of a station's step, in people, per step ahead on held-out days.
        warnings: sentences for the person who reads it.
        history: what more history would bring, markdown; empty where that is not measured.
        groups: what became of each group of stations, where each has a model of its own.
    """

    run_id: str | None
    version: str
    promoted: bool
    reason: str
    metrics: tuple[dict[str, Any], ...]
    decision: str
    tracking_uri: str
    url: str | None
    bundle: str
    fit_seconds: float | None
    waits: bool = False
    by_horizon: dict[str, list[float]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    history: str = ""
    groups: tuple[GroupRow, ...] = ()
