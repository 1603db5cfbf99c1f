"""Which bundle publishes: the pointer on disk, and how it follows the registry's alias.

`bundles/champion.json` holds `version`, `folder`, `previous` (version or null), `earlier` (older versions, the oldest
first), `registry` (where the alias stood when the pointer was set), `set_at`, `by` (gate, person or rollback) and
`source`.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tasks.errors import ModelError
from tasks.settings.tree import Settings
from tasks.storage.store import Store
from tasks.tracking import registry
from tasks.tracking.runs import TrackingError, connect

log = logging.getLogger(__name__)

POINTER = "bundles/champion.json"
By = Literal["gate", "person", "rollback"]
REMEMBERED = 10
FALLBACK = "linear_level"
"""The baseline that takes a fit and is kept from night to night, because the forecast steps down to it."""
FALLBACK_FOLDER = f"baselines/{FALLBACK}"


def bundle_folder(version: str) -> str:
    """Folder of a version's bundle under the data root."""
    return f"bundles/{version}"


def store_bundle(store: Store, version: str, folder: Path) -> str:
    """Copy a bundle's files to the data root, `bundle.json` last; returns its folder there."""
    return copy_bundle(store, bundle_folder(version), folder)


def copy_bundle(store: Store, place: str, folder: Path) -> str:
    """Copy a bundle's files to a folder of the data root, `bundle.json` last; returns that folder."""
    files = sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.name == "bundle.json")
    for path in files:
        store.write_bytes(f"{place}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return place


def move_pointer(
    store: Store, version: str, alias: str | None, now: np.datetime64, source: str, by: By = "gate"
) -> dict[str, Any]:
    """Let a version publish; what published before is remembered as `previous`.

    Args:
        store: the data root.
        version: whose bundle is on disk.
        alias: version of the registry's alias, None where that is not known.
        now: UTC.
        source: why it moved, for people.
        by: what moved it.
    """
    with store.lock("champion"):
        old = store.read_json(POINTER) or {}
        earlier = [v for v in (*old.get("earlier", []), old.get("version")) if v and v != version][-REMEMBERED:]
        return _write(store, version, earlier, alias or old.get("registry"), now, source, by)


def sync_champion(settings: Settings, now: np.datetime64) -> str | None:
    """Follow the registry: where its alias has moved since the pointer was set, fetch that version and let it publish.

    Returns:
        One sentence about what was done; None where there was nothing to do, or the registry does not answer.
    """
    store = Store(settings.data_root)
    pointer = store.read_json(POINTER) or {}
    try:
        with connect(settings) as tracking:
            version = registry.alias_version(tracking, settings, registry.CHAMPION)
            if version is None or version == pointer.get("registry"):
                return None
            if not store.exists(f"{bundle_folder(version)}/bundle.json"):
                with tempfile.TemporaryDirectory() as folder:
                    store_bundle(store, version, registry.fetch_bundle(tracking, settings, version, Path(folder)))
    except (TrackingError, ModelError) as error:
        log.warning("the champion stays %s: %s", pointer.get("version", "unset"), error)
        return None
    moved = move_pointer(store, version, version, now, "the registry's alias was moved by hand", "person")
    try:
        with connect(settings) as tracking:
            registry.align_aliases(tracking, settings, version, moved["previous"])
    except TrackingError as error:
        log.warning("version %s publishes, but the registry's alias previous stays where it was: %s", version, error)
    return f"version {version} publishes now: the registry's alias champion was moved to it by hand"


def promote(settings: Settings, version: str, now: np.datetime64) -> str:
    """Let a version publish because a person wants it, on disk and in the registry, as the gate would.

    Returns:
        The version.

    Raises:
        ModelError: if it publishes already, or neither the data root nor the registry holds its bundle.
    """
    store = Store(settings.data_root)
    previous = (store.read_json(POINTER) or {}).get("version")
    if previous == version:
        raise ModelError(f"version {version} publishes already: there is nothing to promote")
    if not store.exists(f"{bundle_folder(version)}/bundle.json"):
        _fetch_bundle(settings, store, version)
    move_pointer(store, version, _point_aliases(settings, version, previous), now, "promoted by a person", "person")
    return version


def _fetch_bundle(settings: Settings, store: Store, version: str) -> None:
    """Copy a version's bundle from the registry to the data root.

    Raises:
        ModelError: if the registry does not hold it, or does not answer.
    """
    try:
        with connect(settings) as tracking, tempfile.TemporaryDirectory() as folder:
            store_bundle(store, version, registry.fetch_bundle(tracking, settings, version, Path(folder)))
    except TrackingError as error:
        raise ModelError(f"version {version} has no bundle in {store.url('bundles')}, and {error}") from None


def rollback(settings: Settings, now: np.datetime64) -> str:
    """Let the previous champion publish again, on disk and in the registry.

    Returns:
        The version that publishes now.

    Raises:
        ModelError: if there is no previous champion.
    """
    store = Store(settings.data_root)
    with store.lock("champion"):
        old = store.read_json(POINTER) or {}
        if not old.get("previous"):
            raise ModelError(f"{store.url(POINTER)} knows no previous champion: there is nothing to roll back to")
        *earlier, version = old["earlier"]
        alias = _point_aliases(settings, version, earlier[-1] if earlier else None) or old.get("registry")
        _write(store, version, earlier, alias, now, f"rolled back from {old['version']}", "rollback")
    return str(version)


def _point_aliases(settings: Settings, version: str, previous: str | None) -> str | None:
    """Move the registry's aliases too; None, and a warning, where it does not answer or never knew the version."""
    try:
        with connect(settings) as tracking:
            registry.set_champion(tracking, settings, version, previous)
        return version
    except TrackingError as error:
        log.warning("version %s publishes, but the registry's alias stays where it was: %s", version, error)
        return None


def _write(
    store: Store, version: str, earlier: list[str], alias: str | None, now: np.datetime64, source: str, by: By
) -> dict[str, Any]:
    pointer = {
        "version": version,
        "folder": bundle_folder(version),
        "previous": earlier[-1] if earlier else None,
        "earlier": earlier,
        "registry": alias,
        "set_at": f"{now.astype('datetime64[s]')}Z",
        "by": by,
        "source": source,
    }
    store.write_json(POINTER, pointer)
    return pointer
