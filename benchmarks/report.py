"""`docs/benchmarks.md` from the results in `benchmarks/results`.

    python benchmarks/report.py

`results/NN-name.json` is one section: figures that were compared and written down, with their date and machine.
`results/runs/NAME.json` is the newest run of a script, written by the script itself.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Written by `benchmarks/report.py` from the files in `benchmarks/results`; change those. `make bench` repeats the
figures. Each is measured beside its rival in one run; the script of each table is named with it."""


def render(results: Path = RESULTS) -> str:
    """The page: one section per file, then the newest run of each script."""
    sections = [_section(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(results.glob("*.json"))]
    runs = [
        _run(path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in sorted(results.glob("runs/*.json"))
    ]
    newest = ["## Newest run of each script", *runs] if runs else []
    return "\n\n".join([HEAD, *sections, *newest]) + "\n"


def _section(result: dict[str, Any]) -> str:
    """Heading, provenance, then paragraphs and tables in their order."""
    parts = [part if isinstance(part, str) else _table(part["columns"], part["rows"]) for part in result["parts"]]
    return "\n\n".join([f"## {result['section']}", f"Recorded {result['date']} on {result['machine']}.", *parts])


def _table(columns: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; a column whose name ends in a colon is aligned to the right."""
    ruler = ["---:" if name.endswith(":") else "---" for name in columns]
    lines = [
        "|" + "".join(f" {cell} |" if cell else " |" for cell in cells)
        for cells in ([name.removesuffix(":") for name in columns], *rows)
    ]
    return "\n".join([lines[0], f"|{'|'.join(ruler)}|", *lines[1:]])


def _run(name: str, run: dict[str, Any]) -> str:
    """Provenance and one row per figure."""
    rows = [[key, value] for key, value in _flat("", run["figures"])]
    where = f"`benchmarks/{name}.py`, {run['date']}, {run['machine']}:"
    return f"{where}\n\n{_table(['figure', 'value:'], rows)}"


def _flat(prefix: str, value: Any) -> list[tuple[str, str]]:
    """Dotted keys and texts of nested figures."""
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in _flat(f"{prefix}{key}.", inner)]
    if isinstance(value, list):
        return [pair for i, inner in enumerate(value) for pair in _flat(f"{prefix}{i}.", inner)]
    return [(prefix.removesuffix("."), f"{value:,.3f}" if isinstance(value, float) else str(value))]


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
