"""What all flows share: settings, the one reading of the clock, logs that reach Prefect, progress."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler

from flows.deployments import FREQUENT
from flows.progress_artifact import ProgressArtifact
from tasks.clock import day_bounds, parse_moment
from tasks.contracts import Progress
from tasks.errors import ConfigError
from tasks.settings.toml_file import load_settings
from tasks.settings.tree import Settings
from tasks.stepping import record_steps
from tasks.storage.roots import folder_here
from tasks.storage.store import Store
from tasks.tables.format import check_format

PROGRESS: ContextVar[Progress | None] = ContextVar("progress", default=None)
"""Where a caller in the same process wants to see progress; a flow's parameters must be JSON."""
LOGGERS = ("tasks", "flows")


def begin(as_of: datetime | None) -> tuple[Settings, np.datetime64]:
    """Settings, and the moment that this run pretends it is: UTC, now by default.

    The settings are those of the process's environment, NEXTHOUR_CONFIG and NEXTHOUR_DATA_ROOT: where a run reads and
    writes is a matter of its deployment, which nobody types into a form. From here on the log of the run in Prefect
    holds what our modules log.
    """
    send_logs_to_prefect()
    record_steps(not _is_frequent())
    settings = load_settings()
    check_format(Store(settings.data_root), settings.network)
    return settings, to_utc(as_of, settings) if as_of else now()


def _is_frequent() -> bool:
    """Whether a schedule started this run, and starts another one within the hour.

    Nobody looks at most of these runs, whose task runs would be half of what is recorded of a day. A run that a person
    starts has them.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow is None or not context.flow_run.auto_scheduled:
        return False
    return context.flow.name in FREQUENT


def now() -> np.datetime64:
    """The clock, UTC."""
    return np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us")


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


def to_utc(moment: datetime, settings: Settings) -> np.datetime64:
    """UTC seconds of a flow parameter; one without an offset is local time of the network, as in the commands.

    Prefect's form sends the offset of the time zone that is chosen beside the field.

    Raises:
        ConfigError: if the clocks of the network skipped it.
    """
    return parse_moment(moment.isoformat(), settings.network.timezone)


def day_span(
    settings: Settings, first_day: date | None, last_day: date | None
) -> tuple[np.datetime64 | None, np.datetime64 | None]:
    """UTC bounds of the service days from the first to the last, both included; None where a day is not given.

    Raises:
        ConfigError: if the last day is before the first.
    """
    if first_day and last_day and last_day < first_day:
        raise ConfigError(f"last_day {last_day} is before first_day {first_day}: exchange them")
    timezone = settings.network.timezone
    return _first_minute(first_day, timezone) if first_day else None, _end(last_day, timezone) if last_day else None


def replay_days(settings: Settings, first_day: date, last_day: date) -> tuple[np.datetime64, np.datetime64]:
    """As `day_span`, of two days that are given."""
    day_span(settings, first_day, last_day)
    return _first_minute(first_day, settings.network.timezone), _end(last_day, settings.network.timezone)


def _first_minute(day: date, timezone: str) -> np.datetime64:
    return day_bounds(np.datetime64(day, "D"), timezone)[0]


def _end(day: date, timezone: str) -> np.datetime64:
    return day_bounds(np.datetime64(day, "D"), timezone)[1]


def report_folder(settings: Settings, kind: str, name: str) -> Path:
    """Folder on this machine for what a long run leaves: nobody types a path of the worker into a form."""
    return folder_here(settings.data_root) / "reports" / kind / name


def current_progress() -> Progress:
    """The progress display of the command that called this flow, else an artifact that moves in the Prefect UI."""
    return PROGRESS.get() or ProgressArtifact()
