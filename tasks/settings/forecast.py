"""Settings of `[forecast]`: models that forecast beside the champion."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from tasks.errors import ConfigError
from tasks.settings.section import Section

SHADOW = re.compile(r"version:(\d{1,9}|local-[0-9A-Za-z]{1,30})|[a-z][a-z0-9_]*")
VERSION = "version:"


class ForecastSettings(Section):
    """What is forecast beside what is published."""

    shadows: tuple[str, ...] = Field(
        (),
        max_length=8,
        description="Models that forecast beside the champion, unpublished, scored like it: an architecture "
        "that needs no fit, linear_level, previous, version:7, challenger (the newest that does not publish).",
    )

    @field_validator("shadows")
    @classmethod
    def _distinct_names(cls, shadows: tuple[str, ...]) -> tuple[str, ...]:
        for name in shadows:
            if not SHADOW.fullmatch(name) or name == "champion":
                raise ConfigError(
                    f"[forecast] shadows: {name!r} is no shadow: write linear_level, previous or version:7"
                )
        if len(set(shadows)) != len(shadows):
            raise ConfigError(f"[forecast] shadows {list(shadows)} names one twice")
        return shadows


def model_of(shadow: str) -> str:
    """The model that a shadow is, as it is loaded: its version without the prefix, else its name."""
    return shadow.removeprefix(VERSION)
