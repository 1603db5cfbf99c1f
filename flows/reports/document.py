"""A report as a title and blocks: written once per report, rendered as Markdown here and on the terminal by the CLI."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO

from tasks.errors import visible
from tasks.escapes import escape_markdown

Row = Sequence[object]
COLOURS = 24
"""Of a picture in an artifact."""


@dataclass(frozen=True)
class Alert:
    """Something that went wrong, or that a person must look at; `label` is one word."""

    label: str
    text: str


@dataclass(frozen=True)
class Example:
    """Text as it came in, such as a rejected row."""

    text: str


@dataclass(frozen=True)
class Toml:
    """Configuration to be pasted."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        columns, rows: the first `left` columns are text, the others are numbers.
        title: above it; empty for none.
        lines: what a terminal shows in its place; None for the table itself.
    """

    columns: Row
    rows: Sequence[Row]
    left: int = 1
    title: str = ""
    lines: Sequence[str] | None = None


@dataclass(frozen=True)
class MarkdownOnly:
    """Markdown that a terminal does not show."""

    text: str


Block = str | Alert | Example | Toml | Table | MarkdownOnly


@dataclass(frozen=True)
class Document:
    """One report."""

    title: str
    blocks: Sequence[Block]


def markdown(document: Document) -> str:
    """A report as Markdown, the artifact of a flow run."""
    return "\n\n".join([f"# {escape_markdown(document.title)}", *(_markdown_block(block) for block in document.blocks)])


def _markdown_block(block: Block) -> str:
    match block:
        case str():
            return escape_markdown(block)
        case Alert():
            return f"- **{block.label}** {escape_markdown(block.text)}"
        case Example():
            return f"- {code(block.text)}"
        case Toml():
            return f"```toml\n{block.text}```"
        case Table():
            head = f"## {escape_markdown(block.title)}\n\n" if block.title else ""
            return head + markdown_table(block.columns, block.rows, block.left)
        case MarkdownOnly():
            return block.text


def markdown_table(columns: Row, rows: Iterable[Row], left: int = 1) -> str:
    """A Markdown table, the first `left` columns aligned to the left, the others to the right."""
    rule = "---|" * left + "---:|" * (len(columns) - left)
    lines = [f"| {' | '.join(escape_markdown(cell(value)) for value in row)} |" for row in (columns, *rows)]
    return "\n".join([lines[0], f"|{rule}", *lines[1:]])


def embed_picture(png: bytes, title: str) -> MarkdownOnly:
    """A picture inside Markdown, without a file beside it.

    It is kept once per run in Prefect's database, and again in an event. Charts have few colours; with only those that
    are farthest apart it has a quarter of its size.
    """
    from PIL import Image

    small = BytesIO()
    with Image.open(BytesIO(png)) as picture:
        picture.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(small, "PNG", optimize=True)
    data = base64.b64encode(min(png, small.getvalue(), key=len)).decode()
    return MarkdownOnly(f"![{escape_markdown(title)}](data:image/png;base64,{data})")


def cell(value: object) -> str:
    """Text of one cell of a table."""
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else str(value)


def code(text: str) -> str:
    """Text as Markdown code, whatever backticks it contains."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text[:1] in ("", "`", " ") or text.endswith("`") else ""
    return f"{fence}{pad}{visible(text)}{pad}{fence}"
