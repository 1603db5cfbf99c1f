"""Base job templates of work pools, filled in as Prefect's workers fill them in, and the settings that servers are given."""

import asyncio
import importlib
from pathlib import Path
from typing import Any
from uuid import uuid4

import kubernetes_validate
import pytest
import yaml

from flows.deployments import DEPLOYMENTS as REGISTRY
from flows.machine.deploy import PoolTarget
from flows.machine.job_templates import LONGEST_RUN_SECONDS, base_job_template

DEPLOYMENTS = Path(__file__).parents[3] / "deployments"
IMAGE = "nexthour:0.1.0"
RETRAIN = next(item for item in REGISTRY if item.flow == "retrain")


def configuration(worker: Any, kind: Any) -> Any:
    """The job of one run of a deployment in a pool, as the worker makes it."""
    from prefect.client.schemas.objects import FlowRun

    secrets = ["FEED_TOKEN"] if kind == "kubernetes" else []
    values = PoolTarget("night", kind, image=IMAGE).job_variables(RETRAIN, secrets)
    template = base_job_template(kind)
    made = asyncio.run(worker.job_configuration.from_template_and_values(template, values, client=object()))
    made.prepare_for_flow_run(FlowRun(id=uuid4(), name="retrain 2027-03-01", flow_id=uuid4()))
    return made


def test_the_job_of_a_run_in_kubernetes_is_valid_bounded_unprivileged_and_has_its_secrets_from_a_secret() -> None:
    from prefect_kubernetes.worker import KubernetesWorker

    job = configuration(KubernetesWorker, "kubernetes").job_manifest
    pod = job["spec"]["template"]["spec"]
    assert (pod.pop("parallelism"), pod.pop("completions")) == (1, 1)  # Prefect demands them, where they mean nothing
    kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)
    assert job["metadata"]["namespace"] == "nexthour"
    assert job["spec"]["activeDeadlineSeconds"] == RETRAIN.time_limit + 600
    assert job["spec"]["ttlSecondsAfterFinished"] == 3600
    (container,) = pod["containers"]
    assert container["image"] == IMAGE
    assert container["resources"]["limits"] == {"cpu": "2", "memory": "4Gi"}
    assert container["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["envFrom"] == [{"secretRef": {"name": "nexthour", "optional": True}}]
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    assert environment["NEXTHOUR_CONFIG"] == "/etc/nexthour/nexthour.toml"
    assert environment["NEXTHOUR_DATA_ROOT"] == "/data"
    assert "FEED_TOKEN" not in environment
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["automountServiceAccountToken"] is False
    claims = {v["name"] for v in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == claims == {"data", "config", "tmp"}


def test_a_job_without_a_deadline_of_its_own_outlives_every_time_limit() -> None:
    assert max(item.time_limit for item in REGISTRY) < LONGEST_RUN_SECONDS


def test_the_names_that_jobs_refer_to_are_those_of_the_manifests() -> None:
    defaults = {k: v.get("default") for k, v in base_job_template("kubernetes")["variables"]["properties"].items()}
    text = [path.read_text() for path in sorted((DEPLOYMENTS / "kubernetes").glob("*.yaml"))]
    manifests = [document for each in text for document in yaml.safe_load_all(each)]
    there = {(m["kind"], m.get("metadata", {}).get("name")) for m in manifests}
    assert ("Namespace", defaults["namespace"]) in there
    assert ("ServiceAccount", defaults["service_account_name"]) in there
    assert ("PersistentVolumeClaim", defaults["data_claim"]) in there
    example = (DEPLOYMENTS / "kubernetes/secrets.env.example").read_text()
    assert f"configmap {defaults['config_map']} " in example
    assert f"secret generic {defaults['secret']} " in example


def test_the_container_of_a_run_in_docker_is_bounded_and_unprivileged_and_sees_its_data_and_configuration() -> None:
    from prefect_docker.worker import DockerWorker

    made = configuration(DockerWorker, "docker")
    assert made.image == IMAGE
    assert (made.mem_limit, made.memswap_limit, made.auto_remove, made.privileged) == ("4g", "4g", True, False)
    assert made.volumes == ["nexthour-data:/data", "./nexthour.toml:/etc/nexthour/nexthour.toml:ro"]
    assert made.env["NEXTHOUR_DATA_ROOT"] == "/data"
    kwargs = made.container_create_kwargs
    assert kwargs["user"] == "10001:10001"
    assert kwargs["cap_drop"] == ["ALL"]
    assert kwargs["read_only"] is True


def test_what_docker_is_asked_for_are_options_that_its_client_knows() -> None:
    from docker.models.containers import RUN_CREATE_KWARGS, RUN_HOST_CONFIG_KWARGS

    made = base_job_template("docker")["variables"]["properties"]["container_create_kwargs"]["default"]
    assert set(made) <= {*RUN_CREATE_KWARGS, *RUN_HOST_CONFIG_KWARGS}


def test_a_type_whose_worker_is_not_installed_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from tasks.errors import ConfigError

    monkeypatch.setitem(sys.modules, "prefect_docker.worker", None)
    with pytest.raises(ConfigError, match=r"prefect-docker .*: pip install 'nexthour\[docker\]'"):
        base_job_template("docker")


def server_variables() -> dict[str, str]:
    """Variables of Prefect in the compose file, the manifests and the examples of Secrets; values where they stand."""
    services = yaml.safe_load((DEPLOYMENTS / "compose.yaml").read_text())["services"].values()
    text = [path.read_text() for path in sorted((DEPLOYMENTS / "kubernetes").glob("*.yaml"))]
    manifests = [document for each in text for document in yaml.safe_load_all(each)]
    server = next(m for m in manifests if m["kind"] == "ConfigMap")
    pods = [m["spec"]["template"]["spec"] for m in manifests if m["kind"] == "Deployment"]
    env = [{v["name"]: str(v.get("value", "")) for v in c.get("env", [])} for p in pods for c in p["containers"]]
    compose = [{k: str(v) for k, v in s.get("environment", {}).items()} for s in services]
    found: dict[str, str] = {}
    for each in (server["data"], *env, *compose):
        found |= {name: value for name, value in each.items() if name.startswith("PREFECT_")}
    found |= {
        line.partition("=")[0]: ""
        for line in (DEPLOYMENTS / "kubernetes/secrets.env.example").read_text().splitlines()
        if line.startswith("PREFECT_")
    }
    return {name: value for name, value in found.items() if not name.endswith("_DATABASE_PASSWORD")}


def test_every_prefect_variable_of_the_container_files_is_a_setting_of_prefect() -> None:
    import prefect_kubernetes.settings
    import prefect_redis.cleanup_queue
    import prefect_redis.client
    from prefect.settings import Settings
    from prefect.settings.legacy import _get_valid_setting_names

    known = set(_get_valid_setting_names(Settings))
    for settings in (
        prefect_redis.client.RedisMessagingSettings,
        prefect_redis.cleanup_queue.RedisWorkerCleanupQueueSettings,
        prefect_kubernetes.settings.KubernetesWorkerSettings,
        prefect_kubernetes.settings.KubernetesObserverSettings,
    ):
        prefix = settings.model_config["env_prefix"].upper()
        known |= {prefix + field.upper() for field in settings.model_fields}
    assert [name for name in server_variables() if name not in known] == []


def test_the_modules_that_the_prefect_server_is_told_to_use_are_there() -> None:
    named = {value for value in server_variables().values() if value.startswith("prefect_redis.")}
    assert len(named) == 4
    for module in named:
        importlib.import_module(module)
