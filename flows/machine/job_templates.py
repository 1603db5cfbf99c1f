"""Base job templates of work pools: Prefect's own, with our limits, volumes, secrets and an unprivileged user."""

from __future__ import annotations

from typing import Any, Literal

from tasks.errors import ConfigError

Kind = Literal["process", "docker", "kubernetes"]
CONFIG_FILE = "/etc/nexthour/nexthour.toml"
"""Where containers find the configuration of the network."""
DATA_ROOT = "/data"
"""Where containers find the data root, unless it is a URL."""
USER = 10001
"""User and group of the image (deployments/Dockerfile)."""
LONGEST_RUN_SECONDS = 49 * 3600
"""A job without a deadline of its own is killed after it: more than the time limit of any flow."""


def base_job_template(kind: Kind) -> dict[str, Any]:
    """What a work pool of a kind is created with.

    Raises:
        ConfigError: if the package of its worker is not installed.
    """
    try:
        return {"process": _process, "docker": _docker, "kubernetes": _kubernetes}[kind]()
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"--type {kind} needs the package prefect-{kind} ({error.name} is missing): pip install 'nexthour[{kind}]'"
        ) from None


def _process() -> dict[str, Any]:
    from prefect.workers.process import ProcessWorker

    return ProcessWorker.get_default_base_job_template()


def _docker() -> dict[str, Any]:
    from prefect_docker.worker import DockerWorker

    template = DockerWorker.get_default_base_job_template()
    container = {
        "user": f"{USER}:{USER}",
        "init": True,
        "read_only": True,
        "tmpfs": {"/tmp": "mode=1777,size=1g"},  # noqa: S108  (of the container)
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "pids_limit": 1024,
        "nano_cpus": 2_000_000_000,
    }
    defaults = {
        "image_pull_policy": "IfNotPresent",
        "auto_remove": True,
        "volumes": [f"nexthour-data:{DATA_ROOT}", f"./nexthour.toml:{CONFIG_FILE}:ro"],
        "mem_limit": "4g",
        "memswap_limit": "4g",
        "container_create_kwargs": container,
    }
    return _with_defaults(template, defaults)


def _kubernetes() -> dict[str, Any]:
    from prefect_kubernetes.worker import KubernetesWorker

    template = KubernetesWorker.get_default_base_job_template()
    job = template["job_configuration"]["job_manifest"]["spec"]
    job["activeDeadlineSeconds"] = "{{ active_deadline_seconds }}"
    _harden_pod(job["template"]["spec"])
    template["variables"]["properties"] |= {
        "active_deadline_seconds": _variable("integer", "Active Deadline", "Seconds after which a job is killed."),
        "data_claim": _variable("string", "Data Claim", "PersistentVolumeClaim that holds the data root."),
        "config_map": _variable("string", "Config Map", "ConfigMap that holds nexthour.toml."),
        "secret": _variable("string", "Secret", "Secret whose keys become variables of the run; it may be absent."),
    }
    defaults = {
        "namespace": "nexthour",
        "service_account_name": "nexthour-run",
        "finished_job_ttl": 3600,
        "pod_watch_timeout_seconds": 300,
        "cpu_request": "500m",
        "cpu_limit": "2",
        "memory_request": "1Gi",
        "memory_limit": "4Gi",
        "active_deadline_seconds": LONGEST_RUN_SECONDS,
        "data_claim": "nexthour-data",
        "config_map": "nexthour-config",
        "secret": "nexthour",
    }
    return _with_defaults(template, defaults)


def _harden_pod(pod: dict[str, Any]) -> None:
    """Add volumes, secrets and an unprivileged user to the pod of a job manifest."""
    identity = {"runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER}
    pod["securityContext"] = {**identity, "seccompProfile": {"type": "RuntimeDefault"}}
    pod["automountServiceAccountToken"] = False
    pod["volumes"] = [
        {"name": "data", "persistentVolumeClaim": {"claimName": "{{ data_claim }}"}},
        {"name": "config", "configMap": {"name": "{{ config_map }}"}},
        {"name": "tmp", "emptyDir": {}},
    ]
    pod["containers"][0] |= {
        "envFrom": [{"secretRef": {"name": "{{ secret }}", "optional": True}}],
        "volumeMounts": [
            {"name": "data", "mountPath": DATA_ROOT},
            {"name": "config", "mountPath": CONFIG_FILE.rpartition("/")[0], "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  (of the container)
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _variable(kind: str, title: str, description: str) -> dict[str, Any]:
    return {"type": kind, "title": title, "description": description}


def _with_defaults(template: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    for name, value in defaults.items():
        template["variables"]["properties"][name]["default"] = value
    return template
