"""Settings of `[serve]`: the reading interface."""

from __future__ import annotations

from pydantic import Field

from tasks.settings.section import Section
from tasks.settings.servers import Variable


class ServeSettings(Section):
    """Read-only interface over HTTP to what is published and stored, and the board."""

    enabled: bool = Field(True, description="Whether `up` runs it.")
    port: int = Field(4100, ge=1, le=65_535, description="Port that it listens on.")
    api_keys: Variable | None = Field(
        None,
        description='"env:NAME" of a variable that holds keys, separated by commas, of 16 characters or more: every '
        "request needs one. Without it only this machine is served.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        (),
        description='Names by which a proxy on this machine is asked, where there are no keys. ["board.example.org"]',
    )
    requests_per_minute: int | None = Field(
        None, ge=1, description="Requests of one client (key, else address) in a minute; further ones are refused."
    )
    cache_seconds: int = Field(5, ge=0, le=3600, description="Seconds that answers may be used again unasked.")
    max_days: int = Field(31, ge=1, le=3660, description="Longest span of one query.")
    max_rows: int = Field(100_000, ge=100, le=5_000_000, description="Most rows of one answer.")
