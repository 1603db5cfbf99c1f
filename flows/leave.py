"""End a process whose work is done."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """End this process: what Python registered for its end happens, destructors of libraries do not.

    In a fork those would join threads that it does not have, and abort. Arrow's abort any process now and then that
    ends soon after it read Parquet with a filter (apache/arrow#39862): an exit code of -6 for work that was done.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # joins threads, as the interpreter does
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
