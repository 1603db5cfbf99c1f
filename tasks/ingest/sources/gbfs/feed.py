"""Asking a GBFS feed: `station_status` at its own address, or looked up in `gbfs.json`."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np

from tasks.errors import ConfigError
from tasks.ingest.formats.json_records import at, read_json
from tasks.ingest.rejects import FileProblem
from tasks.ingest.sources.http.client import Reply, open_feed
from tasks.settings.secrets import check_url, mask_url
from tasks.settings.sources.gbfs import GbfsSource

STATUS = "station_status"


@dataclass(frozen=True)
class Polled:
    """A reply, and the document that it holds; None where the feed has not changed."""

    reply: Reply
    document: object


def ask_status(
    config: GbfsSource, conditions: Mapping[str, str], as_of: np.datetime64, sleep: Callable[[float], None] = time.sleep
) -> Polled:
    """The present `station_status`.

    Raises:
        ConfigError: if the environment lacks a secret.
        FileProblem: if the feed does not answer with it.
    """
    polled = _ask(config, conditions, as_of, sleep)
    if polled.document is None or not _is_directory(polled.document):
        return polled
    found = find_status(polled.reply.origin, polled.document)
    _check_address(config.url, found, polled.reply.origin)
    there = config.model_copy(update={"url": found})
    if urlsplit(found)[:2] != urlsplit(config.url)[:2]:  # what one server is asked is not for another one
        there = there.model_copy(update={"headers": {}, "params": {}})
    return _ask(there, conditions, as_of, sleep)


def _ask(
    config: GbfsSource, conditions: Mapping[str, str], as_of: np.datetime64, sleep: Callable[[float], None]
) -> Polled:
    with open_feed(config, as_of, sleep) as feed:
        reply = feed.fetch({}, conditions)
    if reply.unchanged or reply.empty:
        return Polled(reply, None)
    return Polled(reply, read_json(reply.origin, reply.content))


def _is_directory(document: object) -> bool:
    """Whether a document is `gbfs.json`: it has feeds, or languages that have (GBFS 1 and 2)."""
    data = at(document, "data")
    return isinstance(data, dict) and "stations" not in data


def find_status(origin: str, document: object) -> str:
    """Address of `station_status` in `gbfs.json`, of the language that stands first.

    Raises:
        FileProblem: if it names none.
    """
    data = at(document, "data")
    tables = [data, *(data.values() if isinstance(data, dict) else ())]
    feeds = [table["feeds"] for table in tables if isinstance(table, dict) and isinstance(table.get("feeds"), list)]
    for feed in (each for table in feeds for each in table):
        if isinstance(feed, dict) and feed.get("name") == STATUS and isinstance(feed.get("url"), str):
            return str(feed["url"])
    raise FileProblem("bad_reply", f"{origin} names no feed {STATUS}: give the address of {STATUS}.json as url")


def _check_address(asked: str, found: str, origin: str) -> None:
    """Whether an address that a feed names may be asked: one of this machine or network only if the feed is, too.

    Raises:
        FileProblem: if not.
    """
    try:
        check_url(found)
    except ConfigError as error:
        raise FileProblem("bad_reply", f"{origin} names a {STATUS} that cannot be asked: {error}") from None
    if _is_private(found) and urlsplit(found).hostname != urlsplit(asked).hostname:
        raise FileProblem(
            "bad_reply", f"{origin} names {mask_url(found)} as its {STATUS}, which is an address of this network"
        )


def _is_private(url: str) -> bool:
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host.replace(".", "").isdecimal() or host.startswith("0x")  # other spellings of addresses
