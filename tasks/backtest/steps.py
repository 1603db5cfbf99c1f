"""Steps of the backtest stage."""

from __future__ import annotations

from tasks.backtest import log, replay, study
from tasks.stepping import step

replay_origins = step("replay past origins")(replay.replay)
log_backtest = step("log the backtest")(log.log_backtest)
log_study = step("log the study")(study.log_study)
