"""`prefect.yaml` of the registry, for whoever deploys with Prefect's own command from a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from flows.deployments import DEPLOYMENTS, FlowDeployment, Schedule
from flows.machine.deploy import PoolTarget

HEADER = """\
# Written by `nexthour deploy --work-pool {pool} --write {path}` from flows/deployments.py.
# It deploys every flow to a work pool, from the root of a checkout; --finish completes the forms of its runs and
# registers the automations, which `prefect deploy` does not:
#   prefect work-pool create {pool} --type {kind}
#   prefect deploy --all --prefect-file {path}
#   nexthour deploy --work-pool {pool} --finish{config}
#   prefect worker start --pool {pool}
"""


def to_yaml(target: PoolTarget, timezone: str, secrets: list[str], path: Path) -> str:
    """Text of a `prefect.yaml` that deploys the registry to a work pool.

    Args:
        target: work pool, and what runs find there.
        timezone: of the network; local schedules are in it.
        secrets: variables that the settings name.
        path: where the text will be; it says so.
    """
    config = f" --config {target.config}" if target.config else ""
    header = HEADER.format(pool=target.pool, kind=target.kind, path=path.as_posix(), config=config)
    entries = [_entry(item, target, timezone, secrets) for item in DEPLOYMENTS]
    text: str = yaml.safe_dump({"name": "nexthour", "deployments": entries}, sort_keys=False, width=120)
    return header + text


def _entry(item: FlowDeployment, target: PoolTarget, timezone: str, secrets: list[str]) -> dict[str, Any]:
    in_image = target.kind in ("docker", "kubernetes")
    return {
        "name": item.flow,
        "entrypoint": item.entrypoint if in_image else item.file_entrypoint,
        "description": item.description,
        "tags": item.tags,
        "enforce_parameter_schema": True,
        "concurrency_limit": {"limit": 1, "collision_strategy": item.collision},
        "work_pool": {"name": target.pool, "job_variables": target.job_variables(item, secrets)},
        "schedules": [_schedule(each, timezone) for each in item.schedules],
        **({"pull": []} if in_image else {}),
    }


def _schedule(item: Schedule, timezone: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"slug": item.name, "cron": item.cron, "timezone": item.timezone(timezone)}
    return entry | ({"parameters": dict(item.parameters)} if item.parameters else {})
