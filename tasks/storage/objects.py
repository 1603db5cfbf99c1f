"""Replace and remove objects of an S3-compatible store on the condition that nobody has replaced them meanwhile.

A request that gets no answer may land at any time, even after a newer object was stored. Each one here says which
object it is about, so that such a late one is refused by the store itself.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

Act = Literal["put", "delete"]
ATTEMPTS = 8
"""How often an object is replaced that changes meanwhile."""
TRIES = 5
"""How often a request is sent that gets no answer or one of 5xx; the waits between double, from about a second on."""
SECONDS = 60.0
CHANGED = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
GONE = ("NoSuchKey", "404")
UNKNOWN = ("NotImplemented", "InvalidArgument", "InvalidRequest", "501")
"""Answers of a store that knows no conditions of such a request."""


class ObjectWriter:
    """Writes into one bucket of an S3-compatible store.

    Args:
        root: URL of a data root, as Arrow reads it.
    """

    def __init__(self, root: str) -> None:
        import botocore.session
        from botocore.config import Config

        url = urlsplit(root)
        given = {name: values[-1] for name, values in parse_qs(url.query).items()}
        endpoint, region = given.get("endpoint_override"), given.get("region")
        config = Config(
            retries={"mode": "standard", "total_max_attempts": TRIES},
            connect_timeout=float(given.get("connect_timeout", SECONDS)),
            read_timeout=float(given.get("request_timeout", SECONDS)),
            request_checksum_calculation="when_required",  # other stores do not know AWS's newer checksums
            s3={"addressing_style": "path" if endpoint and given.get("force_virtual_addressing") != "true" else "auto"},
        )
        self._bucket, self._unconditional = url.hostname or "", set[Act]()
        self._client = botocore.session.Session().create_client(
            "s3",
            region_name=region,
            endpoint_url=f"{given.get('scheme', 'https')}://{endpoint}" if endpoint else None,
            aws_access_key_id=unquote(url.username) if url.username else None,
            aws_secret_access_key=unquote(url.password) if url.password else None,
            config=config,
        )

    def put(self, key: str, data: bytes) -> None:
        """Replace an object.

        Raises:
            OSError: if that fails. The object may be stored all the same, until another one replaces it.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        for _ in range(ATTEMPTS):
            try:
                self._client.put_object(Bucket=self._bucket, Key=key, Body=data, **self._condition("put", key))
                return
            except ClientError as error:
                self._look_at("put", error)
            except BotoCoreError as error:
                raise OSError(str(error)) from None
        raise OSError("another process replaces it all the time")

    def delete(self, key: str) -> None:
        """Remove an object, without a mark in place of its folder, as Arrow would leave.

        One that is gone is fine, and one that was written anew since this began stays.

        Raises:
            OSError: if that fails. The object may be removed all the same, until another one replaces it.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        for _ in range(ATTEMPTS):
            try:
                condition = self._condition("delete", key)
                if "IfNoneMatch" not in condition:
                    self._client.delete_object(Bucket=self._bucket, Key=key, **condition)
                return
            except ClientError as error:
                if _code(error) in (*CHANGED, *GONE):
                    return
                self._look_at("delete", error)
            except BotoCoreError as error:
                raise OSError(str(error)) from None

    def _look_at(self, act: Act, error: ClientError) -> None:
        """Go on where another try may do; an attempt without an answer may have landed, and is replaced then."""
        if _code(error) in UNKNOWN and act not in self._unconditional:
            self._unconditional.add(act)
        elif _code(error) not in (*CHANGED, *GONE):
            raise OSError(str(error)) from None

    def _condition(self, act: Act, key: str) -> dict[str, Any]:
        """What must hold when a request lands: the object is still the present one, or still absent."""
        from botocore.exceptions import ClientError

        if act in self._unconditional:
            return {}
        try:
            return {"IfMatch": self._client.head_object(Bucket=self._bucket, Key=key)["ETag"]}
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return {"IfNoneMatch": "*"}
            raise


def _code(error: ClientError) -> str:
    """What a store calls its refusal."""
    return str(error.response.get("Error", {}).get("Code"))


@lru_cache(maxsize=16)
def object_writer(root: str) -> ObjectWriter | None:
    """The writer of a data root, made once per process; None where it is none of S3, or botocore is not installed."""
    is_s3 = urlsplit(root).scheme == "s3"
    return ObjectWriter(root) if is_s3 and find_spec("botocore") else None
