"""Files that could not be used at all, and still cannot."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.errors import SourceError
from tasks.ingest.files.find import find_files
from tasks.ingest.land.ledger import SourceLedger
from tasks.settings.sources import BaseSource, FileSource
from tasks.storage.store import Store


def failed(store: Store, config: BaseSource) -> Iterator[str]:
    """What was said last of each file of a source that was refused as a whole, and has not landed or gone since."""
    stamps = _stamps(config)
    for entry in SourceLedger(store, config.name).entries:
        as_it_landed = entry.stamp is not None and entry.stamp.split("+")[0] == stamps.get(entry.origin)
        if entry.failed and entry.origin in stamps and not as_it_landed:
            yield entry.failed


def _stamps(config: BaseSource) -> dict[str, str | None]:
    """Cheap identity of each file that there is now, by what it is shown as."""
    if not isinstance(config, FileSource):
        return {}
    try:
        return {file.origin: file.stamp for file in find_files(config.name, config.path)}
    except SourceError:
        return {}
