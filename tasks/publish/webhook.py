"""A program that is sent each forecast by POST: signed, in order, and again later where it did not take one.

A document is first put into a folder of the data root and leaves it when the receiver has taken it. So nothing is lost
when the receiver, this machine or the network is away. Signatures follow https://www.standardwebhooks.com.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tasks.contracts import Publication
from tasks.errors import ConfigError, TargetError, about
from tasks.publish._outbox import Letter, Outbox
from tasks.publish.latest_json import latest_document
from tasks.settings.secrets import mask_url, read_variable
from tasks.settings.targets import WebhookTarget, check_webhook_url
from tasks.settings.tree import Settings
from tasks.stations.load import station_table
from tasks.storage.store import Store

if TYPE_CHECKING:
    import httpx

SCHEMA_VERSION = 1
SHORTEST_SECRET = 16
FIRST_PAUSE_SECONDS = 0.5
DECIMALS = 3
_TOO_MANY = "limit_seconds were over before all was sent"
_WHERE = "[publish.webhook]"
_PASSING = (408, 409, 425, 429)
_UNREADABLE = (400, 413, 415, 422)


class Webhook:
    """Sends what waits and then the newest forecast, oldest first, until one is not taken or the time is over."""

    name = "webhook"

    def __init__(self, settings: Settings) -> None:
        self._settings, self._config = settings, settings.publish.webhook

    def publish(self, publication: Publication) -> str:
        """Send the forecast and all that waits; returns how many documents went where.

        Raises:
            ConfigError: if address or secret are missing or cannot be used.
            TargetError: if a document was not taken; it waits, or is kept where the receiver cannot read it.
            StoreError: if the data root cannot be written.
        """
        url, key = _address(self._config), _key(self._config)
        store = Store(self._settings.data_root)
        with store.lock("publish-webhook"):
            outbox = Outbox(store, self.name, self._config.keep)
            if not outbox.add(publication.summary, lambda: self._body(publication)):
                return f"{mask_url(url)} was sent a later forecast already: this one is not sent"
            sender = Sender(url, key, self._config, datetime.fromisoformat(publication.summary["issued_at"]))
            # In a thread of its own, as the caller's may run an event loop.
            with ThreadPoolExecutor(max_workers=1) as pool:
                sent = pool.submit(asyncio.run, sender.send_all(outbox)).result()
        return f"{mask_url(url)} took {sent} document{'' if sent == 1 else 's'}"

    def _body(self, publication: Publication) -> bytes:
        document = {
            "type": "nexthour.forecast",
            "schema_version": SCHEMA_VERSION,
            "summary": publication.summary,
            "stations": [_round_row(row) for row in publication.stations.to_pylist()],
        }
        if self._config.content == "full":
            document["latest"] = latest_document(publication, self._settings.levels, station_table(self._settings))
        return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


TARGET = Webhook


class Sender:
    """Sends documents to one address within the time that all of them together may take.

    Args:
        url: of the receiver.
        key: of the signatures.
        config: limits in time.
        now: the present moment, from which the times of the signatures are counted.
    """

    def __init__(self, url: str, key: bytes, config: WebhookTarget, now: datetime) -> None:
        self._url, self._key, self._config = url, key, config
        self._clock = now.timestamp() - time.monotonic()
        self._problem = _TOO_MANY

    async def send_all(self, outbox: Outbox) -> int:
        """Send what waits in its order; returns how many documents were taken.

        Raises:
            TargetError: if one was not taken.
        """
        import httpx

        logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole addresses
        sent, unreadable = 0, ""
        try:
            async with (
                asyncio.timeout(self._config.limit_seconds),
                httpx.AsyncClient(headers={"User-Agent": "nexthour"}, timeout=self._config.limit_seconds) as client,
            ):
                for letter in outbox.waiting():
                    status = await self._send(client, letter)
                    if status in _UNREADABLE:
                        unreadable = f"answers {status} to {letter.name}, which is kept in {outbox.reject(letter)}"
                    else:
                        outbox.remove(letter)
                        sent, self._problem = sent + 1, _TOO_MANY
        except (TimeoutError, TargetError) as error:
            problem = str(error) if isinstance(error, TargetError) else self._problem
            raise TargetError(f"{mask_url(self._url)}: {problem}; {outbox.describe()}") from None
        if unreadable:
            raise TargetError(f"{mask_url(self._url)} {unreadable}")
        return sent

    async def _send(self, client: httpx.AsyncClient, letter: Letter) -> int:
        """Send one document as often as the time allows; returns the status of the answer that settles it.

        Raises:
            TargetError: if the receiver will not take it without a change of the configuration.
        """
        pause = FIRST_PAUSE_SECONDS
        while True:
            rest = 0.0
            try:
                async with asyncio.timeout(self._config.timeout_seconds):
                    status, rest = await self._post(client, letter)
                if status < 300 or status in _UNREADABLE:
                    return status
                self._problem = f"it answers {status}"
                if status < 500 and status not in _PASSING:
                    remedy = "give the address that it redirects to" if status < 400 else "correct url or secret"
                    raise TargetError(f"{self._problem}: {remedy}")
            except TimeoutError:
                self._problem = f"it does not answer within {self._config.timeout_seconds:g} s"
            except OSError as error:
                self._problem = f"it cannot be reached: {error}"
            await asyncio.sleep(max(pause, rest))
            pause *= 2

    async def _post(self, client: httpx.AsyncClient, letter: Letter) -> tuple[int, float]:
        """Status of the answer, and seconds that the receiver asks to be left alone; its body is not read.

        Raises:
            OSError: if there is no answer.
        """
        import httpx

        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": letter.name,
            **signature_headers(self._key, letter.name, int(self._clock + time.monotonic()), letter.body),
        }
        try:
            async with client.stream("POST", self._url, content=letter.body, headers=headers) as response:
                rest = response.headers.get("retry-after", "")
                return response.status_code, float(rest) if rest.isascii() and rest.isdigit() else 0.0
        except httpx.HTTPError as error:
            raise OSError(" ".join(str(error).split()) or type(error).__name__) from None


def signature_headers(key: bytes, name: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Headers by which a receiver knows who sent a body, when, and that nobody changed it."""
    signed = f"{name}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {"webhook-id": name, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}


def _address(config: WebhookTarget) -> str:
    if config.url is None:
        raise ConfigError(f'{_WHERE} has no url: write url = "https://..." or "env:NAME"')
    url = read_variable(f"{_WHERE} url", config.url)
    with about(_WHERE):
        check_webhook_url(url, config.allow_http)
    return url


def _key(config: WebhookTarget) -> bytes:
    """The key of the signature: base64 behind "whsec_", else the text itself."""
    if config.secret is None:
        raise ConfigError(f'{_WHERE} has no secret: write secret = "env:NAME"')
    text = read_variable(f"{_WHERE} secret", config.secret)
    try:
        encoded = text.removeprefix("whsec_")
        key = text.encode() if encoded == text else base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise ConfigError(f"{_WHERE} secret: what follows whsec_ is not base64") from None
    if len(key) < SHORTEST_SECRET:
        raise ConfigError(f"{_WHERE} secret has less than {SHORTEST_SECRET} bytes: make one by `openssl rand -hex 32`")
    return key


def _round_row(row: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, DECIMALS) if isinstance(value, float) else value for key, value in row.items()}
