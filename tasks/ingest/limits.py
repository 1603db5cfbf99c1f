"""Limits on the size of input, and what to report where they are exceeded."""

from __future__ import annotations

from tasks.ingest.rejects import FileProblem

MAX_BYTES = 1 << 30
"""Bytes of a file, stored or unpacked, unless its source sets `max_bytes`."""
LONGEST_LINE = 1 << 20
"""Bytes of a line of text, above which it is rejected as no text."""
MAX_ITEMS = 4_000_000
"""Items of the lists of a file that become rows, each held by itself."""
FEW = 10
"""Rows up to which two files may be the same by chance."""
RAISE = "split it, or raise max_bytes in its table"


def line_too_long(origin: str, line: int | None) -> FileProblem:
    """The problem of a line without an end; `line` is None where it is a value of many lines."""
    much = f"longer than {LONGEST_LINE >> 20} MiB"
    what = f"a value {much}, or a quote that is never closed" if line is None else f"a line {much}, line {line:,}"
    return FileProblem("line_too_long", f"{origin} has {what}: mend the file")


def too_large(origin: str, limit: int) -> FileProblem:
    """The problem of a file that holds more bytes than its source allows."""
    return FileProblem("too_large", f"{origin} holds more than {_size(limit)}: {RAISE}")


def _size(count: int) -> str:
    """Bytes in a unit that people read."""
    return f"{count / 2**20:,.0f} MiB" if count >= 1 << 20 else f"{count:,} bytes"
