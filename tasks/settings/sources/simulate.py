"""Settings of the built-in city."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tasks.settings.sources.rows import BaseSource


class SimulateSource(BaseSource):
    """The built-in city."""

    kind: Literal["simulate"] = Field("simulate", description="Kind of the source.")
    stations: int = Field(20, ge=1, le=5000, description="Stations of the city.")
    seed: int = Field(7, description="Of its people: the same seed makes the same counts.")
    weeks: int = Field(20, ge=1, le=520, description="History of the first ingest.")
