"""Version of the running code, by which deployments are distinguished."""

from __future__ import annotations

import shutil
import subprocess
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]


def code_version(root: Path = ROOT) -> str:
    """Short git commit of a checkout, with `+dirty` where tracked files differ from it; else the package's version."""
    commit = _git(root, "rev-parse", "--short=12", "HEAD") if (root / ".git").exists() else None
    if not commit:
        return metadata.version("nexthour")
    return commit + ("+dirty" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints, None where it fails or is not installed."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603  (our own list)
    return done.stdout.strip() if done.returncode == 0 else None
