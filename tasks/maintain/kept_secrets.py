"""Mask secrets in rejected rows that earlier releases kept as they came."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from tasks.errors import StoreError
from tasks.maintain.manifest import read_manifest
from tasks.settings.secrets import secrets_of
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tables.masked import mask_column
from tasks.tables.schemas import REJECTS

log = logging.getLogger(__name__)

DONE = "integrity/masked_rejects.json"
"""Written once all rejects were read: later ones are masked before they are kept."""


def mask_kept_rejects(settings: Settings, store: Store, full: bool) -> int:
    """Mask the present secrets of each source in the rejects that it left before it masked them.

    The files keep their names, by which the ledger refers to them. A damaged file is left to the checks.

    Args:
        settings: of the network, whose sources name their secrets.
        store: the data root.
        full: read all rejects, though they were read once.

    Returns:
        Rows that held a secret.
    """
    secrets = {source.name: found for source in settings.sources if (found := secrets_of(source))}
    if not secrets or (store.exists(DONE) and not full):
        return 0
    masked = sum(_mask_file(store, path, secrets) for path in store.files("rejects", ".parquet"))
    store.write_json(DONE, {"sources": sorted(secrets)})
    return masked


def _mask_file(store: Store, path: str, secrets: Mapping[str, tuple[str, ...]]) -> int:
    try:
        table = store.read_tables([path], REJECTS)
    except StoreError as error:
        log.warning("secrets were not looked for: %s", error)
        return 0
    texts = table["text"]
    for source, known in secrets.items():
        of_source = pc.equal(table["source"].cast(pa.string()), source)
        texts = pc.if_else(of_source, mask_column(texts, known), texts)
    rows = int(pc.sum(pc.not_equal(texts, table["text"])).as_py() or 0)
    if rows:
        _forget_checksum(store, path)  # first: a file that is replaced under its checksum would count as damaged
        store.write_table(path, table.set_column(table.column_names.index("text"), "text", texts))
    return rows


def _forget_checksum(store: Store, path: str) -> None:
    folder, _, name = path.rpartition("/")
    manifest = read_manifest(store, folder)
    if name in manifest.files:
        manifest.with_changes({}, {name}).write(store)
