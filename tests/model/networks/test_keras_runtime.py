"""What an import writes is kept back, and comes out where it fails."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import os
from tasks.model.networks.keras_runtime import hold_stderr
os.write(2, b"before ")
try:
    with hold_stderr():
        os.write(2, b"within ")
        {last}
except ImportError:
    pass
os.write(2, b"after")
"""


@pytest.mark.parametrize(
    ("last", "said"), [("pass", b"before after"), ("raise ImportError", b"before within after")], ids=["well", "ill"]
)
def test_what_is_written_meanwhile_is_shown_only_where_it_fails(last: str, said: bytes) -> None:
    done = subprocess.run([sys.executable, "-c", CODE.format(last=last)], capture_output=True, check=True)
    assert done.stderr == said
