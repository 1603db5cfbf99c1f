"""Settings of a feed that is polled over HTTP."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from tasks.errors import ConfigError, about
from tasks.settings.secrets import check_url, check_values
from tasks.settings.sources.rows import BaseSource, CountColumns, Moment


class HttpRequests(BaseSource):
    """A source that asks over HTTP.

    A value of `headers` and `params` may end in env:NAME, which stands for that environment variable.
    """

    beside: ClassVar[frozenset[str]] = frozenset(
        {"headers", "max_bytes", "quiet_after_minutes", "timeout_seconds", "retries", "max_wait_seconds"}
    )
    headers: dict[str, str] = Field(default_factory=dict, description="Headers of every request.")
    params: dict[str, str] = Field(default_factory=dict, description="Query parameters of every request.")
    max_bytes: int = Field(32 << 20, ge=1000, description="Of a reply, unpacked; and of all of a pull but the last.")
    timeout_seconds: float = Field(30, gt=0, le=600, description="For a whole reply.")
    retries: int = Field(4, ge=0, le=20, description="After a lost connection, 429 or 5xx.")
    max_wait_seconds: float = Field(60, ge=0, le=3600, description="Longest pause before a retry.")

    @model_validator(mode="after")
    def _sound_requests(self) -> HttpRequests:
        with about(f"source {self.name!r}"):
            check_values("headers", self.headers)
            check_values("params", self.params)
        return self


class HttpSource(HttpRequests, CountColumns):
    """A feed of one row per (station, minute), JSON or CSV, polled over HTTP."""

    beside: ClassVar[frozenset[str]] = HttpRequests.beside | {"max_pages"}
    kind: Literal["http"] = Field("http", description="Kind of the source.")
    url: str = Field(description="http:// or https://, without a user or password.")
    format: Literal["auto", "json", "csv"] = Field(
        "auto", description="Of a reply; auto: as its content type or first character says."
    )
    records: str = Field("", description="Dotted path to the array of records in JSON; empty where it is the whole.")
    cursor: str | None = Field(None, description="Query parameter of the cursor; one reply per pull without it.")
    next: str | None = Field(
        None, description="The next cursor: a dotted path in JSON, header:NAME, or column:NAME for its largest value."
    )
    first: Moment | None = Field(None, description="Cursor of the very first request; none without it.")
    resume: bool = Field(True, description="Whether a pull goes on at the last cursor, or begins again at `first`.")
    start_param: str | None = Field(None, description="Query parameter of the first minute wanted, ISO 8601 UTC.")
    end_param: str | None = Field(None, description="Query parameter of the end of the minutes wanted, exclusive.")
    max_pages: int = Field(100, ge=1, le=100_000, description="Replies after which a pull ends.")

    @property
    def can_look_back(self) -> bool:
        """Whether the feed can be asked for a span of minutes."""
        return self.start_param is not None

    @model_validator(mode="after")
    def _sound(self) -> HttpSource:
        with about(f"source {self.name!r}"):
            check_url(self.url)
            self._check_cursor()
        return self

    def _check_cursor(self) -> None:
        if (self.cursor is None) != (self.next is None):
            raise ConfigError("cursor and next need one another: the parameter of a cursor, and where the next one is")
        if self.first is not None and self.cursor is None:
            raise ConfigError("first needs cursor: the query parameter that carries it")
        if self.cursor is not None and self.rows == "sum":
            raise ConfigError('rows = "sum" needs all rows of an interval in one reply: leave out cursor')
        if self.format == "csv" and self.next and not self.next.startswith(("header:", "column:")):
            raise ConfigError(f"next = {self.next!r} is a path in JSON: a CSV feed has header:NAME or column:NAME")
