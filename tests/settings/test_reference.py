"""The page of settings, which is made of the settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from tasks.settings import reference
from tasks.settings.tree import Settings

PAGE = Path(__file__).parents[2] / "docs/settings.md"


def test_the_page_of_settings_is_what_the_settings_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference.page(), "write it again: make settings"


def fields() -> list[tuple[str, str | None]]:
    """Every key of every table, and its description."""
    models: list[type[BaseModel]] = [Settings, *reference._KINDS]
    found = []
    for model in models:
        for name, field in model.model_fields.items():
            section = reference._section(field)
            if section is None:
                found.append((f"{model.__name__}.{name}", field.description))
            elif section not in models:
                models.append(section)
    return found


@pytest.mark.parametrize(("key", "description"), fields())
def test_every_key_says_what_it_is_for(key: str, description: str | None) -> None:
    assert description


def test_the_page_says_what_a_key_may_be_its_default_and_what_is_required() -> None:
    page = reference.page()
    assert "| `interval_minutes` | `1`, `5`, `10`, `15`, `20`, `30`, `60` | `1` |" in page
    assert "| `url` | text | required | http:// or https://, without a user or password. |" in page
    assert "| `weeks` | whole number from 1 to 52 | `14` |" in page
    assert "`aliases` | table |  | Taken from" not in page
