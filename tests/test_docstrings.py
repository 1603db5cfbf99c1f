"""Public code is documented, and the examples of its entry points run."""

from __future__ import annotations

import ast
import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENTRY_POINTS = (
    "tasks.clock.parse_moment",
    "tasks.clock.to_local",
    "tasks.clock.to_utc",
    "tasks.metrics.horizon_spans",
    "tasks.metrics.rmse",
    "tasks.metrics.wape",
    "tasks.settings.toml_file.load_settings",
    "tasks.storage.store.Store",
    "tasks.tables.minutes.to_grid",
    "tasks.total.total_of",
)
"""What a reader with a notebook imports first."""


def undocumented(path: Path) -> list[str]:
    """Public classes and functions of a module, methods included, that have no docstring."""
    found = []
    todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while todo:
        for node in ast.iter_child_nodes(todo.pop()):
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
                continue
            overloads = any(ast.unparse(decorator) == "overload" for decorator in node.decorator_list)
            if ast.get_docstring(node) is None and not overloads:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
            if isinstance(node, ast.ClassDef):
                todo.append(node)
    return found


@pytest.mark.parametrize("package", ["flows", "tasks"])
def test_every_public_class_and_function_has_a_docstring(package: str) -> None:
    assert [entry for path in sorted((ROOT / package).rglob("*.py")) for entry in undocumented(path)] == []


@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_an_entry_point_shows_an_example_that_runs(entry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    module_name, _, name = entry.rpartition(".")
    module = import_module(module_name)
    examples = doctest.DocTestFinder(recurse=False).find(getattr(module, name), name, module=module)
    (example,) = [found for found in examples if found.name == name]
    assert example.examples
    results = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example)
    assert results.failed == 0
