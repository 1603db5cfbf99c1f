"""An S3-compatible server on this machine, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_SERVE = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class ObjectStore:
    """A running server."""

    port: int

    @property
    def query(self) -> str:
        """What makes a URL of s3:// one of this server."""
        return f"scheme=http&endpoint_override=127.0.0.1:{self.port}&region=us-east-1&allow_bucket_creation=true"

    def root(self, path: str = "root") -> str:
        """URL of a folder in a bucket that nobody else has."""
        import pyarrow.fs as pafs

        bucket = f"b-{uuid.uuid4().hex[:12]}"
        fs, _ = pafs.FileSystem.from_uri(f"s3://{bucket}?{self.query}")
        fs.create_dir(bucket)
        return f"s3://{bucket}/{path}?{self.query}"


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """The server, and credentials for it in the environment, while the block lasts."""
    before = {name: os.environ.get(name) for name in CREDENTIALS}
    os.environ.update(CREDENTIALS)
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout
        yield ObjectStore(int(server.stdout.readline()))
    finally:
        server.kill()
        server.wait()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
