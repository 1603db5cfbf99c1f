"""Architectures, one file each, named as the file; a new file is all that a new one takes.

A file `NAME.py` defines a subclass of `BaseArchitecture` with `name = "NAME"`, and sets `ARCHITECTURE` to it. It is
imported when asked for. Files that begin with `_` are helpers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.contracts import Features, FitLog, Forecaster, Progress, Space, Split
from tasks.errors import ConfigError, ModelError, nearest_key


class ModelConfig(BaseModel):
    """Config of an architecture, the table `[models.NAME]`: frozen, unknown keys rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BaseArchitecture(ABC):
    """How a kind of model is fitted and loaded: what a file of this folder defines.

    Args:
        config: a `config_type`; its defaults by default.
        progress: called during a fit.

    Attributes:
        name: of the file, and of its table `[models.NAME]`.
        config_type: type of its config.
        space: what of the config may be tuned; nothing by default.
        unseeded: whether its fit is the same for every seed.
    """

    name: str
    config: ModelConfig
    config_type: type[ModelConfig]
    space: ClassVar[Space] = {}
    unseeded: ClassVar[bool] = False

    def __init__(self, config: ModelConfig | None = None, progress: Progress | None = None) -> None:
        self.config, self.progress = config or self.config_type(), progress

    @abstractmethod
    def fit(self, features: Features, split: Split, seed: int, log: FitLog) -> Forecaster:
        """Fit on the training origins, watch the validation origins, never touch the hold-out.

        Raises:
            HistoryError: if the origins cannot feed it.
        """

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> Forecaster:
        """The forecaster whose `export(folder)` returned `config`.

        Raises:
            ModelError: if the folder does not hold it.
        """

    def initial_forecaster(self) -> Forecaster:
        """A forecaster that needs no fit; overridden where there is one.

        Raises:
            ModelError: by default.
        """
        raise ModelError(
            f"model {self.name!r} needs a fit before it forecasts: run nexthour retrain --model {self.name}"
        )


def names() -> tuple[str, ...]:
    """Every architecture there is, sorted."""
    return tuple(sorted(m.name for m in iter_modules(__path__) if not m.name.startswith("_")))


def architecture_class(name: str) -> type[BaseArchitecture]:
    """The class of that name.

    Raises:
        ConfigError: if there is none; names the nearest one.
    """
    if name not in names():
        raise ConfigError(f"model {name!r} is unknown{nearest_key(name, names())}")
    kind: type[BaseArchitecture] = import_module(f"{__name__}.{name}").ARCHITECTURE
    return kind


def architecture(name: str, config: dict[str, Any] | None = None) -> BaseArchitecture:
    """The architecture of that name with its config.

    Raises:
        ConfigError: if name or config cannot be used; names the key and the nearest one.
    """
    kind = architecture_class(name)
    return kind(read_config(kind.config_type, config or {}, f"[models.{name}]"))


def initial_forecaster(name: str, config: dict[str, Any] | None = None) -> Forecaster:
    """A forecaster for the time before any fit.

    Raises:
        ConfigError: if name or config cannot be used.
        ModelError: if that architecture cannot forecast without a fit.
    """
    return architecture(name, config).initial_forecaster()


def tuning_space(name: str) -> Space:
    """What of an architecture's config may be tuned.

    Raises:
        ConfigError: if the name is unknown, or nothing of it may.
    """
    declared = architecture_class(name).space
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
