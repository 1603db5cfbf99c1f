"""Settings of the `[groups]` table."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from tasks.errors import ConfigError
from tasks.settings.section import Section
from tasks.settings.sources.rows import Name

MOST = 100
"""Groups of a network, at most."""


class GroupList(Section):
    """Stations of one group by their ids, lines or zones."""

    stations: tuple[str, ...] = Field((), max_length=100_000, description="Ids of the network.")
    lines: tuple[str, ...] = Field((), max_length=1_000, description="As the station table has them.")
    zones: tuple[str, ...] = Field((), max_length=1_000, description="As the station table has them.")

    @model_validator(mode="after")
    def _names_some(self) -> GroupList:
        if not (self.stations or self.lines or self.zones):
            raise ConfigError("[groups.lists] names a group without stations, lines or zones: give one of them")
        return self


class GroupSettings(Section):
    """Groups of stations, each with a model of its own; one model for the network by default."""

    by: Literal["line", "zone", "size"] | None = Field(
        None, description="Column of the station table that names a station's group; size: by people counted."
    )
    sizes: int = Field(3, ge=2, le=MOST, description='Groups of equally many stations with by = "size".')
    lists: dict[Name, GroupList] = Field(
        default_factory=dict,
        max_length=MOST,
        description="[groups.lists.NAME]: groups by name; a station that is in none follows `by`.",
    )
    rest: Name = Field("rest", description="Name of the group of all other stations.")
    least: int = Field(2, ge=1, description="Stations of a group, at least; smaller ones join the others.")

    @field_validator("lists")
    @classmethod
    def _each_once(cls, lists: dict[str, GroupList]) -> dict[str, GroupList]:
        for what in ("stations", "lines", "zones"):
            owner: dict[str, str] = {}
            for name, each in lists.items():
                for item in getattr(each, what):
                    if owner.setdefault(item, name) != name:
                        raise ConfigError(
                            f"[groups.lists] has {what[:-1]} {item!r} in {owner[item]} and in {name}: keep one"
                        )
        return lists

    @property
    def asked(self) -> bool:
        """Whether there are any."""
        return self.by is not None or bool(self.lists)
