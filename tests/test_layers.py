"""What import-linter cannot hold: Parquet has one home, and nothing below a flow reads the clock."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARQUET_HOMES = {
    "tasks/storage/store.py",
    "tasks/storage/parquet.py",
    "tasks/storage/footers.py",
    "tasks/ingest/formats/parquet_file.py",
}  # the last for what people bring
CLOCK_READERS = {"now", "utcnow", "today", "time_ns"}


@cache
def modules(folder: str) -> dict[str, list[ast.AST]]:
    """Path of a module -> its nodes; read once, as it takes seconds."""
    return {
        str(path.relative_to(ROOT)): list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


def imported(nodes: list[ast.AST]) -> set[str]:
    """Dotted names that a module imports, wherever in it."""
    plain = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    members = {f"{n.module}.{a.name}" for n in nodes if isinstance(n, ast.ImportFrom) and n.module for a in n.names}
    return plain | members


def clock_reads(nodes: list[ast.AST]) -> list[int]:
    """Lines that ask for the time of day: `datetime.now()`, `time.time()`, `np.datetime64("now")` and their like."""
    lines = []
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        asks = name.rsplit(".", 1)[-1] in CLOCK_READERS and "." in name
        literal = any(isinstance(a, ast.Constant) and a.value in ("now", "today") for a in node.args)
        if asks or name in ("time.time", "time.localtime", "time.gmtime") or (literal and "datetime64" in name):
            lines.append(node.lineno)
    return lines


def test_parquet_is_read_and_written_in_its_home_only() -> None:
    strangers = [
        name
        for folder in ("tasks", "flows")
        for name, nodes in modules(folder).items()
        if name not in PARQUET_HOMES
        and any(i.startswith(("pyarrow.parquet", "pyarrow.dataset", "fastparquet")) for i in imported(nodes))
    ]
    assert strangers == []


def test_networks_are_written_for_any_backend_of_keras() -> None:
    strangers = {
        name
        for name, nodes in modules("tasks").items()
        if any(i.split(".")[0] in ("tensorflow", "jax", "torch") for i in imported(nodes))
    }
    assert strangers == {"tasks/model/networks/fit.py"}  # which asks TensorFlow, where that computes, to be repeatable


def test_nothing_below_a_flow_reads_the_clock() -> None:
    readers = [f"{name}:{line}" for name, nodes in modules("tasks").items() for line in clock_reads(nodes)]
    loop = "flows/pipelines/loop.py"
    readers += [f"{loop}:{line}" for line in clock_reads(modules("flows")[loop])]
    assert readers == []


@pytest.mark.parametrize(
    "code",
    [
        "datetime.now(UTC)",
        "datetime.datetime.utcnow()",
        "date.today()",
        "pd.Timestamp.now()",
        "time.time()",
        "np.datetime64('now')",
    ],
)
def test_a_look_at_the_clock_is_recognised(code: str) -> None:
    assert clock_reads(list(ast.walk(ast.parse(code)))) == [1]


def test_measuring_how_long_something_took_is_no_look_at_the_clock() -> None:
    code = "time.monotonic(); time.perf_counter(); now(); np.datetime64('2013-10-09')"
    assert clock_reads(list(ast.walk(ast.parse(code)))) == []
