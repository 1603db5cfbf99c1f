"""Who may reach the servers of one machine: loopback by default; beyond it only with logins and names of hosts."""

from __future__ import annotations

import base64
import ipaddress
import secrets
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tasks.errors import ConfigError
from tasks.settings.secrets import read_variable
from tasks.settings.tree import Settings

LOOPBACK = "127.0.0.1"
HOOKS_VARIABLE = "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS"
"""Whether the MLflow server may call addresses of this machine."""
_AUTH_CONFIG = """[mlflow]
default_permission = READ
database_uri = sqlite:///{folder}/mlflow/auth.db
admin_username = {user}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


@dataclass(frozen=True)
class MlflowAccess:
    """How the MLflow server is started so that only those reach it who may.

    Attributes:
        host: address to listen on.
        options: of `mlflow server`.
        environment: of its process; secrets stand here, since everyone on a machine can read command lines.
    """

    host: str
    options: tuple[str, ...]
    environment: dict[str, str]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(settings: Settings, host: str) -> None:
    """Whether the servers may listen on an address.

    Raises:
        ConfigError: if others reach it and a login or the names of hosts are missing; or MLflow's login cannot be used.
    """
    mlflow = settings.mlflow
    if mlflow.auth and find_spec("flask_wtf") is None:
        raise ConfigError("[mlflow] auth needs Flask-WTF, which is not installed: pip install 'nexthour[auth]'")
    if is_loopback(host):
        return
    missing = [] if settings.prefect.auth else ['[prefect] auth = "env:NAME" (user:password of the Prefect server)']
    if not mlflow.behind_proxy and not _is_elsewhere(settings):
        missing += [] if mlflow.auth else ['[mlflow] auth = "env:NAME", or behind_proxy = true']
        missing += [] if mlflow.allowed_hosts else ['[mlflow] allowed_hosts = ["the name that browsers use:5000"]']
    if missing:
        raise ConfigError(f"--host {host} opens the servers to a network, which needs {'; '.join(missing)}")


def prefect_access(settings: Settings, host: str, port: int) -> dict[str, str]:
    """Variables of the Prefect server and of all that talk to it.

    Pages of other sites may not call it, which Prefect allows by default.

    Raises:
        ConfigError: if the variable with the login is not set, or is not user:password.
    """
    names = dict.fromkeys((host, LOOPBACK, "localhost"))
    access = {"PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(f"http://{_url_host(name)}:{port}" for name in names)}
    if not is_loopback(host):
        access["PREFECT_UI_API_URL"] = "/api"  # of whatever name the browser knows this machine by
    if settings.prefect.auth:
        text = ":".join(_login("[prefect] auth", settings.prefect.auth))
        access |= {"PREFECT_SERVER_API_AUTH_STRING": text, "PREFECT_API_AUTH_STRING": text}
    return access


def mlflow_access(settings: Settings, host: str, port: int, folder: Path) -> MlflowAccess:
    """Address, options and variables of the MLflow server; its users are kept in `folder`.

    Raises:
        ConfigError: if the variable with the login is not set, or is not user:password.
    """
    host = LOOPBACK if settings.mlflow.behind_proxy else host
    names = [f"{name}:{port}" for name in ("localhost", LOOPBACK, "[::1]")]
    hosts = [*names, *settings.mlflow.allowed_hosts]
    origins = [f"{scheme}://{name}" for name in settings.mlflow.allowed_hosts for scheme in ("http", "https")]
    options = ["--allowed-hosts", ",".join(hosts)]
    options += ["--cors-allowed-origins", ",".join(origins)] if origins else []
    if settings.mlflow.auth is None:
        return MlflowAccess(host, tuple(options), {})
    user, password = _login("[mlflow] auth", settings.mlflow.auth)
    config = folder / "mlflow" / "auth.ini"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(_AUTH_CONFIG.format(folder=folder, user=user), encoding="utf-8")
    environment = {
        "MLFLOW_AUTH_CONFIG_PATH": str(config),
        "MLFLOW_AUTH_ADMIN_PASSWORD": password,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(32),
    }
    return MlflowAccess(host, ("--app-name", "basic-auth", *options), environment)


def mlflow_login(settings: Settings) -> tuple[str, str] | None:
    """User and password of the MLflow server's administrator, None where it asks for none.

    Raises:
        ConfigError: if the variable with the login is not set, or is not user:password.
    """
    return None if settings.mlflow.auth is None else _login("[mlflow] auth", settings.mlflow.auth)


def hook_environment(settings: Settings, host: str, folder: Path) -> dict[str, str]:
    """Variables with which the MLflow server may call a port of this machine when an alias is moved.

    Whoever reaches its pages could then have it call any address. So it may only where nobody but this machine does.
    """
    mlflow = settings.mlflow
    if not is_loopback(host) or mlflow.behind_proxy or mlflow.allowed_hosts:
        return {}
    return {
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        HOOKS_VARIABLE: "true",
        "MLFLOW_WEBHOOK_CACHE_TTL": "1",
        "MLFLOW_WEBHOOK_REQUEST_TIMEOUT": "5",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": _load_or_make_key(folder / "mlflow" / "webhook.key"),
    }


def _load_or_make_key(path: Path) -> str:
    """A key that outlives the server: without it MLflow cannot read the hooks that it stored."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o600, exist_ok=False)
        path.write_text(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(), encoding="ascii")
    return path.read_text(encoding="ascii").strip()


def _login(where: str, variable: str) -> tuple[str, str]:
    """User and password of a variable."""
    user, colon, password = read_variable(where, variable).partition(":")
    if not (user and colon and password) or not user.isalnum():
        raise ConfigError(
            f"{where}: {variable.removeprefix('env:')} is not user:password: put both there, with a colon"
        )
    return user, password


def _is_elsewhere(settings: Settings) -> bool:
    """Whether runs are logged to a tracking server that somebody else runs."""
    uri = settings.mlflow.tracking_uri
    return uri is not None and read_variable("[mlflow] tracking_uri", uri).startswith("http")


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
