"""Settings of the built-in city."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tasks.settings.sources.rows import BaseSource


class SimulateSource(BaseSource):
    """The built-in city."""

    kind: Literal["simulate"] = "simulate"
    stations: int = Field(20, ge=1, le=5000)
    seed: int = 7
    weeks: int = Field(20, ge=1, le=520, description="History of the first ingest.")
