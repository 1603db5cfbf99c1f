"""Settings of `[prefect]`, `[mlflow]` and `[log]`: the servers of one machine, and what its processes write down."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from tasks.errors import ConfigError
from tasks.settings.secrets import check_no_password
from tasks.settings.section import Section
from tasks.settings.sources.rows import Name

Variable = Annotated[str, Field(pattern=r"^env:[A-Za-z_][A-Za-z0-9_]*$")]
"""A secret by reference: `env:NAME` of the environment variable that holds it."""


class PrefectSettings(Section):
    """The Prefect server that `up` starts, and how flows talk to it."""

    auth: Variable | None = Field(
        None,
        description='"env:NAME" of a variable that holds user:password: the server asks for it, the interface shows a '
        "login, and the flows send it.",
    )
    database: str | None = Field(
        None,
        description='PostgreSQL URL without a password, or "env:NAME" of a variable that holds one; '
        "default: SQLite under the data root.",
    )
    run_days: int = Field(
        7, ge=1, le=3650, description="Days that runs are kept, with their task runs, logs and artifacts."
    )
    event_days: int = Field(2, ge=1, le=3650, description="Days that events are kept.")

    @field_validator("database")
    @classmethod
    def _without_password(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith("env:"):
            check_no_password("[prefect] database", url)
            if not url.startswith("postgresql"):
                raise ConfigError("[prefect] database is no PostgreSQL URL: it begins with postgresql://")
        return url


class MlflowSettings(Section):
    """Where runs are logged, and the MLflow server that `up` starts."""

    tracking_uri: str | None = Field(
        None,
        description='SQLite, PostgreSQL or a tracking server, or "env:NAME" of a variable that holds its URI with a '
        "password; default: SQLite under the data root.",
    )
    experiment: str = Field("nexthour", description="Experiment of the runs.")
    registered_model: Name = Field("nexthour", description="Name under which versions are registered.")
    auth: Variable | None = Field(
        None,
        description='"env:NAME" of a variable that holds user:password of the first administrator: the server asks '
        "for a login (basic authentication of MLflow; needs nexthour[auth]).",
    )
    keep_nights: int | None = Field(
        None,
        ge=1,
        exclude_if=lambda value: value is None,
        description="Newest retrainings whose runs, versions and files stay; older ones go with `maintain`, and so do "
        "months of live metrics that ended before them. What an alias names stays always, and so does all "
        "without this key.",
    )
    behind_proxy: bool = Field(
        False,
        description="Whether a proxy on this machine asks for the login: the server stays on loopback whatever --host "
        "says.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        (),
        description="Names (with port) by which browsers may call the server besides loopback; others are refused. "
        '["nexthour.example.org:5000"]',
    )


class LogSettings(Section):
    """What commands and flows write to their standard error, and to the logs of `up`."""

    format: Literal["text", "json"] = Field("text", description="json: one object per line, for a collector of logs.")
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None = Field(
        None, description="Least level that is written; default: WARNING for commands, INFO for scheduled flows."
    )
