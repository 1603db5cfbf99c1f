"""Hold the losses of a training against one another: of all stations, or of one group."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tasks.arrays import Int
from tasks.metrics import Double
from tasks.model.promotion.decision import Decision
from tasks.model.promotion.gate import decide
from tasks.model.training.holdout import PARTS, Scores
from tasks.settings.tree import GateSettings

CHALLENGER, CHAMPION = "challenger", "champion"
FEW_DAYS = 3
"""Held-out days with fewer of which their quarters are compared."""


def judge_scores(
    scores: Mapping[str, Scores],
    days: int,
    volume: Double,
    gate: GateSettings,
    *,
    champion_name: str = CHAMPION,
    total: bool = False,
    stations: Int | None = None,
) -> Decision:
    """Hold the challenger's losses against those of champion and baselines; see `gate.decide`.

    Args:
        scores: of all models.
        days: that are held out; of few the quarters are compared, as with the first weeks of history.
        volume: float64 [station], people per day.
        gate: settings.
        champion_name: what to call the champion.
        total: whether the last station is the total of the others.
        stations: positions of those that are judged; all by default.
    """
    few, own = days < FEW_DAYS, slice(None) if stations is None else stations
    losses = {name: np.asarray((each.by_part if few else each.daily)[:, own]) for name, each in scores.items()}
    challenger, champion = losses.pop(CHALLENGER), losses.pop(CHAMPION, None)
    parts = PARTS if few else 1
    return decide(
        challenger, champion, losses, volume[own], gate, champion_name=champion_name, total=total, parts=parts
    )
