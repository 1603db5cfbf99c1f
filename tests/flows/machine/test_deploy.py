"""`nexthour deploy` against a Prefect server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import flows.cli.deploy  # noqa: F401  (it registers its command)
from flows.cli.app import app
from flows.deployments import DEPLOYMENTS
from flows.machine import deploy as deploying
from flows.machine import prefect_deployments, register_automations
from flows.machine.deploy import PoolTarget, deploy
from flows.machine.environment import HEARTBEAT
from tasks.errors import ConfigError, NexthourError
from tasks.settings.tree import Settings

ROOT = Path(__file__).parents[3]
IMAGE = "nexthour:0.1.0"
NETWORK = {"timezone": "Asia/Kolkata"}


@pytest.fixture
def client(prefect_harness: None) -> Iterator[Any]:
    """A client of the server, which has no deployments, pools and automations before and afterwards."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        clear(client)
        yield client
        clear(client)


def clear(client: Any) -> None:
    """Remove all deployments, pools and automations."""
    for deployment in client.read_deployments():
        client.delete_deployment(deployment.id)
    for pool in client.request("POST", "/work_pools/filter", json={}).json():
        client.delete_work_pool(pool["name"])
    for automation in client.read_automations():
        client.delete_automation(automation.id)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deploy two of the registry and no automations, which is enough for most and takes a tenth of the time."""
    few = tuple(item for item in DEPLOYMENTS if item.flow in ("ingest", "score"))
    monkeypatch.setattr(deploying, "DEPLOYMENTS", few)
    monkeypatch.setattr(prefect_deployments, "DEPLOYMENTS", few)
    monkeypatch.setattr(register_automations, "register", lambda settings: [])


def quiet(line: str) -> None:
    """Show nothing."""


def test_deploy_makes_the_pool_and_registers_the_registry_and_the_automations(client: Any, tmp_path: Path) -> None:
    settings = Settings(data_root=str(tmp_path), network=NETWORK)  # type: ignore[arg-type]
    target = PoolTarget("night", "process", config="/etc/network.toml", data_root="/srv/root")
    first = deploy(settings, target, quiet)
    assert (first.created, first.leftovers) == (True, [])
    assert {found.name for found in client.read_automations()} == set(first.automations)
    assert client.read_work_pool("night").type == "process"
    found = {item.name: item for item in client.read_deployments()}
    assert set(found) == {item.flow for item in DEPLOYMENTS}
    for item in DEPLOYMENTS:
        there = found[item.flow]
        environment = {"NEXTHOUR_CONFIG": "/etc/network.toml", "NEXTHOUR_DATA_ROOT": "/srv/root"}
        assert there.work_pool_name == "night"
        assert there.job_variables == {"env": {**HEARTBEAT, **environment}}
        assert there.parameters == {}
        assert there.enforce_parameter_schema
        assert (there.version, there.tags) == (first.version, item.tags)
        assert there.concurrency_options.collision_strategy.value == item.collision
        schedules = {s.slug: (s.schedule.cron, s.schedule.timezone, s.parameters) for s in there.schedules}
        assert schedules == {
            s.name: (s.cron, "Asia/Kolkata" if s.local else "UTC", dict(s.parameters)) for s in item.schedules
        }


def test_what_the_registry_has_no_more_is_named_and_stays_and_so_does_a_pause_by_hand(
    client: Any, two: None, tmp_path: Path
) -> None:
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule

    settings, target = Settings(data_root=str(tmp_path)), PoolTarget("night")
    deploy(settings, target, quiet)
    flow = client.create_flow_from_name("sweep")
    client.create_deployment(flow_id=flow, name="sweep", tags=["nexthour"])
    client.create_deployment(flow_id=client.create_flow_from_name("theirs"), name="theirs", tags=["other"])
    score = client.read_deployment_by_name("score/score")
    extra = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 0 * * *"), slug="midnight")
    client.request("POST", f"/deployments/{score.id}/schedules", json=[extra.model_dump(mode="json")])
    hourly = next(s for s in score.schedules if s.slug == "hourly")
    client.request("PATCH", f"/deployments/{score.id}/schedules/{hourly.id}", json={"active": False})

    report = deploy(settings, target, quiet)

    assert not report.created
    assert [line.split(":")[0] for line in report.leftovers] == [
        "score/score has a schedule midnight that the registry has not",
        "sweep/sweep is not in the registry any more",
    ]
    assert report.leftovers[1].endswith(": prefect deployment delete sweep/sweep")
    assert client.read_deployment_by_name("sweep/sweep")
    after = {s.slug: s.active for s in client.read_deployment_by_name("score/score").schedules}
    assert after == {"hourly": False, "midnight": True}


def test_a_deployment_of_an_earlier_release_gets_the_schedules_of_this_one(
    client: Any, two: None, tmp_path: Path
) -> None:
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule

    old = DeploymentScheduleCreate(schedule=CronSchedule(cron="* * * * *", timezone="UTC"))
    parameters = {"config": "deployments/nexthour.toml"}
    flow = client.create_flow_from_name("ingest")
    client.create_deployment(flow_id=flow, name="ingest", tags=["nexthour"], schedules=[old], parameters=parameters)
    deploy(Settings(data_root=str(tmp_path)), PoolTarget("night"), quiet)
    there = client.read_deployment_by_name("ingest/ingest")
    assert sorted(s.slug for s in there.schedules) == ["hourly-look-back", "minutely"]
    assert there.parameters == {}


def test_the_type_of_a_pool_that_is_there_is_taken_over_and_never_changed(
    client: Any, two: None, tmp_path: Path
) -> None:
    settings = Settings(data_root=str(tmp_path))
    deploy(settings, PoolTarget("ships", "docker", image=IMAGE), quiet)
    report = deploy(settings, PoolTarget("ships", image="nexthour:0.2.0"), quiet)
    assert (report.kind, report.created) == ("docker", False)
    variables = client.read_deployment_by_name("score/score").job_variables
    assert variables["image"] == "nexthour:0.2.0"
    assert variables["env"]["NEXTHOUR_CONFIG"] == "/etc/nexthour/nexthour.toml"
    assert variables["env"]["NEXTHOUR_DATA_ROOT"] == "/data"
    with pytest.raises(ConfigError, match="'ships' is of type docker, not kubernetes: name another one"):
        deploy(settings, PoolTarget("ships", "kubernetes", image=IMAGE), quiet)


@pytest.mark.parametrize("image", [None, "nexthour", "nexthour:latest", "host:5000/nexthour"])
def test_containers_need_an_image_whose_tag_stays(image: str | None, tmp_path: Path) -> None:
    for kind in ("docker", "kubernetes"):
        with pytest.raises(ConfigError, match=f"--type {kind} needs --image NAME:TAG"):
            deploy(Settings(data_root=str(tmp_path)), PoolTarget("p", kind, image=image), quiet)  # type: ignore[arg-type]


def test_secrets_of_the_settings_are_named_and_come_from_blocks_in_docker_and_never_by_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEED_TOKEN", "s3cret")
    feed = {
        "name": "feed",
        "kind": "http",
        "url": "https://example.org",
        "headers": {"Authorization": "Bearer env:FEED_TOKEN"},
    }
    database = {"name": "ops", "kind": "sql", "url": "env:OPS_DATABASE_URL", "table": "counts"}
    settings = Settings(data_root=str(tmp_path), sources=[feed, database])  # type: ignore[arg-type]
    secrets = deploying.secret_names(settings)
    assert secrets == ["FEED_TOKEN", "OPS_DATABASE_URL"]
    in_docker = PoolTarget("p", "docker", image=IMAGE).job_variables(DEPLOYMENTS[0], secrets)["env"]
    assert in_docker["FEED_TOKEN"] == "{{ prefect.blocks.secret.feed-token }}"
    for kind in ("process", "kubernetes"):
        variables = PoolTarget("p", kind, image=IMAGE).job_variables(DEPLOYMENTS[0], secrets)  # type: ignore[arg-type]
        assert not set(secrets) & set(variables["env"])


def test_without_a_server_the_command_says_in_one_line_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    settings = Settings(data_root=str(tmp_path))
    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        pytest.raises(ConfigError, match="no Prefect server is configured: set PREFECT_API_URL"),
    ):
        deploy(settings, PoolTarget("p"), quiet)
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(NexthourError, match=r"http://127.0.0.1:9/api does not answer \(.*\): start it, or set PREFECT"),
    ):
        deploy(settings, PoolTarget("p"), quiet)


def test_prefect_deploys_what_is_shipped_from_the_root_of_a_checkout(
    client: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import asyncio

    from prefect.cli.deploy._core import _run_multi_deploy
    from prefect.client.schemas.actions import WorkPoolCreate
    from rich.console import Console

    client.create_work_pool(WorkPoolCreate(name="nexthour", type="process"))
    path = ROOT / "deployments/prefect.yaml"
    listed = yaml.safe_load(path.read_text())["deployments"]
    monkeypatch.chdir(ROOT)
    with (tmp_path / "out").open("w") as out:
        console = Console(file=out)
        no_actions = {"build": None, "push": None, "pull": None}
        asyncio.run(
            _run_multi_deploy(
                listed, no_actions, deploy_all=True, prefect_file=path, console=console, is_interactive=bool
            )
        )
    found = {item.name: item for item in client.read_deployments()}
    assert set(found) == {item.flow for item in DEPLOYMENTS}
    for item in DEPLOYMENTS:
        there = found[item.flow]
        assert there.entrypoint == item.file_entrypoint
        assert {s.slug for s in there.schedules} == {s.name for s in item.schedules}
        assert there.job_variables == {"env": {**HEARTBEAT, "NEXTHOUR_CONFIG": "deployments/nexthour.toml"}}
        assert there.concurrency_options.collision_strategy.value == item.collision
        assert there.version
    assert "enum" not in form_of(found["retrain"], "model")
    assert "enum" not in form_of(found["ingest"], "source")

    monkeypatch.setattr(register_automations, "register", lambda settings: ["nexthour: crash"])
    feed = {"name": "gates", "kind": "http", "url": "https://example.org"}
    settings = Settings(data_root=str(tmp_path), network=NETWORK, sources=[feed])  # type: ignore[arg-type,list-item]
    forms, automations = deploying.finish(settings)
    assert sorted(forms) == sorted(item.name for item in DEPLOYMENTS)
    assert automations == ["nexthour: crash"]
    after = {item.name: item for item in client.read_deployments()}
    assert "linear_level" in form_of(after["retrain"], "model")["enum"]
    assert form_of(after["ingest"], "source")["enum"] == ["gates"]
    assert "Asia/Kolkata" in form_of(after["forecast"], "as_of")["description"]
    for name, there in after.items():
        assert {s.slug: s.active for s in there.schedules} == {s.slug: s.active for s in found[name].schedules}
        assert (there.entrypoint, there.job_variables) == (found[name].entrypoint, found[name].job_variables)


def form_of(deployment: Any, name: str) -> dict[str, Any]:
    """A field of the form of a deployment."""
    field: dict[str, Any] = deployment.parameter_openapi_schema["properties"][name]
    return field


def test_forms_are_completed_only_where_prefect_has_the_deployments(client: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no deployment ingest/ingest: prefect deploy --all"):
        deploying.finish(Settings(data_root=str(tmp_path)))


def test_the_command_says_what_it_deployed_and_what_is_left(client: Any, two: None, tmp_path: Path) -> None:
    client.create_deployment(flow_id=client.create_flow_from_name("sweep"), name="sweep", tags=["nexthour"])
    done = CliRunner().invoke(app, ["deploy", "--work-pool", "city", "--data-root", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "deployed ingest/ingest" in done.stderr
    assert "work pool city (process) made" in done.stderr
    assert "LEFT sweep/sweep is not in the registry any more: prefect deployment delete sweep/sweep" in done.stderr
