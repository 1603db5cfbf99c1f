"""Settings of a GBFS feed of stations, whose stocks become flows."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from tasks.errors import ConfigError, about
from tasks.settings.secrets import check_url
from tasks.settings.sources.http import HttpRequests


class GbfsSource(HttpRequests):
    """`station_status` of GBFS 1 to 3: departures and arrivals as differences of what stands at the stations."""

    beside: ClassVar[frozenset[str]] = HttpRequests.beside | {"path"}
    kind: Literal["gbfs"] = Field("gbfs", description="Kind of the source.")
    url: str = Field("", description="gbfs.json, in which station_status is looked up, or station_status itself.")
    path: str = Field("", description="Recorded replies of station_status in place of url: file, folder or glob.")
    departures: str = Field("entries", description="Target that counts departures; empty for none.")
    arrivals: str = Field("exits", description="Target that counts arrivals; empty for none.")
    jump_limit: int = Field(
        10, ge=1, description="A change of more bikes between two polls is a van's; the interval is not observed."
    )
    stale_minutes: int = Field(
        60, ge=1, description="A station that has not reported for so long before a poll is not observed."
    )

    @model_validator(mode="after")
    def _sound(self) -> GbfsSource:
        with about(f"source {self.name!r}"):
            if bool(self.url) == bool(self.path):
                raise ConfigError("give either url, the address of gbfs.json, or path, recorded replies")
            if self.url:
                check_url(self.url)
        return self
