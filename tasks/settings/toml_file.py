"""Reading `nexthour.toml` into the settings tree, with errors that name file, key and remedy."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from tasks.errors import ConfigError, nearest_key
from tasks.settings.secrets import PASSWORD, check_no_password
from tasks.settings.sources import SourceSettings
from tasks.settings.tree import Settings
from tasks.storage.roots import local_folder

DEFAULT_CONFIGS = ("deployments/nexthour.toml", ".nexthour/nexthour.toml")
PREFIX = "NEXTHOUR_"
KINDS: dict[str, type[BaseModel]] = {m.model_fields["kind"].default: m for m in get_args(get_args(SourceSettings)[0])}


def load_settings(config: str | Path | None = None, data_root: str | None = None) -> Settings:
    """Settings from a TOML file, the environment over it, `data_root` over both.

    Without `config`: the `nexthour.toml` of the given data root, else the file that NEXTHOUR_CONFIG names, else the
    `nexthour.toml` of the data root that NEXTHOUR_DATA_ROOT names, else `deployments/nexthour.toml` of the working
    folder if it is there, else defaults. Relative paths in the file are relative to its folder.

    Raises:
        ConfigError: one line that names file, key and remedy.

    >>> load_settings("deployments/nexthour.toml").network.interval_minutes
    1
    """
    path = _find(config, data_root)
    tree = _read(path) if path else {}
    if path:
        _reject_passwords(path, tree)
        _resolve_paths(tree, path.parent)
    if data_root is not None:
        tree["data_root"] = data_root
    _reject_unknown(path, tree)
    try:
        settings = Settings(**tree)
    except ValidationError as error:
        raise ConfigError(_first_line(error, path)) from None
    except SettingsError as error:
        raise ConfigError(_not_json(error)) from None
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
            raise ConfigError(f"configuration {path} is not a file: give --config FILE")
        return path
    named = os.environ.get(f"{PREFIX}CONFIG")
    if own := _in_root(data_root):
        return own
    if named and not Path(named).is_file():
        raise ConfigError(f"environment {PREFIX}CONFIG: configuration {named} is not a file")
    if named:
        return Path(named)
    places = (_in_root(os.environ.get(f"{PREFIX}DATA_ROOT")), *map(Path, DEFAULT_CONFIGS))
    return next((place for place in places if place and place.is_file()), None)


def _in_root(data_root: str | None) -> Path | None:
    """The configuration that lies in a data root."""
    folder = local_folder(data_root) if data_root else None
    return folder / "nexthour.toml" if folder is not None and (folder / "nexthour.toml").is_file() else None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None


def _resolve_paths(tree: dict[str, Any], base: Path) -> None:
    def absolute(text: object) -> object:
        if not isinstance(text, str) or not text or "://" in text or Path(text).is_absolute():
            return text
        return str((base / text).resolve())

    if "data_root" in tree:
        tree["data_root"] = absolute(tree["data_root"])
    for section, key in (("quality", "stations_file"), ("stations", "file")):
        if isinstance(tree.get(section), dict) and key in tree[section]:
            tree[section][key] = absolute(tree[section][key])
    for table in (*_tables(tree, "channels"), *_tables(tree, "sources")):
        if "path" in table:
            table["path"] = absolute(table["path"])
    for source in _tables(tree, "sources"):
        if (url := str(source.get("url"))).startswith("sqlite:///"):
            source["url"] = f"sqlite:///{absolute(url.removeprefix('sqlite:///'))}"


def _reject_passwords(path: Path, tree: dict[str, Any]) -> None:
    """Reject a URL with a password in the file; the environment may hold one."""
    if PASSWORD.search(str(tree.get("data_root"))):
        raise ConfigError(f"{path}: data_root holds a password: put it into the environment variable {PREFIX}DATA_ROOT")
    mlflow = tree.get("mlflow")
    if isinstance(mlflow, dict):
        check_no_password(f"{path}: mlflow.tracking_uri", str(mlflow.get("tracking_uri")))


def _tables(tree: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Tables of an array of tables; none where it is something else."""
    held = tree.get(name)
    return [table for table in held if isinstance(table, dict)] if isinstance(held, list) else []


def _reject_unknown(path: Path | None, tree: dict[str, Any]) -> None:
    """Reject what the settings tree itself would take for its own options or not look at."""
    known = tuple(Settings.model_fields)
    for key in tree:
        if key not in known:
            raise ConfigError(f"{path}: {key} is an unknown key{nearest_key(key, known)}")
    for name in sorted(os.environ):
        key, nested, _ = name.removeprefix(PREFIX).lower().partition("__")
        if name.startswith(PREFIX) and nested and key not in known:
            raise ConfigError(f"environment {name}: {key} is an unknown key{nearest_key(key, known)}")


def _first_line(error: ValidationError, path: Path | None) -> str:
    item = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    loc = item["loc"]
    place = loc[:2] + loc[3:] if loc[0] == "sources" else loc  # the third is the kind of the source
    where = f"{_origin(place, path)}: {'.'.join(map(str, place))}"
    context = item.get("ctx", {})
    match item["type"]:
        case "extra_forbidden":
            return f"{where} is an unknown key{nearest_key(str(loc[-1]), _keys_at(loc))}"
        case "missing":
            return f"{where} is missing"
        case "union_tag_not_found":
            return f"{where}.kind is missing: known are {', '.join(KINDS)}"
        case "union_tag_invalid":
            return f"{where}.kind {context['tag']!r} is unknown{nearest_key(str(context['tag']), tuple(KINDS))}"
    given = item.get("input")
    return f"{where}: {item['msg']}" + (f" (given {given!r})" if isinstance(given, str | int | float) else "")


def _origin(place: tuple[int | str, ...], path: Path | None) -> str:
    """Where the value at this place comes from: the environment if it may have, else the file."""
    variables = {name.upper(): name for name in os.environ}
    for depth in range(len(place), 0, -1):
        name = PREFIX + "__".join(map(str, place[:depth])).upper()
        if name in variables:
            return f"environment {variables[name]}"
    return str(path or "settings")


def _not_json(error: SettingsError) -> str:
    field = str(error).split('"')[1].upper()
    names = sorted(name for name in os.environ if name.upper().startswith(PREFIX + field))
    return f'environment {", ".join(names)}: lists and tables are written as JSON, such as ["entries"]'


def _keys_at(loc: tuple[int | str, ...]) -> tuple[str, ...]:
    """Keys that the model at this place of the tree knows."""
    here: type[BaseModel] = Settings
    for step in loc[:-1]:
        if isinstance(step, str) and step in KINDS and here is Settings:
            here = KINDS[step]
        elif isinstance(step, str) and step in here.model_fields:
            here = _model_of(here.model_fields[step].annotation) or here
    return tuple(here.model_fields)


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [m for m in map(_model_of, get_args(annotation)) if m is not None]
    return found[0] if len(found) == 1 else None
