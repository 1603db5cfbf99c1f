"""Steps of the backtest stage, and the parts of a replay that flows hand to them."""

from __future__ import annotations

from tasks.backtest import log, replay, study
from tasks.backtest.folder import lock_parts
from tasks.backtest.part import PARTS, Job, Maker, OnJobProgress, ReplayOptions, RunJobs, replay_part, run_in_turn
from tasks.backtest.replay import BacktestReport, Replay, loss_so_far
from tasks.backtest.study import Objective, Report, Trial, Values, best_trial, finished_trials, open_study, optimize
from tasks.stepping import step

__all__ = [
    "PARTS",
    "BacktestReport",
    "Job",
    "Maker",
    "Objective",
    "OnJobProgress",
    "Replay",
    "ReplayOptions",
    "Report",
    "RunJobs",
    "Trial",
    "Values",
    "best_trial",
    "finished_trials",
    "lock_parts",
    "log_backtest",
    "log_study",
    "loss_so_far",
    "open_study",
    "optimize",
    "replay_origins",
    "replay_part",
    "run_in_turn",
]

replay_origins = step("replay past origins")(replay.replay)
log_backtest = step("log the backtest")(log.log_backtest)
log_study = step("log the study")(study.log_study)
