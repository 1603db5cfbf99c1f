"""A table of the TOML."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of the TOML: frozen, and unknown keys are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid")
