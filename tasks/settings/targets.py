"""Settings of `[publish.NAME]`: what targets need to know besides the forecast."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator, model_validator

from tasks.errors import ConfigError, about
from tasks.settings.secrets import check_no_password, check_url, mask_url
from tasks.settings.section import Section
from tasks.settings.servers import Variable

Language = Literal["en", "de", "es", "fr"]
Prefix = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class SqlTarget(Section):
    """Tables of a database that hold the newest forecasts, for the target `sql`."""

    url: str | None = Field(
        None,
        description='SQLAlchemy URL of PostgreSQL or SQLite without a password, or "env:NAME" of a variable that holds '
        "one.",
    )
    table_prefix: Prefix = Field("nexthour_", description="How the names of the tables begin.")
    keep_days: int = Field(7, ge=1, le=3650, description="Days that forecasts of past minutes stay in the tables.")
    timeout_seconds: int = Field(
        30, ge=1, le=600, description="For one issue: to connect, to wait for locks and for every statement."
    )

    @field_validator("url")
    @classmethod
    def _usable(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith("env:"):
            check_no_password("[publish.sql] url", url)
            if not url.startswith(("postgresql", "sqlite")):
                raise ConfigError(
                    "[publish.sql] url is neither of PostgreSQL nor of SQLite: postgresql:// or sqlite:///"
                )
        return url


class WebhookTarget(Section):
    """A program that is sent each forecast by POST, for the target `webhook`."""

    url: str | None = Field(None, description='https URL, or "env:NAME" of a variable that holds one.')
    secret: Variable | None = Field(
        None, description='"env:NAME" of a variable that holds the key of the signature, of 16 characters or more.'
    )
    content: Literal["stations", "full"] = Field(
        "stations", description="stations: summary and a row per station and target; full: latest.json as well."
    )
    timeout_seconds: float = Field(10, gt=0, le=120, description="For one answer.")
    limit_seconds: float = Field(30, gt=0, le=600, description="For everything that is sent with one forecast.")
    keep: int = Field(288, ge=1, le=10_000, description="Documents that wait for a receiver; the oldest is dropped.")
    allow_http: bool = Field(False, description="Whether http is allowed beyond this machine.")

    @model_validator(mode="after")
    def _usable(self) -> WebhookTarget:
        if self.url is not None and not self.url.startswith("env:"):
            with about("[publish.webhook]"):
                check_webhook_url(self.url, self.allow_http)
        return self


class AlertTarget(Section):
    """A feed of GTFS-realtime Alerts of crowded stations, for the target `gtfs_rt_alerts`."""

    level: int = Field(5, ge=1, le=5, description="Least level of a station in the next hour that makes an alert.")
    languages: tuple[Language, ...] = Field(("en",), min_length=1, description="Languages of the texts.")
    stop_ids: dict[str, str] = Field(
        default_factory=dict,
        max_length=100_000,
        description="Id of the network -> stop_id of the GTFS feed, where they differ.",
    )


def check_webhook_url(url: str, allow_http: bool) -> None:
    """Whether documents may be sent to an address: https, or this machine.

    Raises:
        ConfigError: if not.
    """
    check_url(url)
    parts = urlsplit(url)
    if parts.scheme == "http" and not allow_http and not _is_this_machine(str(parts.hostname)):
        raise ConfigError(
            f"url {mask_url(url)} is sent in the clear: use https, or set allow_http = true in a network that you trust"
        )


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class BoardTarget(Section):
    """What the page shows where its reader says nothing else, for the target `board`."""

    language: Literal["browser", "en", "de"] = Field(
        "browser", description="Of the board; browser: the language that its reader prefers, English if it has none."
    )
