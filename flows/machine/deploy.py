"""`nexthour deploy`: register the registry with a Prefect server, for the workers of a work pool."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flows.deployments import DEPLOYMENTS, TAG, FlowDeployment
from flows.machine.environment import flow_environment
from flows.machine.job_templates import CONFIG_FILE, DATA_ROOT, Kind, base_job_template
from tasks.errors import ConfigError, NexthourError
from tasks.settings.tree import Settings
from tasks.storage.roots import one_line

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

DEADLINE_MARGIN_SECONDS = 600
"""For a process that hangs: time after the limit of its flow, which includes the start of its container."""
_VARIABLE = re.compile(r"\benv:([A-Za-z_][A-Za-z0-9_]*)$")


@dataclass(frozen=True)
class PoolTarget:
    """Work pool that runs the deployments, and what the runs find there.

    Attributes:
        pool: name of the work pool.
        kind: type of its workers; None for that of the pool, which has to be there then.
        config: TOML of the network, as a process of the pool finds it; None for the defaults of the environment.
        data_root: as a run finds it; None for that of the TOML.
        image: of the containers; needed for Docker and Kubernetes.
    """

    pool: str
    kind: Kind | None = None
    config: str | None = None
    data_root: str | None = None
    image: str | None = None

    def environment(self) -> dict[str, str]:
        """Variables that name the settings of a flow run."""
        if self.kind in ("docker", "kubernetes"):
            return flow_environment(CONFIG_FILE, self.data_root or DATA_ROOT)
        return flow_environment(self.config, self.data_root)

    def job_variables(self, item: FlowDeployment, secrets: list[str]) -> dict[str, Any]:
        """What a deployment overrides of the pool's job template.

        Args:
            item: the deployment; a job in Kubernetes is killed some minutes after the time limit of its flow.
            secrets: variables that the settings name. Docker has them from Prefect blocks, Kubernetes from its Secret,
                and a process from its worker.
        """
        blocks = {name: f"{{{{ prefect.blocks.secret.{block_name(name)} }}}}" for name in secrets}
        environment = self.environment() | (blocks if self.kind == "docker" else {})
        variables: dict[str, Any] = {"env": environment} | ({"image": self.image} if self.image else {})
        if self.kind == "kubernetes":
            variables["active_deadline_seconds"] = item.time_limit + DEADLINE_MARGIN_SECONDS
        return variables

    def check(self) -> None:
        """Check that containers have an image that does not change under them.

        Raises:
            ConfigError: if not.
        """
        if self.kind in (None, "process"):
            return
        name = (self.image or "").rpartition("/")[2]
        if "@sha256:" not in name and (":" not in name or name.endswith(":latest")):
            raise ConfigError(
                f"--type {self.kind} needs --image NAME:TAG, and no tag that moves, such as nexthour:0.1.0"
                + (f" (given {self.image})" if self.image else "")
            )


@dataclass(frozen=True)
class DeployReport:
    """What was deployed.

    Attributes:
        api: address of the Prefect server.
        pool, kind: the work pool and its type.
        created: whether the pool was made.
        version: of the code.
        deployments: names of those deployed.
        automations: names of those that were created or changed.
        leftovers: what this registry does not have, one line each with the command that removes it.
        secrets: variables that the settings name and runs need.
    """

    api: str
    pool: str
    kind: str
    created: bool
    version: str
    deployments: list[str]
    automations: list[str]
    leftovers: list[str]
    secrets: list[str]


def deploy(settings: Settings, target: PoolTarget, say: Callable[[str], None]) -> DeployReport:
    """Create the work pool if it is not there, and register every deployment and automation. No deployment is removed.

    Args:
        settings: of the network, whose time zone the local schedules are in.
        target: work pool and what runs find there.
        say: is given one line per deployment.

    Raises:
        ConfigError: if no server is configured, or the pool is of another type.
        NexthourError: if the server does not answer, or does not accept a deployment.
    """
    from prefect.client.orchestration import get_client

    from flows.machine.prefect_deployments import make_deployments
    from flows.machine.register_automations import register

    target.check()
    with _errors_in_one_line() as api, get_client(sync_client=True) as client:
        target, created = _ensure_pool(client, target)
        target.check()
        secrets = secret_names(settings)
        made = make_deployments(settings)
        for item, deployment in zip(DEPLOYMENTS, made, strict=True):
            deployment.job_variables = target.job_variables(item, secrets)
            paused = _keep_pauses(client, deployment)
            deployment.apply(work_pool_name=target.pool)
            say(f"deployed {deployment.full_name}" + (f"; paused as before: {', '.join(paused)}" if paused else ""))
        leftovers = find_leftovers(client)
        changed = register(settings)
    names = [deployment.full_name for deployment in made]
    return DeployReport(
        api, target.pool, str(target.kind), created, str(made[0].version), names, changed, leftovers, secrets
    )


def finish(settings: Settings) -> tuple[list[str], list[str]]:
    """Complete what `prefect deploy` registered: the forms of the runs, and the automations.

    Prefect takes a form from the flow alone, where a parameter that may be left out is no drop-down.

    Args:
        settings: of the network, whose sources and time zone the forms name.

    Returns:
        Names of the deployments, and of the automations that were created or changed.

    Raises:
        ConfigError: if no server is configured, or one of the deployments is not there.
        NexthourError: if the server does not answer, or does not accept something.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentUpdate
    from prefect.exceptions import ObjectNotFound

    from flows.machine.prefect_deployments import make_deployments
    from flows.machine.register_automations import register

    made = make_deployments(settings)
    with _errors_in_one_line() as api, get_client(sync_client=True) as client:
        for deployment in made:
            try:
                there = client.read_deployment_by_name(deployment.full_name)
            except ObjectNotFound:
                raise ConfigError(f"{api} has no deployment {deployment.full_name}: prefect deploy --all") from None
            form = deployment._parameter_openapi_schema.model_dump(exclude_unset=True)
            client.update_deployment(there.id, DeploymentUpdate(parameter_openapi_schema=form))
        return [deployment.full_name for deployment in made], register(settings)


