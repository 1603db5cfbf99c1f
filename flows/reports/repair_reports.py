"""Reports of rejected rows that were written out, and of repaired ones that were taken back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flows.reports.document import Alert, Block, Document, MarkdownOnly, Table
from tasks.errors import visible

if TYPE_CHECKING:
    from flows.pipelines.repair import ReplayReport
    from tasks.ingest.steps import Written

SHOWN_CHARACTERS = 50_000


def written_document(written: Written, path: Path) -> Document:
    """Where rejected rows lie, and the rows themselves where they are few enough to be repaired in a form."""
    text = path.read_text(encoding="utf-8-sig") if path.exists() and path.stat().st_size <= SHOWN_CHARACTERS else ""
    blocks: list[Block] = [
        f"They are in {path}.",
        "Repair the file in place and run this flow with action = take back.",
    ]
    if written.rows and text:
        blocks.append("Or copy the rows below into the field rows of that form, repaired, with the first line.")
        blocks.append(MarkdownOnly(_code_block(text)))
    blocks += [Alert("FAILED", failure) for failure in written.failures]
    return Document(f"{written.rows:,} rejected rows to repair", blocks)


def replay_document(report: ReplayReport) -> Document:
    """What came of repaired rows, per source."""
    rows = [(s.source, s.files, s.rows, s.rejected) for s in report.sources]
    blocks: list[Block] = [f"{report.unchanged:,} rows are as they were."]
    blocks += [Table(("source", "files read again", "rows", "rejected"), rows)] if rows else []
    blocks += [Alert("FAILED", failure) for failure in report.failures]
    return Document(f"{report.repaired:,} repaired rows taken back", blocks)


def _code_block(text: str) -> str:
    """Text as a Markdown block that no line of it can end."""
    fence = "`" * 3
    while fence in text:
        fence += "`"
    return "\n".join([f"{fence}csv", *(visible(line) for line in text.splitlines()), fence])
