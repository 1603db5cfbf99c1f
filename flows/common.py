"""What all flows share: settings, the one reading of the clock, logs that reach Prefect, names of runs."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import overload

import numpy as np
from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler
from prefect.runtime import flow_run

from tasks.contracts import Progress
from tasks.settings.toml_file import load_settings
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables.format import check_format

PROGRESS: ContextVar[Progress | None] = ContextVar("progress", default=None)
"""Where a caller in the same process wants to see progress; a flow's parameters must be JSON."""
LOGGERS = ("tasks", "flows")


def begin(as_of: datetime | None) -> tuple[Settings, np.datetime64]:
    """Settings, and the moment that this run pretends it is: UTC microseconds, now by default.

    The settings are those of the process's environment, NEXTHOUR_CONFIG and NEXTHOUR_DATA_ROOT: where a run reads and
    writes is a matter of its deployment, which nobody types into a form. From here on the log of the run in Prefect
    holds what our modules log.
    """
    send_logs_to_prefect()
    settings = load_settings()
    check_format(Store(settings.data_root))
    return settings, to_utc(as_of) or np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us")


def send_logs_to_prefect() -> None:
    """Add the INFO records of our own modules to the log of the run that they belong to.

    Every flow calls it, so it holds for `up`, the demonstration and any worker. PREFECT_LOGGING_EXTRA_LOGGERS would
    have to be set for each of them before Prefect is imported, and leaves the loggers at WARNING.
    """
    for logger in map(logging.getLogger, LOGGERS):
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)
        if not any(isinstance(handler, APILogHandler) for handler in logger.handlers):
            handler = APILogHandler()
            handler.addFilter(_is_in_run)
            logger.addHandler(handler)


def _is_in_run(record: logging.LogRecord) -> bool:
    """Whether a record belongs to a run; Prefect warns of each one that does not."""
    return FlowRunContext.get() is not None or TaskRunContext.get() is not None


@overload
def to_utc(moment: datetime) -> np.datetime64: ...
@overload
def to_utc(moment: None) -> None: ...
def to_utc(moment: datetime | None) -> np.datetime64 | None:
    """UTC microseconds of a flow parameter; one without an offset is UTC."""
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return np.datetime64(aware.astimezone(UTC).replace(tzinfo=None), "us")


def run_name() -> str:
    """Name of a flow run: the flow and the moment that it stands for."""
    as_of = flow_run.parameters.get("as_of")
    start = as_of or flow_run.scheduled_start_time or datetime.now(UTC)
    moment = datetime.fromisoformat(start) if isinstance(start, str) else start
    return f"{flow_run.flow_name} {moment:%Y-%m-%d %H:%MZ}"


def current_progress() -> Progress | None:
    """The progress display of the command that called this flow, None where there is none."""
    return PROGRESS.get()
