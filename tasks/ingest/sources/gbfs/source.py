"""GBFS feeds: stocks of bikes at stations, polled, as departures and arrivals."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tasks.clock import service_dates
from tasks.errors import StoreError
from tasks.ingest.batch import SourceBatch, empty_batch
from tasks.ingest.files.find import SourceFile, find_files
from tasks.ingest.files.read import read_content
from tasks.ingest.formats.json_records import read_json
from tasks.ingest.rejects import FileProblem, Rejects
from tasks.ingest.source import Pull
from tasks.ingest.sources import source_kind
from tasks.ingest.sources.gbfs.feed import ask_status
from tasks.ingest.sources.gbfs.flows import FlowCounter, Interval
from tasks.ingest.sources.gbfs.snapshot import SCHEMA, ReadSnapshot, Snapshot, read_snapshot, read_updated
from tasks.ingest.sources.http.cursor import conditions, stamp_of
from tasks.ingest.statements import Statements
from tasks.settings.secrets import mask_url, secrets_of
from tasks.settings.sources.gbfs import GbfsSource
from tasks.settings.tree import Network

log = logging.getLogger(__name__)

KEY = "stations"
AHEAD = np.timedelta64(5, "m")
"""How far the clock of a feed may be ahead of ours."""
KEPT = np.timedelta64(15, "m")
"""How long polls are kept after they landed; two intervals at least."""


@dataclass
class _Read:
    """What a pull has read: stations that landed and those rejected, and what there is to say."""

    accepted: int = 0
    rejected: list[tuple[int, str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, read: ReadSnapshot) -> Snapshot:
        self.accepted += len(read.snapshot.stations)
        self.rejected += read.rejected
        return read.snapshot


@source_kind("gbfs")
class Gbfs:
    """Differences between polls; each poll is kept in the data root until what it shows has landed."""

    def __init__(self, config: GbfsSource, network: Network, sleep: Callable[[float], None] = time.sleep) -> None:
        self.name, self._config, self._network, self._sleep = config.name, config, network, sleep

    def pull(self, pull: Pull) -> Iterator[SourceBatch]:
        """Intervals that are over since the last pull, of a new poll; or those of recorded replies, by service day.

        A pull restates what the polls that are kept show, so that one that was cut off loses and doubles nothing.

        Raises:
            ConfigError: if the environment lacks a secret.
            SourceError: if no file matches.
            StoreError: if a poll cannot be kept.
        """
        recorded = pull.paths or self._config.path
        try:
            yield from self._from_files(pull) if recorded else self._from_feed(pull)
        except FileProblem as problem:
            origin = self._origin(pull)
            rejects = Rejects.of(self.name, origin, [0], [problem.reason], [str(problem)])
            yield self._empty(pull, rejects=rejects, failure=str(problem))

    def _from_feed(self, pull: Pull) -> Iterator[SourceBatch]:
        stamp = pull.done.stamp(KEY) if pull.done else None
        polled = ask_status(self._config, conditions(stamp, None), pull.as_of, self._sleep)
        if polled.document is None:
            yield self._empty(pull, unchanged=True, stamp=stamp)
            return
        read, origin = _Read(), polled.reply.origin
        stamp = stamp_of(polled.reply.headers, None, secrets_of(self._config))
        new = read.add(read_snapshot(origin, polled.document, self._network, secrets_of(self._config, by_name=True)))
        self._check_clock(origin, new.updated, pull.as_of)
        earlier = self._kept_polls(pull)
        digest = hashlib.sha256(f"{max([new.updated, *(each.updated for each in earlier)])}".encode()).hexdigest()
        if pull.done and pull.done.digest(KEY) == digest:
            yield self._empty(pull, unchanged=True, stamp=stamp)
            return
        if pull.polls and not any(each.updated >= new.updated for each in earlier):
            pull.polls.add(np.datetime64(new.updated, "s"), new.to_table())
        counter = self._counter()
        series = sorted([*(each for each in earlier if each.updated != new.updated), new], key=lambda s: s.updated)
        ended = [interval for snapshot in series for interval in counter.add(snapshot)]
        landed = _seconds(pull.done.cursor(KEY)) if pull.done else 0
        statements = self._statements(counter, ended, pull)
        about = self._empty(pull, digest=digest, stamp=None if pull.has_range else stamp)
        yield self._batch(
            about,
            statements,
            read,
            self._notes(counter, landed),
            cursor=None if pull.has_range else str(series[-1].updated),
        )

    def _kept_polls(self, pull: Pull) -> list[Snapshot]:
        """Polls that are still needed; those whose intervals have all landed are removed."""
        if pull.polls is None:
            return []
        landed = _seconds(pull.done.cursor(KEY)) if pull.done else 0
        keep = max(KEPT, np.timedelta64(2 * self._network.interval_minutes, "m"))
        pull.polls.drop_before(np.datetime64(landed, "s") - keep)
        kept = []
        for moment in pull.polls.moments():
            try:
                kept.append(Snapshot.of(_seconds(moment), pull.polls.read(moment, SCHEMA)))
            except StoreError as error:
                log.warning("%s: the poll of %sZ is left out: %s", self.name, moment, error)
        return kept

    def _from_files(self, pull: Pull) -> Iterator[SourceBatch]:
        """Recorded replies in the order in which the feed made them, whatever their names are."""
        files = find_files(self.name, self._config.path, pull.paths)
        moments, digest = self._moments(files)
        if pull.done and pull.done.digest(KEY) == digest:
            yield self._empty(pull, unchanged=True)
            return
        read, counter, about = _Read(), self._counter(), self._empty(pull, digest=digest, total=len(files))
        held, day = list[Interval](), None
        for number, (moment, file) in enumerate(moments, 1):
            self._check_clock(file.origin, moment, pull.as_of)
            snapshot = read.add(read_snapshot(file.origin, self._document(file)[0], self._network))
            for interval in counter.add(snapshot):
                own = service_dates(np.array([interval.minute], dtype="datetime64[m]"), self._network.timezone)[0]
                if day is not None and own != day:
                    yield self._batch(about, self._statements(counter, held, pull), _Read(), (), done=number)
                    held = []
                day = own
                held.append(interval)
        statements = self._statements(counter, held, pull)
        yield self._batch(about, statements, read, self._notes(counter, 0), done=len(files))

    def _moments(self, files: Sequence[SourceFile]) -> tuple[list[tuple[int, SourceFile]], str]:
        """Files by the moment of their reply, of equal moments the first one; and the fingerprint of all."""
        found, digest = dict[int, SourceFile](), hashlib.sha256()
        for file in files:
            document, content = self._document(file)
            digest.update(content.encode())
            found.setdefault(read_updated(file.origin, document), file)
        return sorted(found.items(), key=lambda item: item[0]), digest.hexdigest()

    def _document(self, file: SourceFile) -> tuple[object, str]:
        content, digest = read_content(file, self._config.max_bytes)
        return read_json(file.origin, content), digest

    def _check_clock(self, origin: str, updated: int, as_of: np.datetime64) -> None:
        moment = np.datetime64(updated, "s")
        if moment > as_of + AHEAD:
            raise FileProblem(
                "bad_reply", f"{origin} was made at {moment}Z, which is ahead of our clock: correct one of the clocks"
            )

    def _counter(self) -> FlowCounter:
        config = self._config
        return FlowCounter(self._network.interval_minutes, config.jump_limit, config.stale_minutes * 60)

    def _statements(self, counter: FlowCounter, intervals: Sequence[Interval], pull: Pull) -> Statements:
        """What intervals state, as far as they are over and within the bounds of the pull."""
        targets = self._network.targets
        if not intervals:
            return Statements.empty(len(targets))
        order = np.argsort(np.array(counter.names), kind="stable")
        rank = np.empty(len(order), dtype=np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        station = rank[np.concatenate([each.station for each in intervals])]
        minute = np.repeat([each.minute for each in intervals], [len(each.station) for each in intervals])
        flows, seen = (
            np.concatenate(arrays, axis=1) for arrays in zip(*((e.flows, e.seen) for e in intervals), strict=True)
        )
        given = {self._config.departures: 0, self._config.arrivals: 1}
        statements = Statements.from_counts(
            (station, [counter.names[i] for i in order]),
            minute.astype(np.int64),
            (np.zeros(len(minute), dtype=np.int32), [""]),
            None,
            {target: (flows[place], seen[place]) for target, place in given.items() if target},
            targets,
        )
        start, length = statements.minute.astype("datetime64[m]"), np.timedelta64(self._network.interval_minutes, "m")
        wanted = np.asarray(statements.valid.any(axis=0) & (start + length <= pull.as_of))
        if pull.start is not None:
            wanted &= start >= pull.start
        if pull.end is not None:
            wanted &= start < pull.end
        return statements.take(wanted)

    def _notes(self, counter: FlowCounter, landed: int) -> Iterator[str]:
        """What changes since the polls that landed could not be counted."""
        jumps = [jump for jump in counter.jumps if jump[1] > landed]
        if jumps:
            station, moment, change = jumps[0]
            yield (
                f"{self.name}: {len(jumps):,} changes of more than {self._config.jump_limit} bikes between two polls "
                f"are taken for a van's, and their intervals are not observed, such as {change:+,} at station "
                f"{station!r} at {np.datetime64(moment, 's')}Z: raise jump_limit if people did that"
            )
        gaps = [gap for gap in counter.gaps if gap[0] > landed]
        if gaps:
            moment, seconds = gaps[0]
            yield (
                f"{self.name}: {len(gaps):,} times no poll came for longer than an interval, whose counts are not "
                f"observed, such as {seconds:,} s until {np.datetime64(moment, 's')}Z: poll more often than once per "
                "interval_minutes"
            )

    def _batch(
        self,
        about: SourceBatch,
        statements: Statements,
        read: _Read,
        notes: Sequence[str] | Iterator[str],
        **more: object,
    ) -> SourceBatch:
        lines, reasons, texts = zip(*read.rejected, strict=True) if read.rejected else ((), (), ())
        return replace(
            about,
            statements=statements,
            accepted=read.accepted,
            rejects=Rejects.of(self.name, about.origin, list(lines), list(reasons), list(texts)),
            warnings=tuple(notes),
            **more,  # type: ignore[arg-type]
        )

    def _origin(self, pull: Pull) -> str:
        return ", ".join(pull.paths) or self._config.path or mask_url(self._config.url)

    def _empty(self, pull: Pull, **more: object) -> SourceBatch:
        return empty_batch(self.name, KEY, self._origin(pull), self._network.targets, **more)  # type: ignore[arg-type]


def _seconds(moment: np.datetime64 | str | None) -> int:
    """Seconds since 1970 of a moment, or of the cursor's text; 0 where there is none."""
    if moment is None:
        return 0
    return int(moment) if isinstance(moment, str) else int(moment.astype("datetime64[s]").astype(np.int64))
