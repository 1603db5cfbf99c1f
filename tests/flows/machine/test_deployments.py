"""The registry of deployments and what is shipped with it."""

import importlib
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.machine.deployments import DEPLOYMENTS, Deployed

ROOT = Path(__file__).parents[3]


def shipped() -> dict[str, dict[str, Any]]:
    listed = yaml.safe_load((ROOT / "deployments/prefect.yaml").read_text())["deployments"]
    return {item["name"]: item for item in listed}


def test_prefect_yaml_deploys_every_flow_of_the_registry_and_no_other() -> None:
    assert set(shipped()) == {item.flow for item in DEPLOYMENTS}


@pytest.mark.parametrize("item", DEPLOYMENTS, ids=lambda item: item.flow)
def test_prefect_yaml_says_what_the_registry_says(item: Deployed) -> None:
    entry = shipped()[item.flow]
    zone = tomllib.loads((ROOT / "deployments/nexthour.toml").read_text())["network"]["timezone"]
    expected = [{"cron": item.cron, "timezone": zone if item.local else "UTC"}] if item.cron else []
    assert entry["entrypoint"] == item.entrypoint
    assert entry["description"] == item.description
    assert entry["schedules"] == expected
    assert "parameters" not in entry
    assert entry["work_pool"]["job_variables"] == {"env": {"NEXTHOUR_CONFIG": "deployments/nexthour.toml"}}
    assert entry["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}


@pytest.mark.parametrize("item", DEPLOYMENTS, ids=lambda item: item.flow)
def test_every_entrypoint_is_a_flow_of_that_name_whose_parameters_are_all_described(item: Deployed) -> None:
    flow = getattr(importlib.import_module(f"flows.{item.flow}"), item.flow)
    assert flow.name == item.flow
    described = flow.parameters.model_dump()["properties"]
    assert [name for name, field in described.items() if not field.get("description")] == []
    assert not {"config", "data_root"} & set(described)


@pytest.mark.parametrize("item", [d for d in DEPLOYMENTS if d.local], ids=lambda item: item.flow)
def test_nightly_schedules_keep_clear_of_the_hours_in_which_clocks_change(item: Deployed) -> None:
    assert item.cron is not None
    hour = int(item.cron.split()[1])
    assert not 0 <= hour <= 2