def _keep_pauses(client: Any, deployment: RunnerDeployment) -> list[str]:
    """Schedules of a deployment that a person paused on the server, paused again; their names."""
    from prefect.exceptions import ObjectNotFound

    from flows.machine.prefect_deployments import keep_pauses

    try:
        return keep_pauses(deployment, client.read_deployment_by_name(deployment.full_name))
    except ObjectNotFound:
        return []


def secret_names(settings: Settings) -> list[str]:
    """Names of the environment variables that the settings refer to as env:NAME, sorted."""
    return sorted(set(_find_names(settings.model_dump(mode="json"))))


def block_name(variable: str) -> str:
    """Name of the Prefect block that holds a variable for Docker: lower case, with hyphens."""
    return variable.lower().replace("_", "-").strip("-")


def _find_names(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from _VARIABLE.findall(value)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _find_names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _find_names(inner)


def _ensure_pool(client: Any, target: PoolTarget) -> tuple[PoolTarget, bool]:
    """The target with the type of its pool, and whether the pool was made."""
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectNotFound

    try:
        there = client.read_work_pool(target.pool)
    except ObjectNotFound:
        kind = target.kind or "process"
        template = base_job_template(kind)
        client.create_work_pool(WorkPoolCreate(name=target.pool, type=kind, base_job_template=template))
        return replace(target, kind=kind), True
    if target.kind not in (None, there.type):
        raise ConfigError(f"work pool {target.pool!r} is of type {there.type}, not {target.kind}: name another one")
    if there.type not in ("process", "docker", "kubernetes"):
        raise ConfigError(f"work pool {target.pool!r} is of type {there.type}: name one of process, docker, kubernetes")
    return replace(target, kind=there.type), False


def find_leftovers(client: Any) -> list[str]:
    """Deployments and schedules of ours on the server that the registry does not have, with what removes them."""
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags

    known = {item.flow: {schedule.name for schedule in item.schedules} for item in DEPLOYMENTS}
    ours = client.read_deployments(deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG])))
    lines = []
    for deployment in ours:
        flow = client.read_flow(deployment.flow_id).name
        name = f"{flow}/{deployment.name}"
        if flow != deployment.name or flow not in known:
            lines.append(f"{name} is not in the registry any more: prefect deployment delete {name}")
            continue
        lines += [
            f"{name} has a schedule {schedule.slug or schedule.id} that the registry has not: "
            f"prefect deployment schedule delete {name} {schedule.id}"
            for schedule in deployment.schedules
            if schedule.slug not in known[flow]
        ]
    return sorted(lines)


@contextmanager
def _errors_in_one_line() -> Iterator[str]:
    """Address of the configured server; what goes wrong with it is one line that names it.

    Raises:
        ConfigError: if none is configured.
        NexthourError: if it does not answer or does not accept something.
    """
    import httpx
    from prefect.deployments.runner import DeploymentApplyError
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.settings import get_current_settings

    api = get_current_settings().api.url
    if not api:
        raise ConfigError("no Prefect server is configured: set PREFECT_API_URL, such as http://127.0.0.1:4200/api")
    try:
        yield api
    except PrefectHTTPStatusError as error:
        remedy = ": set PREFECT_API_AUTH_STRING" if error.response.status_code in (401, 403) else ""
        raise NexthourError(f"{api} answers {error.response.status_code} ({one_line(error)}){remedy}") from None
    except DeploymentApplyError as error:
        raise NexthourError(f"{api} does not accept a deployment: {one_line(error)}") from None
    except (httpx.HTTPError, RuntimeError) as error:
        raise NexthourError(f"{api} does not answer ({one_line(error)}): start it, or set PREFECT_API_URL") from None
