"""Who may reach the servers: nobody beyond loopback without logins and names of hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.machine import exposure
from flows.machine.exposure import check_exposure, is_loopback, mlflow_access, prefect_access
from tasks.errors import ConfigError
from tasks.settings.tree import Settings

AUTH = {"auth": "env:OPS_LOGIN"}
OPEN = {"auth": "env:OPS_LOGIN", "allowed_hosts": ["board.example:5000"]}


@pytest.fixture(autouse=True)
def _login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_LOGIN", "ops:a long password")
    monkeypatch.setattr(exposure, "find_spec", lambda name: object())


@pytest.mark.parametrize(
    ("host", "own"), [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True)]
)
def test_loopback_is_any_address_of_this_machine_alone(host: str, own: bool) -> None:
    assert is_loopback(host) is own


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "board.example"])
def test_a_host_beyond_loopback_is_refused_in_one_line_that_names_what_is_missing(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ConfigError) as caught:
        check_exposure(Settings(), host)
    line = str(caught.value)
    assert "\n" not in line
    assert f"--host {host} opens the servers to a network" in line
    assert '[prefect] auth = "env:NAME"' in line
    assert "[mlflow] auth" in line
    assert "allowed_hosts" in line


@pytest.mark.parametrize(
    ("prefect", "mlflow", "missing"),
    [
        ({}, OPEN, "[prefect] auth"),
        (AUTH, {"allowed_hosts": ["a:5000"]}, "[mlflow] auth"),
        (AUTH, AUTH, "[mlflow] allowed_hosts"),
    ],
)
def test_each_missing_part_is_named(prefect: dict[str, str], mlflow: dict[str, object], missing: str) -> None:
    with pytest.raises(ConfigError, match="which needs") as caught:
        check_exposure(Settings.model_validate({"prefect": prefect, "mlflow": mlflow}), "10.0.0.5")
    assert missing in str(caught.value)
    assert ";" not in str(caught.value)


@pytest.mark.parametrize("mlflow", [OPEN, {"behind_proxy": True}, {"tracking_uri": "https://mlflow.example"}])
def test_logins_or_a_proxy_or_a_server_elsewhere_open_a_network(mlflow: dict[str, object]) -> None:
    check_exposure(Settings.model_validate({"prefect": AUTH, "mlflow": mlflow}), "10.0.0.5")


def test_a_login_of_mlflow_without_its_package_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposure, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'nexthour\[auth\]'"):
        check_exposure(Settings.model_validate({"mlflow": AUTH}), "127.0.0.1")


def test_prefect_asks_for_the_login_that_its_flows_send_and_answers_no_page_of_another_site() -> None:
    access = prefect_access(Settings.model_validate({"prefect": AUTH}), "10.0.0.5", 4200)
    assert access["PREFECT_SERVER_API_AUTH_STRING"] == access["PREFECT_API_AUTH_STRING"] == "ops:a long password"
    assert access["PREFECT_UI_API_URL"] == "/api"
    assert "*" not in access["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"]
    assert "http://10.0.0.5:4200" in access["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"]


def test_mlflow_gets_its_password_from_the_environment_and_never_in_a_command_line_or_a_file(tmp_path: Path) -> None:
    access = mlflow_access(Settings.model_validate({"mlflow": OPEN}), "10.0.0.5", 5000, tmp_path)
    assert access.environment["MLFLOW_AUTH_ADMIN_PASSWORD"] == "a long password"
    assert not any("password" in option for option in access.options)
    assert "board.example:5000" in access.options[access.options.index("--allowed-hosts") + 1]
    config = (tmp_path / "mlflow" / "auth.ini").read_text()
    assert "admin_username = ops" in config
    assert "a long password" not in config


def test_behind_a_proxy_mlflow_stays_on_loopback(tmp_path: Path) -> None:
    settings = Settings.model_validate({"mlflow": {"behind_proxy": True}})
    assert mlflow_access(settings, "10.0.0.5", 5000, tmp_path).host == "127.0.0.1"


@pytest.mark.parametrize("value", ["", "nocolon", "ops:", ":pw", "o p s:pw"])
def test_a_variable_that_is_no_login_is_named_and_never_shown(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_LOGIN", value)
    with pytest.raises(ConfigError, match="OPS_LOGIN") as caught:
        prefect_access(Settings.model_validate({"prefect": AUTH}), "127.0.0.1", 4200)
    assert not value or value not in str(caught.value)


def test_a_secret_itself_is_refused_where_its_variable_belongs() -> None:
    with pytest.raises(ValueError, match="pattern"):
        Settings.model_validate({"prefect": {"auth": "ops:a long password"}})
