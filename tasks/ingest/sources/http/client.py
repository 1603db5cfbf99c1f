"""Asking a feed over HTTP: conditional, bounded, patient, and silent about secrets."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tasks.ingest.rejects import FileProblem
from tasks.ingest.sources.http.decompress import GZIP, Unpacker, too_large
from tasks.settings.secrets import fill_variables, mask_url, secrets

if TYPE_CHECKING:
    import ssl

    import httpx
    from tenacity import RetryCallState

REDIRECTS = 5
_START = 2000  # bytes of a refusal that are kept
_PASSING = (408, 425, 429)
_KEYS = ": correct its headers or params"


@dataclass(frozen=True)
class Reply:
    """What a feed answered.

    Attributes:
        origin: address, without what may be secret.
        content: the body, unpacked.
        media: content type, lower case, without parameters.
        headers: names in lower case.
        unchanged: what was known of it still holds; there is no body.
        empty: it says itself that there is nothing.
    """

    origin: str
    content: bytes = field(repr=False)
    media: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    unchanged: bool = False
    empty: bool = False


class ReplyProblem(FileProblem):
    """An answer that cannot be used, and how its body begins.

    Attributes:
        status: of HTTP; 0 where there was no answer.
        payload: start of the body.
        passing: it may be over soon.
        wait: seconds that the feed asks to be left alone.
    """

    def __init__(
        self, line: str, status: int = 0, payload: bytes = b"", passing: bool = False, wait: float | None = None
    ) -> None:
        super().__init__("bad_reply", line)
        self.status, self.payload, self.passing, self.wait = status, payload, passing, wait


class RequestConfig(Protocol):
    """Where and how a feed is asked; see the settings of its source."""

    @property
    def name(self) -> str:
        """Of the source."""

    @property
    def url(self) -> str:
        """Address of the feed."""

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every request."""

    @property
    def params(self) -> dict[str, str]:
        """Query parameters of every request."""

    @property
    def max_bytes(self) -> int:
        """Bytes of a reply, unpacked."""

    @property
    def timeout_seconds(self) -> float:
        """For a whole reply."""

    @property
    def retries(self) -> int:
        """Tries after the first one."""

    @property
    def max_wait_seconds(self) -> float:
        """Longest pause before a try."""


