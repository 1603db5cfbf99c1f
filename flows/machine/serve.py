"""Serve every deployment of the registry from one process: `python -m flows.machine.serve CONFIG DATA_ROOT`."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from prefect import serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from flows.machine.deployments import DEPLOYMENTS, Deployed
from tasks.settings.toml_file import load_settings

RUNS_AT_ONCE = 4


def deployments(config: str | None, data_root: str) -> list[Any]:
    """The registry as Prefect deployments of this machine: one run at a time each, a later one gives way."""
    timezone = load_settings(config, data_root).network.timezone
    return [_deployment(item, timezone, {"config": config, "data_root": data_root}) for item in DEPLOYMENTS]


def _deployment(item: Deployed, timezone: str, where: dict[str, str | None]) -> RunnerDeployment:
    flow = getattr(importlib.import_module(f"flows.{item.flow}"), item.flow)
    schedule = Cron(item.cron, timezone=timezone if item.local else "UTC") if item.cron else None
    made: RunnerDeployment = flow.to_deployment(
        name=item.flow,
        description=item.description,
        schedule=schedule,
        parameters={**item.parameters, **where},
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
        entrypoint_type=EntrypointType.MODULE_PATH,
        tags=["nexthour"],
    )
    return made


if __name__ == "__main__":
    serve(*deployments(sys.argv[1] or None, sys.argv[2]), limit=RUNS_AT_ONCE)
