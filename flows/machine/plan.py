"""What `nexthour up` has checked and is about to supervise."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin

from tasks.errors import ConfigError


@dataclass
class Child:
    """One supervised process.

    Attributes:
        name: of its log file.
        command: argument list.
        health: URL that answers 2xx once it is up; None for a process that no other calls, which is stopped first.
        after: name of the server that must answer before this one is started.
        own: variables of this process alone, beside those of the plan; no secrets.
    """

    name: str
    command: Sequence[str]
    health: str | None = None
    after: str | None = None
    own: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    pause: float = 1.0
    due: float = 0.0
    started: float = 0.0
    is_up: bool = False
    answered: float = 0.0

    @property
    def runs(self) -> bool:
        """Whether its process exists."""
        return self.process is not None and self.process.poll() is None


@dataclass(frozen=True)
class Plan:
    """What to supervise, in a form that one process hands to another as JSON.

    Attributes:
        children: not started yet.
        environment: of all of them; may hold passwords, and is handed on as environment only.
        folder: of the lock and of the logs.
        api: URL of Prefect's API.
    """

    children: tuple[Child, ...]
    environment: Mapping[str, str]
    folder: Path
    api: str

    @property
    def logs(self) -> Path:
        """Folder of the log files."""
        return self.folder / "logs"

    def to_json(self) -> str:
        """The plan without its environment."""
        children = [
            {"name": c.name, "command": list(c.command), "health": c.health, "after": c.after, "own": dict(c.own)}
            for c in self.children
        ]
        return json.dumps({"children": children, "folder": str(self.folder), "api": self.api})

    @staticmethod
    def from_json(text: str) -> Plan:
        """The plan of a text, whose environment is this process's."""
        tree = json.loads(text)
        return Plan(tuple(Child(**child) for child in tree["children"]), {}, Path(tree["folder"]), tree["api"])

    def addresses(self) -> list[str]:
        """Addresses of the servers and folder of the logs, one line each."""
        servers = [(child.name, urljoin(child.health, "/")) for child in self.children if child.health]
        return [f"{name:8} {place}" for name, place in (*servers, ("logs", self.logs))]


def check_free(host: str, port: int, option: str) -> None:
    """Check that a port can be listened on.

    Raises:
        ConfigError: if it is in use; names the option that chooses another.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(f"port {port} on {host} cannot be used ({error.strerror}): give {option}") from None
