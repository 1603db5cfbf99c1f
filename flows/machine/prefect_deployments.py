"""The registry as Prefect's own deployments, for a process that serves them or a work pool that runs them."""

from __future__ import annotations

import importlib
from typing import Any

from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from flows.deployments import DEPLOYMENTS, FlowDeployment
from flows.machine.forms import fill_form
from flows.machine.version import code_version
from tasks.settings.tree import Settings


def make_deployments(settings: Settings) -> list[RunnerDeployment]:
    """Every deployment of the registry, with local schedules in the time zone of the network, and its forms filled."""
    version = code_version()
    return [_make_deployment(item, settings, version) for item in DEPLOYMENTS]


def load_flow(item: FlowDeployment) -> Any:
    """The flow of a deployment; its module is imported."""
    return getattr(importlib.import_module(f"flows.{item.flow}"), item.flow)


def keep_pauses(deployment: RunnerDeployment, there: DeploymentResponse) -> list[str]:
    """Pause the schedules of a deployment that a person paused on the server; returns their names.

    Prefect would let them run again whenever the deployment is registered.
    """
    paused = {schedule.slug for schedule in there.schedules if schedule.slug and not schedule.active}
    for schedule in deployment.schedules or []:
        schedule.active = schedule.slug not in paused
    return sorted(paused)


def _make_deployment(item: FlowDeployment, settings: Settings, version: str) -> RunnerDeployment:
    timezone = settings.network.timezone
    schedules = [
        Cron(each.cron, timezone=each.timezone(timezone), parameters=dict(each.parameters), slug=each.name)
        for each in item.schedules
    ]
    made: RunnerDeployment = load_flow(item).to_deployment(
        name=item.flow,
        description=item.description,
        tags=item.tags,
        version=version,
        schedules=schedules,
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy(item.collision)),
        enforce_parameter_schema=True,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    fill_form(made._parameter_openapi_schema.properties, settings)
    return made
