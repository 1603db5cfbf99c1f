"""Architectures, one file each, named as the file; a new file is all that a new one takes.

A file `NAME.py` defines a class as `ArchitectureClass` says, with `name = "NAME"`, and sets `ARCHITECTURE` to it. It is
imported when asked for. Files that begin with `_` are helpers.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Protocol, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.contracts import Architecture, Forecaster, Space
from tasks.errors import ConfigError, ModelError
from tasks.settings.tree import nearest_key


class ModelConfig(BaseModel):
    """Config of an architecture, the table `[models.NAME]`: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ArchitectureClass(Protocol):
    """What a file of this folder defines.

    One that can forecast without a fit also has `unfitted()`; one that can be tuned, `space: Space`.
    """

    name: str
    config_type: type[ModelConfig]

    def __call__(self, config: Any) -> Architecture:
        """Made of a `config_type`."""

    def load(self, folder: Path, config: dict[str, Any]) -> Forecaster:
        """A classmethod: the forecaster whose `export(folder)` returned `config`.

        Raises:
            ModelError: if the folder does not hold it.
        """


def names() -> tuple[str, ...]:
    """Every architecture there is, sorted."""
    return tuple(sorted(m.name for m in iter_modules(__path__) if not m.name.startswith("_")))


def architecture_class(name: str) -> ArchitectureClass:
    """The class of that name.

    Raises:
        ConfigError: if there is none; names the nearest one.
    """
    if name not in names():
        raise ConfigError(f"model {name!r} is unknown{nearest_key(name, names())}")
    found: ArchitectureClass = import_module(f"{__name__}.{name}").ARCHITECTURE
    return found


def architecture(name: str, config: dict[str, Any] | None = None) -> Architecture:
    """The architecture of that name with its config.

    Raises:
        ConfigError: if name or config cannot be used; names the key and the nearest one.
    """
    kind = architecture_class(name)
    return kind(read_config(kind.config_type, config or {}, f"[models.{name}]"))


def unfitted(name: str, config: dict[str, Any] | None = None) -> Forecaster:
    """A forecaster for the time before any fit.

    Raises:
        ConfigError: if name or config cannot be used.
        ModelError: if that architecture cannot forecast without a fit.
    """
    made = architecture(name, config)
    if not hasattr(made, "unfitted"):
        raise ModelError(f"model {name!r} needs a fit before it forecasts: run nexthour retrain --model {name}")
    return cast(Forecaster, made.unfitted())


def tuning_space(name: str) -> Space:
    """What of an architecture's config may be tuned.

    Raises:
        ConfigError: if the name is unknown, or nothing of it may.
    """
    declared: Space = getattr(architecture_class(name), "space", {})
    if not declared:
        raise ConfigError(f"model {name!r} declares no space: there is nothing to tune")
    return declared


def load(name: str, folder: Path, config: dict[str, Any]) -> Forecaster:
    """The forecaster of that architecture whose `export(folder)` returned `config`.

    Raises:
        ConfigError: if the name is unknown.
        ModelError: if the folder does not hold it.
    """
    return architecture_class(name).load(folder, config)


def read_config(kind: type[ModelConfig], config: dict[str, Any], where: str) -> Any:
    """A `kind` made of a TOML table.

    Raises:
        ConfigError: one line that names place, key and remedy.
    """
    try:
        return kind(**config)
    except ValidationError as error:
        item = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        key = ".".join(map(str, item["loc"]))
        if item["type"] == "extra_forbidden":
            raise ConfigError(f"{where} {key} is an unknown key{nearest_key(key, tuple(kind.model_fields))}") from None
        raise ConfigError(f"{where} {key}: {item['msg']} (given {item['input']!r})") from None
