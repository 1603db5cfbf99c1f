"""Sums of scores that are kept in a file, under a key that says what they were computed from."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

import numpy as np

from tasks.errors import StoreError
from tasks.score.signal_rows import SignalDay
from tasks.score.tally import Tally
from tasks.storage.store import Store


@dataclass(frozen=True)
class Sums:
    """What the issues of an hour, or of a day, add up to.

    Attributes:
        tally: of what was published.
        shadows: of the shadow models, with what was published at their origins.
        signals: what the signals of alerts would have raised.
    """

    tally: Tally
    shadows: Tally
    signals: SignalDay

    def include(self, other: Sums) -> None:
        """Add those of another hour."""
        self.tally.include(other.tally)
        self.shadows.include(other.shadows)
        self.signals.include(other.signals)


def write_sums(store: Store, path: str, key: str, sums: Sums) -> None:
    """Replace a file of sums.

    Raises:
        StoreError: if it cannot be written.
    """
    parts = {"tally": sums.tally.arrays(), "shadows": sums.shadows.arrays(), "signals": sums.signals.arrays()}
    arrays = {f"{part}.{name}": values for part, of in parts.items() for name, values in of.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, key=np.array(key), **arrays)
    store.write_bytes(path, buffer.getvalue())


def read_sums(store: Store, path: str, key: str, into: Sums) -> bool:
    """Whether a file has sums of that key, which `into` takes over; a damaged file counts as absent.

    Raises:
        StoreError: if the data root cannot be read.
    """
    data = store.read_bytes(path)
    if data is None:
        return False
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            if file["key"].item() != key:
                return False
            arrays = {name: file[name] for name in file.files}
        parts = {part: _of(part, arrays) for part in ("tally", "shadows", "signals")}
        into.tally.restore(parts["tally"])
        into.shadows.restore(parts["shadows"])
        into.signals.restore(parts["signals"])
    except (ValueError, KeyError, OSError, zipfile.BadZipFile, StoreError):
        return False
    return True


def _of(part: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    return {name.removeprefix(f"{part}."): values for name, values in arrays.items() if name.startswith(f"{part}.")}
