"""Environment of Prefect and MLflow processes on one machine, set before they are imported."""

from __future__ import annotations

import json
import os
from pathlib import Path

from flows.logs import log_environment
from tasks.errors import ConfigError
from tasks.settings.secrets import read_variable
from tasks.settings.tree import Settings
from tasks.storage.roots import folder_here

QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # two processes instead of eleven
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
RECORDER = {  # a server of one command must write every task run down before it goes; below 1 s the recorder spins
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "50",
}
CALM = {  # what the server looks for every 5 to 20 seconds by itself, it may see a minute later
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_CLEANUP_RECONCILER_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "30",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "60",
    "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT30S",
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "30",
    "MALLOC_ARENA_MAX": "2",  # threads of a server that waits need no memory of their own (glibc)
}
TERSE = {  # what the servers of one machine need not ask each other for, and records that may come together
    "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
    "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "10",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "20",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "20",
}
DATABASE_VARIABLE = "PREFECT_API_DATABASE_CONNECTION_URL"
DAY_SECONDS = 86_400
BRIEF_EVENTS = (
    *(f"prefect.artifact{kind}.{act}" for kind in ("", "-collection") for act in ("created", "updated")),
    *(f"prefect.task-run.{state}" for state in ("Pending", "Running", "Completed", "Failed", "Cached")),
    *(f"prefect.flow-run.{state}" for state in ("Scheduled", "Late", "Pending", "Submitting", "Running", "Completed")),
    "prefect.flow-run.heartbeat",
    "prefect.log.write",
)
BRIEF_SECONDS = 3600


HEARTBEAT = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
"""Seconds between the heartbeats of a run, by which an automation knows that its process lives; Prefect's least."""


def state_folder(settings: Settings) -> Path:
    """Where servers of this machine keep their databases and logs: the data root where it is a folder."""
    return folder_here(settings.data_root)


def server_environment(settings: Settings) -> dict[str, str]:
    """Variables of a Prefect server whose database lies beside the tables, and of all that talk to it."""
    return {
        **QUIET,
        **CALM,
        **TERSE,
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": os.environ.get("PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED", "false"),
        "PREFECT_HOME": str(state_folder(settings) / "prefect"),
        DATABASE_VARIABLE: database_url(settings),
        **_retention(settings),
        **log_environment(settings.log),
    }


def database_url(settings: Settings) -> str:
    """SQLAlchemy URL of Prefect's database; may hold a password.

    Raises:
        ConfigError: if `[prefect] database` names a variable that is not set or holds no PostgreSQL URL.
    """
    if settings.prefect.database is None:
        return f"sqlite+aiosqlite:///{state_folder(settings)}/prefect/prefect.db"
    url = read_variable("[prefect] database", settings.prefect.database)
    scheme, _, rest = url.partition("://")
    if not scheme.startswith("postgresql") or not rest:
        raise ConfigError("[prefect] database is no PostgreSQL URL: it begins with postgresql://")
    return f"postgresql+asyncpg://{rest}"


def _retention(settings: Settings) -> dict[str, str]:
    """How long the server keeps what; it looks every quarter of an hour.

    The events of an artifact repeat its whole content; those of tasks, heartbeats and of runs that end well repeat what
    stands in the records of the run.
    """
    brief = dict.fromkeys(BRIEF_EVENTS, BRIEF_SECONDS)
    return {
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": f"P{settings.prefect.event_days}D",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(settings.prefect.run_days * DAY_SECONDS),
        "PREFECT_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES": json.dumps(brief),
        "PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS": "900",
        # What an automation waited for while the server was down is looked at when it comes up, and not forgotten.
        "PREFECT_SERVER_EVENTS_EXPIRED_BUCKET_BUFFER": "P7D",
    }


def flow_environment(config: str | None, data_root: str | None) -> dict[str, str]:
    """Variables that tell every flow run of a process its settings.

    Args:
        config: TOML of the network; None where there is no file.
        data_root: None for that of the TOML.
    """
    named = {"NEXTHOUR_CONFIG": config, "NEXTHOUR_DATA_ROOT": data_root}
    return {**HEARTBEAT, **{name: value for name, value in named.items() if value}}


def use_one_shot_server(settings: Settings) -> None:
    """Let flows of this process run against a server of its own, unless one is configured."""
    own = {
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",  # the log of each run has the rest
        **server_environment(settings),
        **RECORDER,
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
    }
    if "PREFECT_API_URL" in os.environ:
        own = QUIET
    for name, value in own.items():
        os.environ.setdefault(name, value)
    (state_folder(settings) / "prefect").mkdir(parents=True, exist_ok=True)
