"""Settings of a table or query of a database."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from tasks.errors import ConfigError
from tasks.settings.secrets import PASSWORD
from tasks.settings.sources.rows import CountColumns


class SqlSource(CountColumns):
    """A table or query of a database, one row per (station, minute)."""

    beside: ClassVar[frozenset[str]] = frozenset(
        {"url", "overlap", "chunk_rows", "statement_timeout_seconds", "quiet_after_minutes"}
    )
    kind: Literal["sql"] = Field("sql", description="Kind of the source.")
    url: str = Field(description='SQLAlchemy URL without a password, or "env:NAME" of a variable that holds one.')
    table: str | None = Field(None, min_length=1, description="Table or view: counts, or schema.counts.")
    query: str | None = Field(None, min_length=1, description="SELECT to read from instead of a table.")
    watermark: str | None = Field(
        None,
        min_length=1,
        description="Column that grows with every insert and update, a time or a whole number; "
        "without it everything is read each time.",
    )
    overlap: int | None = Field(
        None,
        ge=0,
        description="How far behind the largest watermark the next pull begins, for rows that were committed late: "
        "seconds of a time (default 3600), else numbers (default 10000).",
    )
    chunk_rows: int = Field(20_000, ge=100, le=1_000_000, description="Rows fetched at a time.")
    statement_timeout_seconds: int = Field(600, ge=1, description="PostgreSQL gives a statement up after it.")

    @property
    def can_look_back(self) -> bool:
        """Whether only rows above a watermark are read otherwise."""
        return self.watermark is not None

    @model_validator(mode="after")
    def _consistent(self) -> SqlSource:
        where = f"source {self.name!r}"
        if (self.table is None) == (self.query is None):
            raise ConfigError(f"{where}: give either table or query")
        if self.overlap is not None and self.watermark is None:
            raise ConfigError(f"{where}: overlap needs a watermark")
        if self.time_format or self.row_filter or not all(isinstance(name, str) for name in self.columns.values()):
            raise ConfigError(
                f"{where}: a query filters rows, makes one column of several, and times of text: write it in query"
            )
        if self.rows == "sum":
            raise ConfigError(f"{where}: a query adds rows up: write SUM and GROUP BY in query")
        if self.cumulative:
            raise ConfigError(
                f"{where}: a query takes the differences of counters: write reading - LAG(reading) OVER "
                "(PARTITION BY device ORDER BY time) in query"
            )
        if PASSWORD.search(self.url):
            raise ConfigError(f'{where}: url holds a password: put it into a variable, and write url = "env:NAME"')
        return self
