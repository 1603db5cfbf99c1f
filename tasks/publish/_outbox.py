"""Documents that wait for a receiver: files of the data root, oldest first, and never more than a bound."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.errors import StoreError
from tasks.publish._newest import holds_later, moment_of, published_moment, state_path
from tasks.storage.store import Store

log = logging.getLogger(__name__)

WAITING, REJECTED = "publications/undelivered", "publications/undelivered-rejected"


@dataclass(frozen=True)
class Letter:
    """A document and its name, which stays the same however often it is sent."""

    name: str
    body: bytes = field(repr=False)


class Outbox:
    """What one target has to send; its caller holds the lock of the target.

    Args:
        store: the data root.
        target: name of the target.
        keep: documents that may wait, and documents that are kept though the receiver cannot read them.
    """

    def __init__(self, store: Store, target: str, keep: int) -> None:
        self._store, self._target, self._keep = store, target, keep

    def add(self, summary: Mapping[str, Any], make_body: Callable[[], bytes]) -> bool:
        """Let the document of an issue wait, once however often it is added; False where a later one was added before.

        Raises:
            StoreError: if the data root cannot be written.
        """
        published, moment = published_moment(self._store, self._target), moment_of(summary)
        if holds_later(published, summary):
            return False
        if published != moment:
            body = make_body()
            origin, issued = (text.replace("-", "").replace(":", "") for text in moment)
            name = f"{origin}-{issued}-{hashlib.sha256(body).hexdigest()[:8]}"
            self._store.write_bytes(self._path(WAITING, name), body)
            self._write_state(origin_utc=moment[0], issued_at=moment[1])
        self._drop_oldest(WAITING)
        return True

    def waiting(self) -> Iterator[Letter]:
        """Documents in the order in which they are to be sent."""
        for path in self._files(WAITING):
            body = self._store.read_bytes(path)
            if body is not None:
                yield Letter(path.rsplit("/", 1)[1].removesuffix(".json"), body)

    def remove(self, letter: Letter) -> None:
        """Forget a document that was taken."""
        self._store.delete(self._path(WAITING, letter.name))

    def reject(self, letter: Letter) -> str:
        """Put a document aside that the receiver cannot read, so that the others are not kept back; returns where."""
        path = self._path(REJECTED, letter.name)
        self._store.write_bytes(path, letter.body)
        self.remove(letter)
        self._write_state(rejected=self._count("rejected") + 1)
        self._drop_oldest(REJECTED)
        return self._store.url(path)

    def describe(self) -> str:
        """How many documents wait, and how many were dropped so far, for people."""
        waiting, dropped = len(self._files(WAITING)), self._count("dropped")
        lost = f"; {dropped} dropped so far, as more than {self._keep} waited" if dropped else ""
        return f"{waiting} wait{'s' if waiting == 1 else ''} in {self._store.url(f'{WAITING}/{self._target}')}{lost}"

    def _drop_oldest(self, folder: str) -> None:
        extra = self._files(folder)[: -self._keep]
        for path in extra:
            log.error("%s: %s is dropped, as there are more than %d", self._target, path, self._keep)
            self._store.delete(path)
        if extra and folder == WAITING:
            self._write_state(dropped=self._count("dropped") + len(extra))

    def _files(self, folder: str) -> list[str]:
        return self._store.files(f"{folder}/{self._target}", ".json")

    def _path(self, folder: str, name: str) -> str:
        return f"{folder}/{self._target}/{name}.json"

    def _state(self) -> dict[str, object]:
        try:
            held = self._store.read_json(state_path(self._target))
        except StoreError:
            return {}
        return held if isinstance(held, dict) else {}

    def _count(self, key: str) -> int:
        count = self._state().get(key)
        return count if isinstance(count, int) else 0

    def _write_state(self, **changes: str | int) -> None:
        self._store.write_json(state_path(self._target), {**self._state(), **changes})