class Feed:
    """One feed, for the length of a pull."""

    def __init__(
        self, config: RequestConfig, client: httpx.Client, as_of: np.datetime64, sleep: Callable[[float], None]
    ) -> None:
        self._config, self._client, self._as_of, self._sleep = config, client, as_of, sleep
        self._origin = mask_url(config.url)
        self._headers = fill_variables(config.name, "headers", config.headers)
        self._params = fill_variables(config.name, "params", config.params)
        self._secrets = secrets({**config.headers, **{f"?{name}": text for name, text in config.params.items()}})

    def mask_secrets(self, text: str) -> str:
        """A text in which every secret of the feed is replaced by stars."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def fetch(self, params: Mapping[str, str], conditions: Mapping[str, str]) -> Reply:
        """One reply, after as many tries as are allowed.

        Args:
            params: query parameters besides the configured ones.
            conditions: headers that make the request conditional.

        Raises:
            FileProblem: if the answer cannot be used.
        """
        from tenacity import Retrying, retry_if_exception, stop_after_attempt

        tries = Retrying(
            sleep=self._sleep,
            stop=stop_after_attempt(self._config.retries + 1),
            wait=self._pause,
            retry=retry_if_exception(lambda error: isinstance(error, ReplyProblem) and self._worth_waiting(error)),
            reraise=True,
        )
        try:
            return tries(self._once, params, conditions)
        except ReplyProblem as problem:
            count = int(tries.statistics["attempt_number"])
            why = f"{problem} ({count} tries)" if count > 1 else str(problem)
            if problem.wait is not None and problem.wait > self._config.max_wait_seconds:
                why = f"{problem} and asks for {problem.wait:,.0f} s of rest, more than max_wait_seconds"
            raise ReplyProblem(self.mask_secrets(why), problem.status, problem.payload) from None

    def _worth_waiting(self, problem: ReplyProblem) -> bool:
        return problem.passing and (problem.wait or 0) <= self._config.max_wait_seconds

    def _pause(self, state: RetryCallState) -> float:
        """Seconds before the next try: twice as long each time, and as long as the feed asks."""
        from tenacity import wait_exponential_jitter

        problem = state.outcome.exception() if state.outcome else None
        asked = problem.wait if isinstance(problem, ReplyProblem) else None
        longest = self._config.max_wait_seconds
        return max(min(longest, wait_exponential_jitter(initial=1, max=longest)(state)), asked or 0)

    def _once(self, params: Mapping[str, str], conditions: Mapping[str, str]) -> Reply:
        import httpx

        headers = {**self._headers, **conditions, "Accept-Encoding": "gzip, deflate"}
        deadline = time.monotonic() + self._config.timeout_seconds
        try:
            url = httpx.URL(self._config.url).copy_merge_params({**self._params, **params})
            request = self._client.build_request("GET", url, headers=headers)
            for _ in range(REDIRECTS + 1):
                response = self._client.send(request, stream=True)
                try:
                    if response.next_request is None:
                        return self._reply(response, bool(conditions), deadline)
                    request = self._onward(request, response.next_request)
                finally:
                    response.close()
        except httpx.TimeoutException:
            raise self._late() from None
        except (httpx.TransportError, httpx.InvalidURL) as error:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ReplyProblem(f"{self._origin} cannot be reached: {why}", passing=True) from None
        raise ReplyProblem(f"{self._origin} redirects more than {REDIRECTS} times")

    def _onward(self, request: httpx.Request, onward: httpx.Request) -> httpx.Request:
        """The request that a redirect asks for; to another server it carries no configured header."""
        if onward.url.scheme not in ("http", "https"):
            raise ReplyProblem(f"{self._origin} redirects to {onward.url.scheme}://, not to http or https")
        old, new = request.url, onward.url
        to_tls = old.host == new.host and (old.scheme, new.scheme) == ("http", "https")
        if not to_tls and (old.scheme, old.host, old.port) != (new.scheme, new.host, new.port):
            for name in self._headers:
                onward.headers.pop(name, None)
        return onward

    def _reply(self, response: httpx.Response, conditional: bool, deadline: float) -> Reply:
        headers = {name.lower(): value for name, value in response.headers.items()}
        if response.status_code == 304 and conditional:
            return Reply(self._origin, b"", headers=headers, unchanged=True)
        if response.status_code == 204:
            return Reply(self._origin, b"", headers=headers, empty=True)
        if not response.is_success:
            raise self._refusal(response)
        limit = self._config.max_bytes
        packed = Unpacker(self._origin, headers.get("content-encoding", "").strip().lower(), limit)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length[:18]) > limit:
            raise too_large(self._origin, limit)
        for chunk in response.iter_raw():
            packed.add(chunk)
            if time.monotonic() > deadline:
                raise self._late()
        content = packed.content()
        if content.startswith(GZIP):  # a packed file rather than a packed reply
            file = Unpacker(self._origin, "gzip", limit)
            file.add(content)
            content = file.content()
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        return Reply(self._origin, content, media, headers)

    def _refusal(self, response: httpx.Response) -> ReplyProblem:
        """Error text of a status that is no success."""
        status = response.status_code
        start = _start_of(response)
        passing = status in _PASSING or status >= 500
        hint = {401: _KEYS, 403: _KEYS, 404: ": correct its url"}.get(status, "")
        line = f"{self._origin} answers {status} {response.reason_phrase}".rstrip()
        wait = asked_rest(response.headers, self._as_of) if passing else None
        return ReplyProblem(line + hint, status, start, passing, wait)

    def _late(self) -> ReplyProblem:
        seconds = self._config.timeout_seconds
        return ReplyProblem(f"{self._origin} does not finish its answer within {seconds:g} s", passing=True)


@contextmanager
def open_feed(config: RequestConfig, as_of: np.datetime64, sleep: Callable[[float], None]) -> Iterator[Feed]:
    """A feed, and its connections closed afterwards.

    Raises:
        ConfigError: if the environment lacks one of its secrets.
    """
    import httpx

    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole addresses, keys included
    agent = {"User-Agent": "nexthour"}
    with httpx.Client(timeout=config.timeout_seconds, headers=agent, verify=_trust_store()) as client:
        yield Feed(config, client, as_of, sleep)


@cache
def _trust_store() -> ssl.SSLContext:
    """The certificates that are trusted, read once per process: it takes 60 ms."""
    import httpx

    return httpx.create_ssl_context()


def asked_rest(headers: Mapping[str, str], as_of: np.datetime64) -> float | None:
    """Seconds of Retry-After, which says a number or a date; a date is measured from the reply's own, else from now."""
    from datetime import UTC, datetime, timedelta
    from email.utils import parsedate_to_datetime

    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])

    def moment(text: str) -> datetime | None:
        try:
            parsed = parsedate_to_datetime(text)
        except ValueError:
            return None
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)

    until = moment(text)
    now = moment(headers.get("date", "")) or datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        seconds=int(as_of.astype("datetime64[s]").astype(np.int64))
    )
    return None if until is None else max((until - now).total_seconds(), 0.0)


def _start_of(response: httpx.Response) -> bytes:
    """How a body begins, as far as it can be read."""
    import httpx

    start = b""
    try:
        packed = Unpacker("", response.headers.get("content-encoding", "").strip().lower(), 1 << 20)
        for chunk in response.iter_raw():
            packed.add(chunk)
            start = packed.start()[:_START]
            if len(start) == _START:
                break
    except (httpx.HTTPError, FileProblem):
        pass  # what there is of it is worth keeping, and its end is not what went wrong
    return start
