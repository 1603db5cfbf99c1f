"""Where MLflow keeps runs and artifacts."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tasks.errors import ConfigError
from tasks.settings.secrets import read_variable
from tasks.settings.tree import Settings
from tasks.storage.roots import mask_root

UI_VARIABLE = "NEXTHOUR_MLFLOW_URL"
"""Environment variable with the address of MLflow's pages, where flows log past the server that shows them."""
_USER_INFO = re.compile(r"(?<=://)[^/@\s]*@")


def tracking_uri(settings: Settings) -> str:
    """Where runs are logged: the configured URI, else SQLite under the data root.

    Raises:
        ConfigError: if the variable that it names is not set; if no URI is set and the data root is remote, or named
            so that MLflow cannot use it.
    """
    if settings.mlflow.tracking_uri:
        return read_variable("[mlflow] tracking_uri", settings.mlflow.tracking_uri)
    root = _absolute(settings.data_root)
    if "://" in root:
        raise ConfigError(f"data root {root} is remote, where SQLite cannot live: set [mlflow] tracking_uri")
    if "%" in root or "?" in root:
        raise ConfigError(
            f"data root {root} holds % or ?, which MLflow misreads: rename it or set [mlflow] tracking_uri"
        )
    return f"sqlite:///{root}/mlflow/mlflow.db"


def ui_address(settings: Settings) -> str | None:
    """Address of MLflow's pages, without credentials: what `up` states in the environment, else the tracking server."""
    address = os.environ.get(UI_VARIABLE) or tracking_uri(settings)
    return _USER_INFO.sub("", address).rstrip("/") if address.startswith(("http://", "https://")) else None


def artifact_root(settings: Settings) -> str | None:
    """Absolute place of artifacts; None where a tracking server decides it."""
    if tracking_uri(settings).startswith(("http://", "https://", "databricks")):
        return None
    return f"{_absolute(settings.data_root)}/mlflow/artifacts"


def _absolute(root: str) -> str:
    """The data root as a URL, or as an absolute path where it is local."""
    local = root.removeprefix("file://")
    return mask_root(root) if "://" in local else str(Path(local).absolute())
