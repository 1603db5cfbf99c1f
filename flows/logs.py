"""What processes write to their standard error: lines for people, or one JSON object per line for a collector of logs.

`[log] format = "json"` sets it for commands (`set_up`), for the flows that `up` serves and for Prefect's own lines
(`log_environment`: Prefect makes its console's formatter of the class that the environment names).
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.settings.servers import LogSettings

CONSOLE_FORMATTER = "PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER"
PEOPLE = logging.getLogger("nexthour")
"""Lines that a command writes for people, where they are written as JSON."""


class JsonLines(logging.Formatter):
    """One JSON object per record: time (UTC, RFC 3339), level, logger, message; run, report and exception if any.

    Prefect passes arguments of a text format, which have no meaning here.
    """

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if run := record.__dict__.get("flow_run_id") or _current_run():
            fields["run"] = str(run)
        if "report" in record.__dict__:
            fields["report"] = record.__dict__["report"]
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False, default=str)


def start(verbose: bool) -> None:
    """Write warnings of this process to stderr, progress too where it is `verbose`."""
    level = logging.INFO if verbose else logging.WARNING
    terminal = logging.StreamHandler()
    terminal.setLevel(level)  # a flow sets our loggers to INFO, for Prefect and not for the terminal
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", handlers=[terminal])


def set_up(settings: LogSettings) -> None:
    """Write as the settings say from here on; `--verbose` wins over a level."""
    for handler in logging.getLogger().handlers:
        if settings.level and handler.level != logging.INFO:
            handler.setLevel(settings.level)
            logging.getLogger().setLevel(settings.level)
        if settings.format == "json":
            handler.setFormatter(JsonLines())
    if settings.format == "json":
        write_json()


def write_json() -> None:
    """Write lines for people as JSON from here on."""
    if not PEOPLE.handlers:
        lines = logging.StreamHandler()
        lines.setFormatter(JsonLines())
        PEOPLE.addHandler(lines)
        PEOPLE.setLevel(logging.INFO)
        PEOPLE.propagate = False


def writes_json() -> bool:
    """Whether lines for people are written as JSON."""
    return bool(PEOPLE.handlers)


def log_environment(settings: LogSettings) -> dict[str, str]:
    """Variables that let Prefect's processes, and flows in them, write as the settings say."""
    level: dict[str, str] = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": settings.level} if settings.level else {}
    if settings.format == "text":
        return level
    return {
        **level,
        CONSOLE_FORMATTER: "json",
        "PREFECT_LOGGING_FORMATTERS_JSON_CLASS": f"{__name__}.{JsonLines.__name__}",
        "PREFECT_LOGGING_COLORS": "false",
    }


def _current_run() -> object:
    """Id of the flow run that this is part of; None outside of one, and where Prefect is not loaded."""
    context = sys.modules.get("prefect.context")
    if context is None:
        return None
    flow, task = context.FlowRunContext.get(), context.TaskRunContext.get()
    if flow is not None and flow.flow_run is not None:
        return flow.flow_run.id
    return None if task is None else task.task_run.flow_run_id
