"""Check and fill the addresses, headers and parameters of feeds; secrets stand in the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BaseModel

from tasks.errors import ConfigError

SHORTEST = 6
"""Characters of a secret that is masked in what a source sends; a shorter one is found in too much else."""
_SECRET = re.compile(r"authori[sz]ation|cookie|token|secret|passw|signature|(^|[-_.]|api)key$", re.I)
_HEADER = re.compile(r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
PASSWORD = re.compile(r"^[^:/]+://[^:/@]*:[^@]*@|[?&](password|passwd|pwd|sslpassword)=", re.IGNORECASE)
_ENV = re.compile(r"^(?P<before>.*?)\benv:(?P<name>[A-Za-z_][A-Za-z0-9_]*)$", re.S)


def check_url(url: str) -> None:
    """Whether an address can be asked, and holds no secret.

    Raises:
        ConfigError: if not.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"url is no address: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"url {mask_url(url)!r} is no address: it begins with http:// or https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f'url of {mask_url(url)} holds a password: write headers = {{ Authorization = "env:NAME" }}')
    for name, _ in parse_qsl(parts.query, keep_blank_values=True):
        if _SECRET.search(name):
            raise ConfigError(f'url of {mask_url(url)} holds {name}: write params = {{ {name} = "env:NAME" }}')


def check_values(table: str, values: Mapping[str, str]) -> None:
    """Whether headers or parameters can be sent, and hold no secret.

    Raises:
        ConfigError: if not.
    """
    for name, value in values.items():
        if table == "headers" and not _HEADER.match(name):
            raise ConfigError(f"headers: {name!r} is no name of a header")
        if _SECRET.search(name) and not _ENV.match(value):
            raise ConfigError(
                f'{table}.{name} looks like a secret, which belongs in the environment: write {name} = "env:NAME"'
            )
        if not _ENV.match(value):
            _check_text(f"{table}.{name}", value)


def mask_url(url: str) -> str:
    """An address without what may be secret: user, password, query and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def fill_variables(source: str, table: str, values: Mapping[str, str]) -> dict[str, str]:
    """The values, each env:NAME replaced by that environment variable.

    Raises:
        ConfigError: if a variable is not set, or cannot be sent; names it and never its value.
    """
    return {name: _value(f"source {source!r}: {table}.{name}", text) for name, text in values.items()}


def read_variable(where: str, text: str) -> str:
    """The text of a setting, or the value of the environment variable that it names as env:NAME.

    Raises:
        ConfigError: if the variable is not set; names it and never its value.
    """
    match = _ENV.fullmatch(text)
    if match is None or match["before"]:
        return text
    value = os.environ.get(match["name"], "").strip()
    if not value:
        raise ConfigError(f"{where} needs the environment variable {match['name']}, which is not set")
    return value


def check_no_password(where: str, url: str) -> None:
    """Whether a database URL of the configuration is free of passwords.

    Raises:
        ConfigError: if not.
    """
    if PASSWORD.search(url):
        raise ConfigError(f'{where} holds a password: put it into an environment variable, and write "env:NAME"')


def variables(tree: object) -> list[str]:
    """Names of the environment variables that a tree of settings names as env:NAME, each once."""
    if isinstance(tree, dict):
        return list(dict.fromkeys(name for value in tree.values() for name in variables(value)))
    if isinstance(tree, list):
        return list(dict.fromkeys(name for value in tree for name in variables(value)))
    match = _ENV.match(tree) if isinstance(tree, str) else None
    return [match["name"]] if match else []


def secrets(values: Mapping[str, str]) -> tuple[str, ...]:
    """What the environment gives for these values, and passwords of URLs among it; longest first."""
    found = [os.environ.get(match["name"], "").strip() for text in values.values() if (match := _ENV.match(text))]
    known = {text for value in found for text in (value, *_passwords(value)) if text}
    return tuple(sorted(known, key=len, reverse=True))


def secrets_of(section: BaseModel, by_name: bool = False) -> tuple[str, ...]:
    """Secrets that a table of the settings names, longest first; shorter than `SHORTEST` is none.

    Args:
        section: the table; values of its keys, and of the headers and parameters in it.
        by_name: only what stands under the name of a secret, such as Authorization, or in a URL.
    """
    given = dict[str, str]()
    for key, value in section:
        inner = value.items() if isinstance(value, dict) else ((key, value),)
        given |= {f"{key}.{name}": text for name, text in inner if isinstance(text, str)}
    if by_name:
        given = {key: text for key, text in given.items() if key == "url.url" or _SECRET.search(key)}
    return tuple(text for text in secrets(given) if len(text) >= SHORTEST)


def _passwords(text: str) -> tuple[str, ...]:
    """The password of a URL, as it is written there and as it is meant."""
    try:
        password = urlsplit(text).password or ""
    except ValueError:
        return ()
    return password, unquote(password)


def _value(where: str, text: str) -> str:
    match = _ENV.match(text)
    if match is None:
        return text
    value = os.environ.get(match["name"], "").strip()
    if not value:
        raise ConfigError(f"{where} needs the environment variable {match['name']}, which is not set")
    _check_text(f"{where}: the environment variable {match['name']}", value)
    return match["before"] + value


def _check_text(what: str, value: str) -> None:
    if not (value.isascii() and value.isprintable()):
        raise ConfigError(f"{what} holds characters that cannot be sent")
