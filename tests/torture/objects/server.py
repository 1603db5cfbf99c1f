"""An S3-compatible store in memory, as much of it as Arrow and botocore ask for, that misbehaves as it is told."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "torture"
Kind = Literal["list", "read", "look", "write", "delete", "other"]
XML = '<?xml version="1.0" encoding="UTF-8"?>'


@dataclass(frozen=True)
class Answer:
    """What the server says.

    Attributes:
        status: of HTTP.
        body: content.
        headers: more than the length.
        cut: bytes after which the connection is cut; None for a whole answer. Of 0 not even the status is sent.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None


def refusal(status: int, code: str) -> Answer:
    """An error as S3 words it."""
    return Answer(status, f"{XML}<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())


@dataclass(frozen=True)
class Asked:
    """A request.

    Attributes:
        kind: what it is about; `other` begins uploads in parts, and looks at buckets.
        method, key, query, headers, body: as they came.
    """

    kind: Kind
    method: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class Objects:
    """The objects of one bucket. Every change is one step of `history`, which listings may look back on.

    Attributes:
        held: contents by key.
        history: the names that there were before each change.
    """

    def __init__(self, held: dict[str, bytes], history: Sequence[frozenset[str]] = ()) -> None:
        self.held, self.history = dict(held), [*history]
        self._uploads: dict[str, dict[int, bytes]] = {}
        self._numbers = count()

    def answer(self, asked: Asked, lag: int = 0) -> Answer:
        """Do what is asked for; a listing is as it was so many changes ago."""
        if asked.kind == "list":
            return self._list(asked.query, lag)
        if asked.method == "DELETE":
            return self._delete(asked)
        if asked.method == "POST" and "delete" in asked.query:
            return self._delete_many(asked)
        if not asked.key:
            return Answer(200)
        if asked.method in ("GET", "HEAD"):
            return self._read(asked)
        return self._write(asked)

    def _change(self, key: str, data: bytes | None) -> None:
        self.history.append(frozenset(self.held))
        if data is None:
            self.held.pop(key, None)
        else:
            self.held[key] = data

    def _read(self, asked: Asked) -> Answer:
        data = self.held.get(asked.key)
        if data is None:
            return refusal(404, "NoSuchKey")
        tags = {"ETag": etag(data), "Last-Modified": "Fri, 10 May 2024 12:00:00 GMT", "Accept-Ranges": "bytes"}
        given = asked.headers.get("range")
        if given is None:
            return Answer(200, data, tags)
        first, _, last = given.removeprefix("bytes=").partition("-")
        start, stop = int(first), min(int(last) + 1, len(data)) if last else len(data)
        if start >= len(data):
            return refusal(416, "InvalidRange")
        return Answer(206, data[start:stop], tags | {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"})

    def _write(self, asked: Asked) -> Answer:
        upload = asked.query.get("uploadId")
        if "uploads" in asked.query:
            upload = f"{next(self._numbers)}"
            self._uploads[upload] = {}
            body = f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            return Answer(200, (XML + body).encode())
        if upload is not None and upload not in self._uploads:
            return refusal(404, "NoSuchUpload")
        if upload is not None and asked.method == "PUT":
            self._uploads[upload][int(asked.query["partNumber"])] = asked.body
            return Answer(200, headers={"ETag": etag(asked.body)})
        whole = self.assembled(asked)
        if refused := self._refused(whole):
            return refused
        self._change(whole.key, whole.body)
        if upload is None:
            return Answer(200, headers={"ETag": etag(whole.body)})
        tag = escape(etag(whole.body))
        return Answer(
            200, f"{XML}<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>".encode()
        )

    def assembled(self, asked: Asked) -> Asked:
        """A write with all of its content: the end of an upload in parts as the one write that it comes to."""
        parts = self._uploads.pop(asked.query["uploadId"], None) if "uploadId" in asked.query else None
        if parts is None:
            return asked
        return replace(asked, method="PUT", query={}, body=b"".join(part for _, part in sorted(parts.items())))

    def _refused(self, asked: Asked) -> Answer | None:
        """Whether a condition of a write or removal is not met at the moment that it lands."""
        data = self.held.get(asked.key)
        if asked.headers.get("if-none-match") == "*" and data is not None:
            return refusal(412, "PreconditionFailed")
        wanted = asked.headers.get("if-match")
        if wanted is not None and data is None:
            return refusal(404, "NoSuchKey")
        if wanted is not None and data is not None and wanted.strip('"') != etag(data).strip('"'):
            return refusal(412, "PreconditionFailed")
        return None

    def _delete(self, asked: Asked) -> Answer:
        if "uploadId" in asked.query:
            self._uploads.pop(asked.query["uploadId"], None)
            return Answer(204)
        if refused := self._refused(asked):
            return refused
        if asked.key in self.held:
            self._change(asked.key, None)
        return Answer(204)

    def _delete_many(self, asked: Asked) -> Answer:
        for piece in asked.body.decode().split("<Key>")[1:]:
            self._change(piece.partition("</Key>")[0], None)
        return Answer(200, f"{XML}<DeleteResult></DeleteResult>".encode())

    def _list(self, query: dict[str, str], lag: int) -> Answer:
        seen = self.history[-lag] if lag and lag <= len(self.history) else frozenset(self.held)
        prefix, delimiter, keys, folders = query.get("prefix", ""), query.get("delimiter", ""), list[str](), set[str]()
        for key in sorted(seen):
            if not key.startswith(prefix):
                continue
            below, slash, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if slash:
                folders.add(prefix + below + delimiter)
            else:
                keys.append(key)
        limit = int(query.get("max-keys", "1000"))
        assert len(keys) + len(folders) <= max(limit, 999) or limit == 1, "listings in pages are not made here"
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2024-05-10T12:00:00.000Z</LastModified>"
            f"<Size>{len(self.held.get(key, b''))}</Size></Contents>"
            for key in keys[:limit]
        ) + "".join(f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in sorted(folders))
        number = f"<KeyCount>{len(keys[:limit]) + len(folders)}</KeyCount><IsTruncated>false</IsTruncated>"
        return Answer(200, f"{XML}<ListBucketResult><Name>{BUCKET}</Name>{number}{entries}</ListBucketResult>".encode())


def etag(data: bytes) -> str:
    """As of a single PUT."""
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


class Misbehaviour:
    """What is done in place of, or beside, the right thing; this one does the right thing."""

    def answer(self, objects: Objects, asked: Asked) -> Answer:
        """The answer to a request; called for one at a time."""
        return objects.answer(asked)


class Server:
    """A running store.

    Attributes:
        objects: of its bucket.
        misbehaviour: consulted at each request.
        port: on the loopback address.
    """

    def __init__(self) -> None:
        self.objects, self.misbehaviour = Objects({}), Misbehaviour()
        self._lock = threading.Lock()
        self._http = _Listener(("127.0.0.1", 0), _Handler)
        self._http.store = self
        self.port = int(self._http.server_address[1])

    @property
    def root(self) -> str:
        """URL of a data root in the bucket."""
        return f"s3://{BUCKET}/root?scheme=http&endpoint_override=127.0.0.1:{self.port}&region=us-east-1"

    def answer(self, asked: Asked) -> Answer:
        """Answer one request."""
        with self._lock:
            return self.misbehaviour.answer(self.objects, asked)

    @contextmanager
    def running(self) -> Iterator[Server]:
        """Serve while the block lasts."""
        thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            self._http.server_close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    store: Server


def _kind(method: str, key: str, query: dict[str, str]) -> Kind:
    if method == "GET" and not key:
        return "list"
    if not key or "uploads" in query or (method == "DELETE" and "uploadId" in query):
        return "other"
    if method == "DELETE":
        return "delete"
    if method == "HEAD":
        return "look"
    if method == "GET":
        return "read"
    return "write"


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer is one packet

    def handle_expect_100(self) -> bool:
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def _serve(self) -> None:
        url = urlsplit(self.path)
        key = unquote(url.path).removeprefix(f"/{BUCKET}").lstrip("/")
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._body(headers)
        answer = self.server.store.answer(
            Asked(_kind(self.command, key, query), self.command, key, query, headers, body)
        )
        self._send(answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "") == "chunked":
            data = b"".join(iter(self._chunk, b""))
        else:
            data = self.rfile.read(int(headers.get("content-length", "0")))
        return _plain(data) if headers.get("x-amz-content-sha256", "").startswith("STREAMING") else data

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline(), 16)
        data = self.rfile.read(size)
        self.rfile.readline()
        return data

    def _send(self, answer: Answer) -> None:
        if answer.cut == 0:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: answer.cut])
        self.wfile.flush()
        self.close_connection = self.close_connection or answer.cut is not None

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged."""


def _plain(data: bytes) -> bytes:
    """Content of a body that was sent in signed chunks."""
    out = bytearray()
    while data:
        header, _, rest = data.partition(b"\r\n")
        size = int(header.partition(b";")[0], 16)
        if not size:
            break
        out += rest[:size]
        data = rest[size + 2 :]
    return bytes(out)
