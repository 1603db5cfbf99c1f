"""Ask the database of vulnerabilities about every package of requirements.lock: `make audit`.

pip-audit exits with 0 also where the database knows none of the packages or is a mirror without it. Here that is "not
checked", never clean. Exit code 0: every package was checked and none has a known vulnerability; 1: some have; 3: not
checked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CLEAN, VULNERABLE, NOT_CHECKED = 0, 1, 3
SHOWN = 5


def judge(report: dict[str, Any] | None, error: str = "") -> tuple[int, list[str]]:
    """Exit code and lines for people.

    Args:
        report: JSON of pip-audit; None where it wrote none.
        error: what it wrote to stderr.
    """
    if report is None or not report.get("dependencies"):
        why = error.strip().splitlines()[-1:] or ["no report"]
        return NOT_CHECKED, [f"NOT CHECKED: the database of vulnerabilities could not be asked ({why[0]})"]
    packages = report["dependencies"]
    lines = [
        f"VULNERABLE {each['name']} {each['version']}: {found['id']}, mended in {found['fix_versions'] or 'no version'}"
        for each in packages
        for found in each.get("vulns", ())
    ]
    skipped = [each["name"] for each in packages if "skip_reason" in each]
    if skipped:
        names = ", ".join(skipped[:SHOWN])
        lines.append(f"NOT CHECKED: {len(skipped)} of {len(packages)} packages, such as {names}")
    if any(each.get("vulns") for each in packages):
        return VULNERABLE, lines
    return (NOT_CHECKED, lines) if skipped else (CLEAN, [f"{len(packages)} packages without a known vulnerability"])


def main() -> int:
    """Audit the lock; returns the exit code."""
    command = [sys.executable, "-m", "pip_audit", "-r", str(ROOT / "requirements.lock"), "--disable-pip"]
    command += ["--require-hashes", "--progress-spinner", "off", "--format", "json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (our own arguments)
    report = json.loads(ran.stdout) if ran.stdout.strip().startswith("{") else None
    code, lines = judge(report, ran.stderr)
    sys.stdout.write("\n".join(["audit of requirements.lock", *lines]) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
