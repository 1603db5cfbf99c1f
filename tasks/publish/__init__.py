"""Publication: every module beside `steps` is a target, and its `TARGET` makes one from the settings."""

from __future__ import annotations

import importlib
import pkgutil

from tasks.contracts import Target
from tasks.errors import ConfigError, nearest_key
from tasks.settings.tree import Settings


def known_targets() -> tuple[str, ...]:
    """Names that `[publish] targets` may hold: the modules of this package."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "steps"))


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
