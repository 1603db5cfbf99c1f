"""The sine-wave article's recipe: two stacked LSTM layers read a window of 50 steps and say the next one.

The hour is one full recursive sequence from the last window (`tasks.model.recursion` has the article's other two ways).
Windows are scaled by station from training hours, not divided by their first value, which may be zero. Trained with
keras, served without.
"""

from __future__ import annotations

from tasks.model.architectures._recursive import RecursiveConfig, RecursiveLstm


class StackedConfig(RecursiveConfig):
    """Table `[models.stacked_lstm]`; the defaults are the article's: layers 1-5-20-1, window 50, batch 512, 5 %."""


class StackedLstm(RecursiveLstm):
    """See the file's head."""

    name = "stacked_lstm"
    config_type = StackedConfig
