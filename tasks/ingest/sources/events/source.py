"""Sources of events: one row per tap or trip, counted where and when each of its ends stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tasks.arrays import Int
from tasks.clock import day_bounds, parse_moment, service_dates
from tasks.ingest.batch import SourceBatch, empty_batch
from tasks.ingest.event_ids import last_of_each, read_ids
from tasks.ingest.files.find import SourceFile
from tasks.ingest.files.pull import OpenFile, pull_files
from tasks.ingest.rejects import FileProblem, Sample
from tasks.ingest.rows.check_times import check_times, next_due, repeated_hour
from tasks.ingest.rows.filters import matching
from tasks.ingest.rows.parse_times import Moments
from tasks.ingest.rows.parse_values import AMBIGUOUS, BLANK, EXCLUDED, UNSAFE, code_of, read_counts, read_station_ids
from tasks.ingest.rows.rejections import Rejections
from tasks.ingest.rows.samples import Roles, sample_rejects
from tasks.ingest.source import Pull
from tasks.ingest.sources import source_kind
from tasks.ingest.sources.events.coverage import MAX_CELLS, Cover, Ends, daily_counts
from tasks.ingest.sources.events.repeated_hour import settle_hour
from tasks.ingest.statements import Statements
from tasks.settings.columns import RowFilter
from tasks.settings.sources.files import EventColumns, EventsSource
from tasks.settings.tree import Network
from tasks.tables.schemas import NOT_KNOWN


@source_kind("events")
class Events:
    """Files of taps or trips; each file is a share of its own, and is stated again when it changes."""

    def __init__(self, config: EventsSource, network: Network) -> None:
        self.name, self._config, self._network = config.name, config, network

    def pull(self, pull: Pull) -> Iterator[SourceBatch]:
        """One batch per service day of a file.

        Raises:
            SourceError: if no file matches.
        """
        adds_up = self._config.id is None
        return pull_files(self._config, self._network, pull, self._parse, self._forget, adds_up=adds_up)

    def _forget(self, file: SourceFile, pull: Pull) -> SourceBatch:
        """A batch that withdraws the statements of a file that is gone, and keys of files that get its events."""
        released = tuple[str, ...]()
        if self._config.id and pull.claims:
            no_ids, no_days = pa.array([], pa.string()), np.zeros(0, dtype="datetime64[D]")
            released = pull.claims.claim(file.key, no_ids, no_days).released
        nothing = empty_batch(self.name, file.key, file.origin, self._network.targets)
        return replace(nothing, part=file.key, silence_is_zero=True, recheck=released)

    def _parse(self, file: OpenFile, pull: Pull) -> Iterator[SourceBatch]:
        again = Rejections(file.rows.rows)
        found = _columns(file, self._config.events)
        filtered = self._config.row_filter.columns
        columns = list(dict.fromkeys([*(n for side in found.values() for n in side.names), *filtered]))
        chosen, unmatched = matching(file, self._config.row_filter)
        again.reject(file.rows.unreadable([*filtered]), "not_utf8")
        again.set_aside(~chosen)
        if self._config.duplicates == "drop":
            again.reject(file.rows.repeats(columns), "duplicate_row")
        sides = list[_Side]()
        for target, side in found.items():
            other = sides[0].moments if sides else None
            sides.append(_read(file, target, side, again, chosen, pull, other))
        released = self._claim(file, sides, again, pull) if self._config.id else ()
        stations = sorted({name for side in sides for name in side.heard_of()})
        listened = self._cover(file, sides)
        cover = listened.clip(*_bounds(pull, self._network.interval_minutes))
        _check_size(file, cover, len(stations), self._network.interval_minutes)
        about = replace(self._batch(file, sides, listened, pull), recheck=released)
        rejections = Rejections.merge([again, *(side.rejections for side in sides)])
        landed = np.logical_or.reduce([side.rejections.good for side in sides])
        yield replace(
            about,
            accepted=int(landed.sum()),
            partly=int((landed & (rejections.codes >= 0)).sum()),
            left_out=int(np.logical_and.reduce([side.left_out for side in sides]).sum()),
            rejects=file.rejects(rejections, columns, _samples(file, sides, found)),
            warnings=[*unmatched.values(), *(warning for side in sides for warning in side.warnings(file.timezone))],
        )
        ends = {side.target: side.ends(stations) for side in sides}
        network = self._network
        for day in daily_counts(ends, len(stations), cover, network.interval_minutes, network.timezone):
            part = np.zeros(len(day.minute), dtype=np.int32), [about.part]
            station = day.station, stations
            statements = Statements.from_counts(station, day.minute, part, None, day.counts, network.targets)
            yield replace(about, statements=statements)

    def _claim(self, file: OpenFile, sides: Sequence[_Side], again: Rejections, pull: Pull) -> tuple[str, ...]:
        """Reject events that come again, in this file or in another; keys of files that get an event back."""
        ids = read_ids(file.rows.column(file.require(str(self._config.id), 'id = "..."')))
        counted = np.logical_or.reduce([side.chosen & (side.rejections.codes < 0) for side in sides]) & again.good
        rows = np.flatnonzero(counted & np.asarray(ids.is_valid().to_numpy(zero_copy_only=False)))
        mine, released = last_of_each(ids, rows), tuple[str, ...]()
        again.reject_rows(np.setdiff1d(rows, mine), "duplicate_event")
        if pull.claims:
            minute = sides[0].minute.copy()
            for side in sides[1:]:
                minute = np.where(np.isnat(sides[0].moments.utc), side.minute, minute)
            days = service_dates(minute[mine].astype("datetime64[m]"), self._network.timezone)
            claimed = pull.claims.claim(file.file.key, ids.take(pa.array(mine)), days)
            again.reject_rows(mine[claimed.taken], "duplicate_event")
            released = claimed.released
        for side in sides:
            side.rejections.set_aside(~again.good)
        return released

    def _batch(self, file: OpenFile, sides: Sequence[_Side], listened: Cover, pull: Pull) -> SourceBatch:
        """What all batches of a file have in common."""
        step = self._network.interval_minutes
        looks = [next_due(side.rejections, side.minute, step) for side in sides]
        over = _over_by(pull, step)
        if listened.end > over:
            looks.append(np.datetime64((over + step) * 60, "s"))
        return file.batch(
            file.file.key,
            Statements.empty(len(self._network.targets)),
            silence_is_zero=True,
            recheck_at=min((look for look in looks if look is not None), default=None),
        )

    def _cover(self, file: OpenFile, sides: Sequence[_Side]) -> Cover:
        """Where the file's silence means zero, whatever is asked for and whether it is over."""
        step, zone = self._network.interval_minutes, self._network.timezone
        if self._config.covers == "declared":
            edges = [parse_moment(str(text), file.timezone) for text in (self._config.start, self._config.end)]
            start, end = (int(edge.astype("datetime64[m]").astype(np.int64)) for edge in edges)
            return Cover(-(-start // step) * step, end // step * step)
        counted = np.concatenate([side.minute[side.of_somebody] for side in sides])
        if not len(counted):
            return Cover(0, 0)
        start, end = int(counted.min()), int(counted.max()) + step
        if self._config.covers == "day":
            days = service_dates(np.array([start, end - step], dtype="datetime64[m]"), zone)
            start = int(day_bounds(days[0], zone)[0].astype(np.int64))
            end = int(day_bounds(days[1], zone)[1].astype(np.int64))
        return Cover(start, end)


@dataclass(frozen=True)
class SideColumns:
    """Columns of a file that say where and when one end of an event was, and how many people it stands for."""

    time: tuple[str, ...]
    station: str
    count: str | None
    row_filter: RowFilter

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.time, self.station, *(() if self.count is None else (self.count,)), *self.row_filter.columns)


@dataclass(frozen=True)
class _Side:
    """One end of the events of a file, arrays [row]; `chosen` are those that filters leave in."""

    target: str
    station: npt.NDArray[np.int32]
    names: list[str]
    moments: Moments
    minute: Int
    people: Int
    rejections: Rejections
    chosen: npt.NDArray[np.bool_]
    unmatched: tuple[str, ...]

    @property
    def of_somebody(self) -> npt.NDArray[np.bool_]:
        """Rows that tell of somebody, asked for or not; a copy of a rejected row tells nothing."""
        sound = self.chosen & (self.rejections.codes < 0)
        return np.asarray(sound & (self.station >= 0) & ~np.isnat(self.moments.utc))

    @property
    def left_out(self) -> npt.NDArray[np.bool_]:
        """Rows that filters leave out, of those that are readable."""
        return np.asarray(~self.chosen & (self.rejections.codes < 0))

    def warnings(self, timezone: str) -> tuple[str, ...]:
        """What a person should know of them."""
        return (*self.unmatched, *repeated_hour(int(self.moments.repeated.sum()), timezone, "for the first"))

    def heard_of(self) -> list[str]:
        """Names of the stations that somebody was counted at, asked for or not."""
        return [self.names[code] for code in np.unique(self.station[self.of_somebody])]

    def ends(self, stations: Sequence[str]) -> Ends:
        """What counts of it, on common station codes."""
        place = {name: code for code, name in enumerate(stations)}
        code = np.array([place.get(name, -1) for name in self.names], dtype=np.int32)
        good = self.rejections.good
        return Ends(code[self.station[good]], self.minute[good], self.people[good])


def _columns(file: OpenFile, events: Mapping[str, EventColumns]) -> dict[str, SideColumns]:
    """Columns of the file that are read, by target.

    Raises:
        FileProblem: if one is not there.
    """
    found = {}
    for target, where in events.items():
        toml = f'events.{target}.{{}} = "..."'.format
        found[target] = SideColumns(
            file.find_times(where.time, toml("time")),
            file.find(where.station_id, toml("station_id")),
            None if where.count is None else file.find(where.count, toml("count")),
            where.row_filter,
        )
    targets = list(found)
    for place, target in enumerate(targets):
        same = next((other for other in targets[:place] if found[other] == found[target]), None)
        if same is not None:
            raise FileProblem(
                "same_rows",
                f"{file.origin}: events.{same} and events.{target} count the very same rows of it: "
                f"give each its own time or station_id, or a filter: events.{target}.where",
            )
    return found


def _read(
    file: OpenFile,
    target: str,
    columns: SideColumns,
    again: Rejections,
    chosen: npt.NDArray[np.bool_],
    pull: Pull,
    other: Moments | None,
) -> _Side:
    rejections = Rejections(file.rows.rows)
    rejections.set_aside(~again.good)
    rejections.reject(file.rows.unreadable(columns.names), "not_utf8")
    own, unmatched = matching(file, columns.row_filter, f"events.{target}.")
    column, network = file.rows.column(columns.station), file.network
    station, names = read_station_ids(column, network.aliases, excluded=network.excluded)
    chosen = chosen & own & (station != EXCLUDED)
    rejections.set_aside(~chosen)
    moments = settle_hour(file.moments(columns.time, file.timezone), file.timezone, other)
    rejections.reject(moments.blank & (station == BLANK), "unfinished")
    rejections.reject(station == UNSAFE, "unsafe_name")
    rejections.reject(station == AMBIGUOUS, "ambiguous_station")
    rejections.reject(station < 0, "missing_station")
    rejections.reject(station == code_of(names, file.network.total), "name_of_total")
    minute = check_times(rejections, moments, file.network.interval_minutes, pull, floor=True)
    people = np.ones(file.rows.rows, dtype=np.int64)
    if columns.count is not None:
        counted = read_counts(file.rows.column(columns.count), file.config, rejections, chosen)
        withheld = np.zeros_like(counted.given) if counted.withheld is None else counted.withheld & ~counted.given
        rejections.reject(~counted.given & ~withheld, "missing_count")
        people = np.where(withheld, NOT_KNOWN, counted.values.astype(np.int64))
    return _Side(target, station, names, moments, minute, people, rejections, chosen, tuple(unmatched.values()))


def _samples(file: OpenFile, sides: Sequence[_Side], found: Mapping[str, SideColumns]) -> dict[str, Sample]:
    """Values of rejected rows, by reason; of several targets the first that has them."""
    samples = dict[str, Sample]()
    for side, columns in zip(sides, found.values(), strict=True):
        roles = Roles(columns.time, columns.station, () if columns.count is None else (columns.count,))
        samples = sample_rejects(file.rows, side.rejections, roles) | samples
    return samples


def _bounds(pull: Pull, step: int) -> tuple[int | None, int]:
    """Minutes that are asked for and over, on the grid."""
    start = None if pull.start is None else int(pull.start.astype("datetime64[m]").astype(np.int64))
    end = _over_by(pull, step)
    if pull.end is not None:
        end = min(end, int(pull.end.astype("datetime64[m]").astype(np.int64)))
    return None if start is None else -(-start // step) * step, -(-end // step) * step


def _over_by(pull: Pull, step: int) -> int:
    """End of the last interval that is over."""
    return int(pull.as_of.astype("datetime64[m]").astype(np.int64)) // step * step


def _check_size(file: OpenFile, cover: Cover, stations: int, step: int) -> None:
    cells = stations * max(cover.end - cover.start, 0) // step
    if cells > MAX_CELLS:
        first, last = (np.datetime64(m, "m") for m in (cover.start, cover.end))
        raise FileProblem(
            "span_too_long",
            f"{file.file.origin} covers {first} to {last} of {stations:,} stations, too much for one file: "
            "mend the stray time, or split the file",
        )
