"""Reading `nexthour.toml` into the settings tree, with errors that name file, key and remedy."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from tasks.errors import ConfigError
from tasks.settings import CountsSource, EventsSource, Settings, SimulateSource, nearest_key

DEFAULT_CONFIG = "deployments/nexthour.toml"


def load_settings(config: str | Path | None = None, data_root: str | None = None) -> Settings:
    """Settings from a TOML file, the environment over it, `data_root` over both.

    Without `config`: the `nexthour.toml` of the given data root, else `deployments/nexthour.toml` of the
    working folder if it is there, else defaults. Relative paths in the file are relative to its folder.

    Raises:
        ConfigError: one line that names file, key and remedy.
    """
    path = _find(config, data_root)
    tree = _read(path) if path else {}
    if path:
        _resolve_paths(tree, path.parent)
    if data_root is not None:
        tree["data_root"] = data_root
    try:
        settings = Settings(**tree)
    except ValidationError as error:
        raise ConfigError(f"{path or 'settings'}: {_first_line(error)}") from None
    except ConfigError as error:
        raise ConfigError(f"{path or 'settings'}: {error}") from None
    return settings if data_root is None else settings.model_copy(update={"data_root": data_root})


def config_path(config: str | Path | None = None, data_root: str | None = None) -> str | None:
    """Absolute path of the file that `load_settings` would read, None where it would use defaults."""
    path = _find(config, data_root)
    return str(path.absolute()) if path else None


def _find(config: str | Path | None, data_root: str | None) -> Path | None:
    if config is not None:
        path = Path(config)
        if not path.is_file():
            raise ConfigError(f"configuration {path} does not exist: give --config FILE")
        return path
    if data_root is not None and "://" not in data_root and (Path(data_root) / "nexthour.toml").is_file():
        return Path(data_root) / "nexthour.toml"
    return Path(DEFAULT_CONFIG) if Path(DEFAULT_CONFIG).is_file() else None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None


def _resolve_paths(tree: dict[str, Any], base: Path) -> None:
    def absolute(text: object) -> object:
        if not isinstance(text, str) or "://" in text or Path(text).is_absolute():
            return text
        return str((base / text).resolve())

    if "data_root" in tree:
        tree["data_root"] = absolute(tree["data_root"])
    for source in tree.get("sources", []) if isinstance(tree.get("sources"), list) else []:
        if isinstance(source, dict) and "path" in source:
            source["path"] = absolute(source["path"])


def _first_line(error: ValidationError) -> str:
    item = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    where = ".".join(str(p) for p in item["loc"] if p not in ("counts", "events", "simulate") or len(item["loc"]) < 3)
    if item["type"] == "extra_forbidden":
        return f"{where} is an unknown key{nearest_key(str(item['loc'][-1]), _keys_at(item['loc']))}"
    if item["type"] == "missing":
        return f"{where} is missing"
    given = item.get("input")
    return f"{where}: {item['msg'].removeprefix('Value error, ')}" + (
        f" (given {given!r})" if isinstance(given, str | int | float) else ""
    )


def _keys_at(loc: tuple[int | str, ...]) -> tuple[str, ...]:
    """Keys that the model at this place of the tree knows."""
    kinds: dict[str, type[BaseModel]] = {"counts": CountsSource, "events": EventsSource, "simulate": SimulateSource}
    here: type[BaseModel] = Settings
    for step in loc[:-1]:
        if isinstance(step, str) and step in kinds and here is Settings:
            here = kinds[step]
        elif isinstance(step, str) and step in here.model_fields:
            here = _model_of(here.model_fields[step].annotation) or here
    return tuple(here.model_fields)


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [m for m in map(_model_of, get_args(annotation)) if m is not None]
    return found[0] if len(found) == 1 else None
