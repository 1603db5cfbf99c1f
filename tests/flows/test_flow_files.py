"""What a flow file says about itself is so: where its pipeline is, and its steps in order with their folders."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from flows.deployments import DEPLOYMENTS

ROOT = Path(__file__).parents[2]
LISTED = re.compile(r"^(\d+)\. `(\w+)` +(tasks/\w+(?:/\w+)*/) {3,}\S", re.MULTILINE)
PIPELINES = re.compile(
    r"pipelines? (?:is|are) ((?:`\w+`(?: and )?)+) in (flows/pipelines/\w+\.py): Prefect takes seconds"
)


@cache
def pipeline_statements() -> tuple[ast.stmt, ...]:
    """Every statement of every pipeline; a method of a class is none, as a variable may be called like it."""
    modules = sorted((ROOT / "flows/pipelines").glob("*.py"))
    return tuple(statement for path in modules for statement in ast.parse(path.read_text()).body)


def called(module: Path, function: str) -> list[str]:
    """Names that a pipeline uses, in the order of their first use, with those that its helpers in any pipeline use."""
    statements = (*pipeline_statements(), *ast.parse(module.read_text()).body)
    bodies = {each.name: each for each in statements if isinstance(each, ast.FunctionDef | ast.ClassDef)}
    names: list[str] = []
    seen = {function}

    def visit(node: ast.AST) -> None:
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        if name and name not in bodies:
            names.append(name)
        elif name and name not in seen:
            seen.add(name)
            visit(bodies[name])
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(bodies[function])
    return names


@pytest.mark.parametrize("flow", [item.flow for item in DEPLOYMENTS])
def test_the_head_of_a_flow_file_lists_the_steps_of_its_pipeline_in_order(flow: str) -> None:
    head = ast.get_docstring(ast.parse((ROOT / f"flows/{flow}.py").read_text())) or ""
    said = PIPELINES.search(" ".join(head.split()))
    assert said, "names no pipeline, or does not say why it is elsewhere"
    calls = [name for function in re.findall(r"`(\w+)`", said[1]) for name in called(ROOT / said[2], function)]
    steps = LISTED.findall(head)
    assert [int(number) for number, _, _ in steps] == list(range(1, len(steps) + 1))
    at = [calls.index(name) for _, name, _ in steps]
    assert len(at) >= 2
    assert at == sorted(at), "not in the order of the pipeline"


@pytest.mark.parametrize("flow", [item.flow for item in DEPLOYMENTS])
def test_every_folder_that_a_flow_file_names_is_there(flow: str) -> None:
    folders = [folder for _, _, folder in LISTED.findall((ROOT / f"flows/{flow}.py").read_text())]
    assert folders
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []
