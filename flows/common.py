"""What every flow does first and last: settings, the one look at the clock, and names that people recognise."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import UTC, datetime
from typing import overload

import numpy as np
from prefect.runtime import flow_run

from tasks.contracts import Progress
from tasks.settings.toml_file import load_settings
from tasks.settings.tree import Settings

PROGRESS: ContextVar[Progress | None] = ContextVar("progress", default=None)
"""Where a caller in the same process wants to see progress; a flow's parameters must be JSON."""


def begin(config: str | None, data_root: str | None, as_of: datetime | None) -> tuple[Settings, np.datetime64]:
    """Settings and the moment that this run pretends it is: UTC microseconds, now unless told otherwise."""
    settings = load_settings(config, data_root)
    return settings, to_utc(as_of) or np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us")


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


def shown_progress() -> Progress | None:
    """The progress bars of the command that called this flow, None where nobody watches."""
    return PROGRESS.get()
