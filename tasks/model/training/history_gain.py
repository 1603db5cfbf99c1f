"""What more history would bring: how much worse a simple forecast is without the oldest third of it.

What noise in a fit costs falls as one over the days it saw. So the oldest third has brought what twice the history
would bring: c / (2n/3) - c / n = c / n - c / (2n). Beyond the weeks of the profile older days bring little, and nothing
is reported.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tasks.contracts import FitLog, HistoryFeatures, Split
from tasks.errors import HistoryError
from tasks.model.promotion.gate import better_confidence
from tasks.model.training.fit import make_architecture
from tasks.model.training.holdout import Scores, limit_origins, score
from tasks.model.training.split import DAY, lag_days
from tasks.settings.tree import Settings

MODEL = "linear_level"
"""Fitted twice in seconds; what it gains from history a network gains, too."""


@dataclass(frozen=True)
class HistoryGain:
    """What the oldest third of a short history has brought.

    Attributes:
        days: of history.
        percent: by how much the loss of `MODEL` on the held-out days is lower with it; negative if it is higher.
        confidence: probability that it is lower; see `gate.better_confidence`.
    """

    days: int
    percent: float
    confidence: float

    def to_markdown(self) -> str:
        """A paragraph for the reviewer."""
        if self.percent <= 0:
            return f"**History** {self.days} days. Their oldest third brings `{MODEL}` nothing: more may bring little."
        return (
            f"**History** {self.days} days. Their oldest third makes the loss of `{MODEL}` {self.percent:.1f} % lower "
            f"(confidence {self.confidence:.2f} that it is lower at all); twice the history may bring about as much."
        )


def measure_gain(
    features: HistoryFeatures, split: Split, scores: Scores, settings: Settings, first: np.datetime64
) -> HistoryGain | None:
    """What the oldest third of the history brings `MODEL` on the held-out days.

    Args:
        features: of the night.
        split: of the night; validation and hold-out stay, training loses its oldest origins.
        scores: of `MODEL` with the whole history.
        settings: the tree.
        first: first minute observed, UTC.

    Returns:
        None where the history is longer than the weeks of the profile, or too short for two thirds of it to train on.
    """
    origins = limit_origins(split.holdout, len(features.grid.stations))
    if not len(origins):
        return None
    days = (origins[-1] - first) / DAY
    if days > 7 * settings.features.weeks:
        return None
    cut = first + np.timedelta64(round(days / 3 * 1440), "m")
    later = split.train[split.train >= cut + lag_days(days * 2 / 3) * DAY]
    shorter = features.since(cut)
    try:
        model = make_architecture(settings, MODEL, None).fit(shorter, replace(split, train=later), 0, FitLog())
    except HistoryError:
        return None
    without = score(shorter, origins, {MODEL: model}, settings.network.timezone)[MODEL]
    with np.errstate(invalid="ignore"):
        whole, less = (np.nanmean(x.by_part, axis=1) for x in (scores, without))
    seen = np.isfinite(whole) & np.isfinite(less)
    percent = 100 * (float(less[seen].mean()) / float(whole[seen].mean()) - 1) if whole[seen].any() else 0.0
    return HistoryGain(round(float(days)), percent, better_confidence(whole[seen], less[seen]))
