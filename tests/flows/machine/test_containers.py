"""The Dockerfile, the compose file and the Kubernetes manifests: checked by schema, since no engine runs here."""

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[3]
DEPLOYMENTS = ROOT / "deployments"
COMPOSE = yaml.safe_load((DEPLOYMENTS / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
MANIFESTS = [
    document
    for path in sorted((DEPLOYMENTS / "kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
    if document["kind"] != "Kustomization"
]
PODS = {m["metadata"]["name"]: m["spec"]["template"]["spec"] for m in MANIFESTS if m["kind"] == "Deployment"}
SECRET_WORDS = ("PASSWORD", "AUTH", "TOKEN", "CONNECTION_URL", "STORE_URI", "REDIS_MESSAGING_URL", "DOCKET_URL")


def instructions() -> list[tuple[str, str]]:
    text = (DEPLOYMENTS / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def containers() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{name}/{container['name']}", container)
        for name, pod in PODS.items()
        for container in (*pod.get("initContainers", []), *pod["containers"])
    ]


def test_the_image_is_built_in_one_stage_and_run_in_another_as_a_user_without_rights() -> None:
    found = instructions()
    stages = [i for i, (name, _) in enumerate(found) if name == "FROM"]
    assert len(stages) == 2
    last = found[stages[1] :]
    assert [value for name, value in last if name == "USER"] == ["10001:10001"]
    assert not any("pip install" in value for name, value in last if name == "RUN")
    names = [name for name, _ in last]
    assert names.index("USER") > max(i for i, name in enumerate(names) if name == "RUN")


def test_the_image_installs_what_is_locked_by_hash_and_nothing_else() -> None:
    installs = [value for name, value in instructions() if name == "RUN" and "pip install" in value]
    assert all("--require-hashes" in value or ("--no-index" in value and "--no-deps" in value) for value in installs)
    assert sum("--require-hashes" in value for value in installs) == 1


def pins(path: Path) -> set[str]:
    return {line.removesuffix(" \\") for line in path.read_text().splitlines() if "==" in line}


def test_the_lock_of_the_image_pins_what_the_lock_of_the_checkout_pins_without_its_tools() -> None:
    image, checkout = pins(DEPLOYMENTS / "requirements.lock"), pins(ROOT / "requirements.lock")
    named = {line.split("==")[0]: line.split(" ;")[0] for line in checkout}
    for line in image:
        name = line.split("==")[0]
        if name in named:
            assert any(line.split(" ;")[0] == other.split(" ;")[0] for other in checkout), line
    names = {line.split("==")[0] for line in image}
    assert {"prefect", "mlflow", "tensorflow", "psycopg", "prefect-redis", "prefect-kubernetes"} <= names
    assert not {"pytest", "mypy", "ruff", "playwright"} & names


def test_no_container_file_names_a_tag_that_moves_or_the_host_of_a_registry() -> None:
    stages = [value.split()[0] for name, value in instructions() if name == "FROM"]
    images = [*stages, *(s["image"] for s in SERVICES.values()), *(c["image"] for _, c in containers())]
    for image in images:
        assert re.fullmatch(r"[a-z0-9-]+:[a-z0-9.-]+", image), image
        assert not image.endswith(":latest")


def test_the_builder_is_sent_no_secret_no_data_and_no_cache() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        value.split()[0] if name == "COPY" and "--from" not in value else "" for name, value in instructions()
    } | {"README.md"}
    assert allowed == copied - {""}
    assert all((ROOT / path).exists() for path in allowed)


def test_compose_is_valid_by_its_schema() -> None:
    schema = json.loads((files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text())
    jsonschema.validate(COMPOSE, schema)


def test_compose_publishes_on_loopback_alone() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert sorted(published) == ["127.0.0.1:4200:4200", "127.0.0.1:5000:5000"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_of_compose_is_unprivileged_bounded_and_holds_no_secret(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["image"].startswith("nexthour:") or service["user"] != "0"
    for variable, value in service.get("environment", {}).items():
        if any(word in variable for word in SECRET_WORDS):
            assert "${" in value, variable


def test_every_variable_of_compose_is_in_the_example_and_has_no_value_there() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)", (DEPLOYMENTS / "compose.yaml").read_text()))
    lines = [line for line in (DEPLOYMENTS / ".env.example").read_text().splitlines() if not line.startswith("#")]
    assert {line.partition("=")[0] for line in lines} == used
    assert all(line.endswith("=") for line in lines)
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "deployments/.env" in ignored


@pytest.mark.parametrize("service", [n for n, s in SERVICES.items() if s["restart"] == "unless-stopped"])
def test_a_service_that_listens_says_whether_it_is_well(service: str) -> None:
    assert ("healthcheck" in SERVICES[service]) == (service != "prefect-services")


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda m: f"{m['kind']} {m['metadata']['name']}")
def test_a_manifest_is_valid_by_the_schemas_of_the_oldest_and_the_newest_kubernetes_that_are_known(
    manifest: dict[str, Any],
) -> None:
    for version in ("1.29", kubernetes_validate.latest_version()):
        kubernetes_validate.validate(manifest, version, strict=True)
    assert manifest["metadata"].get("namespace", "nexthour") == "nexthour"


def test_the_kustomization_lists_every_manifest() -> None:
    folder = DEPLOYMENTS / "kubernetes"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == sorted(p.name for p in folder.glob("*.yaml") if p.name != "kustomization.yaml")


@pytest.mark.parametrize(("name", "container"), containers(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_container_of_kubernetes_is_unprivileged_and_bounded(name: str, container: dict[str, Any]) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]) == {"requests", "limits"}
    assert all(set(values) == {"cpu", "memory"} for values in container["resources"].values())
    for variable in container.get("env", []):
        secret = any(word in variable["name"] for word in SECRET_WORDS) and "_SECRET_" not in variable["name"]
        assert secret == ("valueFrom" in variable), variable["name"]
    listens = "ports" in container
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container) or not listens or "redis" in name
    assert not listens or {"readinessProbe", "livenessProbe"} <= set(container)


@pytest.mark.parametrize(("name", "pod"), PODS.items(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_pod_runs_as_nobody_and_only_the_worker_speaks_to_kubernetes(name: str, pod: dict[str, Any]) -> None:
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert (pod.get("automountServiceAccountToken", True) is False) == (name != "nexthour-worker")
