"""What `make audit` makes of the answers of pip-audit: what was not checked never passes for clean."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AUDIT = runpy.run_path(str(Path(__file__).parents[1] / ".ci/audit.py"), run_name="audit")
judge: Callable[..., tuple[int, list[str]]] = AUDIT["judge"]
CLEAN = {"name": "a", "version": "1", "vulns": []}
SKIPPED = {"name": "b", "skip_reason": "Dependency not found on PyPI and could not be audited: b (1)"}
BAD = {"name": "c", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}


@pytest.mark.parametrize(
    ("packages", "code", "said"),
    [
        ([CLEAN], 0, "1 packages without a known vulnerability"),
        ([CLEAN, SKIPPED], 3, "NOT CHECKED: 1 of 2 packages, such as b"),
        ([SKIPPED], 3, "NOT CHECKED: 1 of 1"),
        ([BAD, SKIPPED], 1, "VULNERABLE c 1: PYSEC-1, mended in ['2']"),
        ([], 3, "NOT CHECKED"),
    ],
)
def test_only_packages_that_were_all_checked_are_clean(packages: list[Any], code: int, said: str) -> None:
    found, lines = judge({"dependencies": packages})
    assert found == code
    assert said in "\n".join(lines)


def test_a_database_that_does_not_answer_is_said_with_its_error() -> None:
    code, [line] = judge(None, "Traceback\nrequests.exceptions.ProxyError: no way\n")
    assert code == 3
    assert (
        line
        == "NOT CHECKED: the database of vulnerabilities could not be asked (requests.exceptions.ProxyError: no way)"
    )
