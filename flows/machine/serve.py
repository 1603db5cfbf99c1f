"""Serve every deployment of the registry from one process: `python -m flows.machine.serve`.

NEXTHOUR_CONFIG and NEXTHOUR_DATA_ROOT name the settings, for this process and for the flow runs that it starts.
"""

from __future__ import annotations

import importlib
import threading
from typing import Any

from prefect import serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from flows.machine.automations import register_when_deployed
from flows.machine.deployments import DEPLOYMENTS, Deployed
from tasks.settings.toml_file import load_settings

RUNS_AT_ONCE = 4


def deployments() -> list[Any]:
    """The registry as Prefect deployments of this machine: one run at a time each, a later one gives way."""
    timezone = load_settings().network.timezone
    return [_deployment(item, timezone) for item in DEPLOYMENTS]


def _deployment(item: Deployed, timezone: str) -> RunnerDeployment:
    flow = getattr(importlib.import_module(f"flows.{item.flow}"), item.flow)
    schedule = Cron(item.cron, timezone=timezone if item.local else "UTC") if item.cron else None
    made: RunnerDeployment = flow.to_deployment(
        name=item.flow,
        description=item.description,
        schedule=schedule,
        parameters=item.parameters,
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
        entrypoint_type=EntrypointType.MODULE_PATH,
        tags=["nexthour"],
    )
    return made


if __name__ == "__main__":
    threading.Thread(target=register_when_deployed, args=(load_settings(),), daemon=True).start()
    serve(*deployments(), limit=RUNS_AT_ONCE)
