"""A Prefect server with an empty database, for as many files of tests as follow one another and need one."""

from __future__ import annotations

from contextlib import ExitStack


class PrefectServer:
    """Started when it is first needed; it ends early, since its services work though nobody asks for anything."""

    def __init__(self) -> None:
        self._running: ExitStack | None = None

    def start(self) -> None:
        """Start it, unless it runs; takes some 15 s."""
        from prefect.testing.utilities import prefect_test_harness

        if self._running is None:
            with ExitStack() as stack:
                stack.enter_context(prefect_test_harness(server_startup_timeout=300))
                self._running = stack.pop_all()

    def stop(self) -> None:
        """End it, if it runs; the next one starts with another empty database."""
        if self._running is not None:
            self._running.close()
            self._running = None
