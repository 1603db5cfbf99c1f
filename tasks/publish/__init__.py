"""Publication: every module is a target, and its `TARGET` makes one; but for `steps` and those that begin with _."""

from __future__ import annotations

import importlib
import pkgutil

from tasks.contracts import Target
from tasks.errors import ConfigError, nearest_key
from tasks.settings.tree import Settings

HOUR_ONLY = ("csv", "gtfs_rt_alerts", "latest_json", "sql", "tides", "webhook")
"""Targets that never ask for `Publication.day`, so that a forecast need not load the minutes of the whole day."""


def known_targets() -> tuple[str, ...]:
    """Names that `[publish] targets` may hold: the modules of this package."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(name for name in names if name != "steps" and not name.startswith("_"))


def make_target(settings: Settings, name: str) -> Target:
    """The publish target of that name.

    Raises:
        ConfigError: if there is none.
    """
    known = known_targets()
    if name not in known:
        raise ConfigError(f"[publish] targets: {name!r} is unknown{nearest_key(name, known)}")
    module = importlib.import_module(f"{__name__}.{name}")
    target: Target = module.TARGET(settings)
    return target
