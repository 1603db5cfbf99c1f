"""`publications/alerts.pb`: GTFS-realtime Alerts of stations that will be crowded, for journey planners."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.contracts import Publication
from tasks.errors import ConfigError
from tasks.publish._alert_texts import alert_texts
from tasks.publish._newest import replace_newest
from tasks.settings.targets import AlertTarget
from tasks.settings.tree import Settings
from tasks.storage.store import Store

PATH = "publications/alerts.pb"
VERSION = "2.0"
HOUR_SECONDS = 3600


class GtfsRtAlerts:
    """Replaces the feed whole: FULL_DATASET, an Alert per station, none where no station is crowded."""

    name = "gtfs_rt_alerts"

    def __init__(self, settings: Settings) -> None:
        self._store, self._config = Store(settings.data_root), settings.publish.gtfs_rt_alerts

    def publish(self, publication: Publication) -> str:
        """Write the feed; returns its path.

        Raises:
            ConfigError: if gtfs-realtime-bindings is not installed.
            StoreError: if the file cannot be written.
        """
        content = alert_feed(publication, self._config)
        return replace_newest(self._store, self.name, {PATH: content}, publication.summary)


TARGET = GtfsRtAlerts


def alert_feed(publication: Publication, config: AlertTarget) -> bytes:
    """The feed of one issue: a protobuf FeedMessage.

    Raises:
        ConfigError: if gtfs-realtime-bindings is not installed.
    """
    try:
        from google.transit import gtfs_realtime_pb2 as gtfs
    except ModuleNotFoundError:
        raise ConfigError(
            "[publish] targets: gtfs_rt_alerts needs gtfs-realtime-bindings, which is not installed: "
            "pip install 'nexthour[gtfs-realtime]'"
        ) from None
    header = gtfs.FeedHeader(
        gtfs_realtime_version=VERSION,
        incrementality=gtfs.FeedHeader.FULL_DATASET,
        timestamp=_epoch(publication.summary["issued_at"]),
    )
    feed, kind = gtfs.FeedMessage(header=header), gtfs.Alert
    start = _epoch(publication.summary["origin_utc"])
    for station_id, rows in _stations_above(publication.stations, config.level):
        alert = kind(cause=kind.OTHER_CAUSE, effect=kind.OTHER_EFFECT, severity_level=kind.WARNING)
        alert.active_period.add(start=start, end=start + HOUR_SECONDS)
        alert.informed_entity.add(stop_id=config.stop_ids.get(station_id, station_id))
        for language in config.languages:
            texts = alert_texts(language, rows, publication.summary)
            alert.header_text.translation.add(text=texts.header, language=language)
            alert.description_text.translation.add(text=texts.description, language=language)
        # The same station has the same id from feed to feed: readers follow one alert, and do not show it again.
        feed.entity.add(id=f"crowding:{station_id}", alert=alert)
    content: bytes = feed.SerializeToString(deterministic=True)
    return content


def _stations_above(stations: pa.Table, level: int) -> list[tuple[str, list[dict[str, Any]]]]:
    """Stations with a target at the level or above it, by id, each with the rows of all its targets."""
    names = stations["station_id"].cast(pa.string())
    high = pc.fill_null(pc.greater_equal(stations["level"], level), False)
    by_station: dict[str, list[dict[str, Any]]] = {}
    for row in stations.filter(pc.is_in(names, pc.unique(names.filter(high)))).to_pylist():
        by_station.setdefault(row["station_id"], []).append(row)
    return sorted(by_station.items())


def _epoch(text: str) -> int:
    """Seconds since 1970 of a UTC text."""
    return int(datetime.fromisoformat(text).timestamp())
