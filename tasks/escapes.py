"""Text of people as markup that shows exactly that text."""

from __future__ import annotations

import html
import re

from tasks.errors import visible

_FORMULA = re.compile(r"^[=+\-@\uff1d\uff0b\uff0d\uff20\t\r]")


def escape_markdown(text: str) -> str:
    """Text as Markdown that shows exactly that text: no markup, no HTML, one line."""
    return re.sub(r"([\\`*\[\]|])", r"\\\1", html.escape(visible(text), quote=False))


def escape_spreadsheet(text: str) -> str:
    """Text as a cell that a spreadsheet takes for text, not for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text
