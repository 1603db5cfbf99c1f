"""One pull of a feed, page after page, to its end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tasks.ingest.formats.decode import Columns, decode
from tasks.ingest.formats.json_records import MISSING, Records, at, read_json
from tasks.ingest.rejects import FileProblem
from tasks.ingest.sources.http.client import Reply, ReplyProblem
from tasks.ingest.sources.http.concat import JoinedColumns
from tasks.ingest.sources.http.cursor import check_cursor, conditions, cursor_text, largest, stamp_of
from tasks.settings.secrets import secrets_of
from tasks.settings.sources.http import HttpSource

_BOM = b"\xef\xbb\xbf"
GONE = 410
START = 2000


@dataclass(frozen=True)
class Reading:
    """How the pages of a feed are read.

    Attributes:
        wanted: columns that must hold values.
        spare: columns that may.
        timezone: of times without an offset.
        as_of: now.
    """

    config: HttpSource
    wanted: Sequence[str]
    spare: Sequence[str]
    timezone: str
    as_of: np.datetime64

    def page(self, reply: Reply, cursor: str | None) -> tuple[Columns, int, str | None]:
        """Rows of a reply, how many lines it has, and the cursor that it gives.

        Raises:
            FileProblem: if it is neither JSON with records nor CSV.
        """
        if not reply.content.strip():
            raise FileProblem("empty_file", f"{reply.origin} answers with an empty body")
        if not self._is_json(reply):
            rows = decode(reply.origin, reply.content)
            lines = reply.content.count(b"\n") + (not reply.content.endswith(b"\n"))
            return rows, lines, self._next_cursor(reply, None, rows, cursor)
        document = read_json(reply.origin, reply.content)
        records = Records.of(document, reply.origin, reply.content, self.config.records, self.wanted, self.spare)
        return records, records.length, self._next_cursor(reply, document, records, cursor)

    def _is_json(self, reply: Reply) -> bool:
        start = reply.content[:200].removeprefix(_BOM).lstrip()[:1]
        if start == b"<":
            media = f" ({reply.media})" if reply.media else ""
            raise FileProblem("unreadable_file", f"{reply.origin} answers with HTML or XML{media}, not JSON or CSV")
        if self.config.format != "auto":
            return self.config.format == "json"
        return reply.media.endswith("json") or start in (b"{", b"[")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Secrets of the source, which are not kept between pulls."""
        return secrets_of(self.config)

    def _next_cursor(self, reply: Reply, document: object, rows: Columns, cursor: str | None) -> str | None:
        return check_cursor(reply.origin, self._next(reply, document, rows, cursor), self.secrets)

    def _next(self, reply: Reply, document: object, rows: Columns, cursor: str | None) -> str | None:
        where = self.config.next
        if where is None:
            return None
        kind, _, name = where.partition(":")
        if kind == "header":
            return cursor_text(reply.origin, reply.headers.get(name.lower()))
        if kind == "column":
            if not rows.rows:
                return None
            if name not in rows.names:
                raise FileProblem("missing_column", f"{reply.origin} has no column {name!r}: correct next")
            return largest(rows.column(name), cursor, self.timezone, self.as_of)
        if document is None:
            raise FileProblem("missing_column", f"{reply.origin} answers CSV, where next = {where!r} has no place")
        found = at(document, where)
        return cursor_text(reply.origin, None if found is MISSING else found)


@dataclass
class Poll:
    """What a pull has brought so far.

    Attributes:
        pages: rows of each reply.
        lengths: lines of each.
        asked: cursor with which each was asked for.
        reached: cursor that the feed has come to.
        stamp: what to know of the last page for the next time.
        unchanged: nothing new was stated.
        cut: it was ended by a bound, and the feed has more.
        problem: what ended it, and how the answer begins that did.
        warnings: sentences for the person who reads the run.
    """

    reached: str | None = None
    pages: list[Columns] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)
    size: int = 0
    stamp: str | None = None
    unchanged: bool = False
    cut: bool = False
    problem: tuple[FileProblem, str] | None = None
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._digest = hashlib.sha256()

    @property
    def rows(self) -> Columns:
        """Of all pages, in their order, so that what a later one says counts."""
        return self.pages[0] if len(self.pages) == 1 else JoinedColumns(self.pages, self.lengths)

    def asked_for(self, row: int) -> str | None:
        """Cursor with which the page of a row was asked for."""
        ends = np.cumsum([page.rows for page in self.pages])
        return self.asked[int(np.searchsorted(ends, row, side="right"))]

    @property
    def digest(self) -> str:
        """Fingerprint of all replies, and of the cursor that they led to."""
        whole = self._digest.copy()
        whole.update(f"\n{self.reached}".encode())
        return whole.hexdigest()

    @property
    def status(self) -> int:
        """HTTP status of the problem; 0 where there is none."""
        problem = self.problem[0] if self.problem else None
        return problem.status if isinstance(problem, ReplyProblem) else 0

    def add(self, rows: Columns, length: int, content: bytes, asked: str | None) -> None:
        """Take in a page."""
        self.pages.append(rows)
        self.lengths.append(length)
        self.asked.append(asked)
        self.size += len(content)
        self._digest.update(hashlib.sha256(content).digest())

    def note_problem(self, problem: FileProblem, payload: str) -> None:
        """Note what ended it."""
        self.problem = problem, payload


def start_of(content: bytes) -> str:
    """How a body begins, as text."""
    return content[:START].decode("utf-8", "replace")


Fetch = Callable[[Mapping[str, str], Mapping[str, str]], Reply]


def poll(reading: Reading, fetch: Fetch, params: Mapping[str, str], start: str | None, stamp: str | None) -> Poll:
    """Ask page after page.

    Args:
        reading: how pages are read.
        fetch: asks for parameters, under conditions.
        params: parameters of every request.
        start: cursor of the first request.
        stamp: what is known of a page.
    """
    config, done, cursor = reading.config, Poll(start), start
    while True:
        query = dict(params) if cursor is None or config.cursor is None else {**params, config.cursor: cursor}
        content = b""
        try:
            reply = fetch(query, {} if done.pages else conditions(stamp, cursor))
            content = reply.content
            done.unchanged = reply.unchanged
            if reply.unchanged or reply.empty:
                return done
            rows, length, after = reading.page(reply, cursor)
        except FileProblem as problem:
            done.note_problem(problem, start_of(problem.payload if isinstance(problem, ReplyProblem) else content))
            return done
        done.add(rows, length, content, cursor)
        done.stamp = stamp_of(reply.headers, cursor, reading.secrets)
        nothing = not rows.rows and not len(rows.malformed_lines().lines)
        if nothing or after is None or after in done.asked:
            done.reached = after or cursor if nothing else cursor
            return done
        done.reached = cursor = after
        if len(done.pages) >= config.max_pages or done.size > config.max_bytes:
            done.cut = True
            return done
