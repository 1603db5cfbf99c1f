"""The kinds of source. A module here that has a class decorated with `source_kind` adds one."""

from __future__ import annotations

import hashlib
import importlib
import json
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from tasks.errors import ConfigError, nearest_key
from tasks.ingest.source import Source
from tasks.settings.sources.rows import BaseSource
from tasks.settings.tree import Network, Settings

_KINDS: dict[str, Callable[[Any, Network], Source]] = {}
Kind = TypeVar("Kind", bound=Callable[[Any, Network], Source])


def source_kind(kind: str) -> Callable[[Kind], Kind]:
    """Register a class, made from its settings and the network's, under `kind`."""

    def register(maker: Kind) -> Kind:
        _KINDS[kind] = maker
        return maker

    return register


@cache
def kinds() -> tuple[str, ...]:
    """Every kind that there is, sorted."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return tuple(sorted(_KINDS))


def make_source(config: BaseSource, network: Network) -> Source:
    """The source that a configuration describes.

    Raises:
        ConfigError: if it cannot serve this network.
    """
    kind = str(getattr(config, "kind", ""))
    if kind not in _KINDS and any(module.name == kind for module in pkgutil.iter_modules(__path__)):
        importlib.import_module(f"{__name__}.{kind}")  # as a rule it has the name of its kind: others are not needed
    if kind not in _KINDS and kind not in kinds():
        raise ConfigError(f"source {config.name!r}: kind {kind!r} is unknown{nearest_key(kind, kinds())}")
    return _KINDS[kind](config, network)


def setup_of(config: BaseSource, network: Network) -> str:
    """Fingerprint of all that decides what is read of an input; where a file lies and how it travels does not."""
    about = [
        config.model_dump(mode="json", exclude=set(config.beside)),
        network.timezone,
        network.interval_minutes,
        network.targets,
        *([network.aliases] if network.aliases else ()),
        *([{"exclude": network.excluded}] if network.excluded else ()),
    ]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]


def named_source(settings: Settings, name: str) -> BaseSource:
    """Configuration of the source of that name.

    Raises:
        ConfigError: if there is none; names those that there are.
    """
    for config in settings.sources:
        if config.name == name:
            return config
    names = tuple(config.name for config in settings.sources)
    raise ConfigError(f"there is no source {name!r} in the configuration{nearest_key(name, names)}")
