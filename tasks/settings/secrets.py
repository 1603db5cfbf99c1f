"""Check and fill the addresses, headers and parameters of feeds; secrets stand in the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from tasks.errors import ConfigError

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


def secrets(values: Mapping[str, str]) -> tuple[str, ...]:
    """What the environment gives for these values, longest first."""
    found = [os.environ.get(match["name"], "").strip() for text in values.values() if (match := _ENV.match(text))]
    return tuple(sorted((text for text in found if text), key=len, reverse=True))


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
