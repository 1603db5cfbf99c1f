"""The options of a command as one dataclass, for a command of dozens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from inspect import Parameter, signature
from typing import Any, get_type_hints


def with_options(kind: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make every field of a dataclass an option; the command takes all of them as its parameter `options`.

    Typer reads options from the signature of a function only, so that the command gets one that names the fields.
    """
    hints = get_type_hints(kind, include_extras=True)
    added = [
        Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name])
        for field in fields(kind)
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [each for each in signature(command, eval_str=True).parameters.values() if each.name != "options"]

        @wraps(command)
        def run(**given: Any) -> None:
            options = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
            command(options=options, **given)

        run.__signature__ = signature(command).replace(parameters=[*own, *added])  # type: ignore[attr-defined]
        return run

    return decorate
