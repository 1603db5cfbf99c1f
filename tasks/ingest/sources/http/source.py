"""Feeds of counts over HTTP: one row a (station, minute), polled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

from tasks.ingest.batch import SourceBatch, empty_batch
from tasks.ingest.files.find import find_files
from tasks.ingest.files.read import read_content
from tasks.ingest.formats.json_records import Records
from tasks.ingest.rejects import FileProblem, Rejects
from tasks.ingest.rows.counts import RowRules, ValidatedCounts, validate_counts
from tasks.ingest.rows.rows_in import InputColumns
from tasks.ingest.source import Pull
from tasks.ingest.sources import setup_of, source_kind
from tasks.ingest.sources.http.client import Reply, open_feed
from tasks.ingest.sources.http.cursor import Place
from tasks.ingest.sources.http.decompress import too_large
from tasks.ingest.sources.http.pages import GONE, Poll, Reading, poll, start_of
from tasks.ingest.statements import Statements
from tasks.settings.columns import names_of
from tasks.settings.secrets import mask_url
from tasks.settings.sources.http import HttpSource
from tasks.settings.tree import Network

KEY = "feed"
PATIENCE = np.timedelta64(1, "h")  # rows that are over by then are no fault: feeds show the running minute


@source_kind("http")
class HttpFeed:
    """A feed; what it repeats is written once, and what it no longer says stands."""

    def __init__(self, config: HttpSource, network: Network, sleep: Callable[[float], None] = time.sleep) -> None:
        self.name, self._config, self._network, self._sleep = config.name, config, network, sleep

    def pull(self, pull: Pull) -> Iterator[SourceBatch]:
        """One batch of all pages, so that of several statements on a minute the last one counts.

        The cursor moves when it has landed. A page that cannot be read ends the pull: those before it land, and the
        next pull begins with it. Files given as `paths` are read in their order, as if they were the pages of one pull.

        Raises:
            ConfigError: if the environment lacks a secret.
            SourceError: if no file matches.
        """
        if pull.paths:
            yield from self._batches(pull, self._poll_recording(pull), Place())
        else:
            yield from self._batches(pull, *self._poll(pull))

    def _poll(self, pull: Pull) -> tuple[Poll, Place]:
        """What the feed says, and where it was begun; one that forgot the cursor is read from the beginning."""
        place, reading, params = self._place(pull), self._reading(pull), self._bounds(pull)
        stamp = pull.done.stamp(KEY) if pull.done and not pull.has_range else None
        with open_feed(self._config, pull.as_of, self._sleep) as feed:
            done = poll(reading, feed.fetch, params, place.start, stamp)
            if done.status == GONE and not done.pages and place.start != self._config.first:
                place = Place(self._config.first, setup=place.setup)
                done = poll(reading, feed.fetch, params, place.start, None)
                done.warnings.append(
                    f"{self.name}: the feed no longer knows its cursor, and is read from the beginning"
                )
            if done.problem:
                done.note_problem(done.problem[0], feed.mask_secrets(done.problem[1]))
        return done, place

    def _place(self, pull: Pull) -> Place:
        """Where to begin: at the cursor, unless a span is asked for or all is to be read again."""
        done, setup = pull.done, setup_of(self._config, self._network)
        begin = Place(self._config.first, setup=setup)
        if not self._config.resume or pull.has_range or done is None or not done.is_valid(KEY):
            return begin
        text = done.cursor(KEY)
        place = Place.of(text) if text else begin
        return place if place.setup == setup else begin

    def _bounds(self, pull: Pull) -> dict[str, str]:
        """Parameters that say which minutes are wanted."""
        bounds = ((self._config.start_param, pull.start), (self._config.end_param, pull.end))
        return {name: f"{moment.astype('datetime64[s]')}Z" for name, moment in bounds if name and moment is not None}

    def _reading(self, pull: Pull) -> Reading:
        configured, targets = self._config.columns, self._network.targets
        timed = [name for name in ("minute_utc", "minute") if name in configured] or ["minute_utc", "minute"]
        places = ["station_id", *timed, *targets]
        wanted = [name for place in places for name in names_of(configured.get(place, place))]
        wanted += self._config.row_filter.columns
        extra = [
            name for place in ("part", "available_at") if place in configured for name in names_of(configured[place])
        ]
        spare = [name for name in ("part", "available_at") if name not in configured]
        if (self._config.next or "").startswith("column:"):
            spare.append(str(self._config.next).removeprefix("column:"))
        zone = self._config.timezone or self._network.timezone
        return Reading(self._config, list(dict.fromkeys([*wanted, *extra])), spare, zone, pull.as_of)

    def _poll_recording(self, pull: Pull) -> Poll:
        """Recorded replies as a poll."""
        reading, done = self._reading(pull), Poll()
        for path in pull.paths:
            for file in find_files(self.name, path):
                content = b""
                try:
                    if file.size > self._config.max_bytes:
                        raise too_large(file.origin, self._config.max_bytes)
                    content, _ = read_content(file)
                    rows, length, _ = reading.page(Reply(file.origin, content), None)
                except FileProblem as problem:
                    done.note_problem(problem, start_of(content))
                    return done
                done.add(rows, length, content, None)
        return done

    def _batches(self, pull: Pull, done: Poll, place: Place) -> Iterator[SourceBatch]:
        known = pull.done.digest(KEY) if pull.done else None
        try:
            if done.problem and not done.pages:
                raise done.problem[0]
            if done.unchanged or (known is not None and known == done.digest and not done.problem):
                old = pull.done.stamp(KEY) if pull.done else None
                yield self._empty(pull, unchanged=True, stamp=old if done.unchanged or pull.has_range else done.stamp)
            else:
                yield self._batch(pull, done, place)
        except FileProblem as problem:
            rejected = self._rejects(pull, problem, done.problem[1] if done.problem else "")
            yield self._empty(pull, rejects=rejected, failure=str(problem))

    def _batch(self, pull: Pull, done: Poll, place: Place) -> SourceBatch:
        validated = self._validate(pull, done)
        moves = bool(self._config.cursor and self._config.resume and not pull.has_range and not pull.paths)
        held = done.asked_for(int(validated.waiting[0])) if len(validated.waiting) else None
        after = place.after(done.reached, held, validated.settled_at, pull.as_of)
        rejects = validated.rejects.merge(self._rejects(pull, *done.problem)) if done.problem else validated.rejects
        return SourceBatch(
            source=self.name,
            part="",
            origin=self._origin(pull),
            key=KEY,
            digest=done.digest,
            statements=validated.statements,
            rejects=rejects,
            warnings=(*validated.warnings, *done.warnings, *self._shortfall(done, moves)),
            stamp=None if pull.has_range or pull.paths or done.problem else done.stamp,
            accepted=validated.accepted,
            cursor=after.text() if moves else None,
            recheck_at=validated.recheck_at,
            left_out=validated.left_out,
            readings=validated.readings,
            done=len(done.pages),
            total=len(done.pages),
        )

    def _shortfall(self, done: Poll, moves: bool) -> Iterator[str]:
        """What there is to say of a pull that ended before the feed did."""
        count = len(done.pages)
        if done.problem:
            yield f"{self.name}: page {count + 1} could not be read, those before it have landed: {done.problem[0]}"
        if done.cut:
            onward = "the next pull goes on there" if moves else "raise max_pages or max_bytes, or ask for less"
            yield f"{self.name}: the feed has more after {count} pages: {onward}"

    def _validate(self, pull: Pull, done: Poll) -> ValidatedCounts:
        """What the pages say; JSON without a record says nothing, of whatever fields."""
        rows = InputColumns(self._config, self._network, self._origin(pull), done.rows)
        if rows.rows.rows or not all(isinstance(page, Records) for page in done.pages):
            return validate_counts(rows, RowRules(self._config.columns, self._config.rows, PATIENCE), pull)
        nothing = Statements.empty(len(self._network.targets))
        return ValidatedCounts(nothing, 0, rows.rejects(), (), None, np.zeros(0, dtype=np.int64), None)

    def _origin(self, pull: Pull) -> str:
        return ", ".join(pull.paths) if pull.paths else mask_url(self._config.url)

    def _empty(self, pull: Pull, **more: object) -> SourceBatch:
        return empty_batch(self.name, KEY, self._origin(pull), self._network.targets, **more)  # type: ignore[arg-type]

    def _rejects(self, pull: Pull, problem: FileProblem, payload: str) -> Rejects:
        """How that begins which could not be read."""
        return Rejects.of(self.name, self._origin(pull), [0], [problem.reason], [payload or str(problem)])
