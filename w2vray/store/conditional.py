"""Copies inside of an S3 bucket that replace nothing, by botocore: Arrow's own copies have no condition.

Such a copy is one step of the store. It fails where its source is gone, and where its target is there.
Keys, region and endpoint are those that Arrow takes for the same URI.
"""

import os
import time
import uuid
from contextlib import suppress
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from w2vray.errors import RunError
from w2vray.store.opening import first_line
from w2vray.store.places import legal

__all__ = ["ConditionalCopies", "no_condition_because"]

_CONNECT, _READ = 10, 300
"""Seconds: a store may be at the copy of a large object for minutes."""

_ATTEMPTS = 4
_PAUSE = 0.2
_NEEDED = "IfNoneMatch"
_PACKAGE = "pip install 'w2vray[s3]'"


class ConditionalCopies:
    """Copies of the store of a URI; paths are Arrow's, ``bucket/key``."""

    def __init__(self, place: str, region: str) -> None:
        self._client = _client(place, region)

    def copy(self, source: str, target: str) -> bool:
        """Copy an object to a key that has none.

        Returns:
            False where the key has one. Where an answer was lost and the copy was asked for again, that may be ours.

        Raises:
            FileNotFoundError: the source is gone.
            OSError: it cannot be copied.
        """
        for attempt in range(_ATTEMPTS):
            status, why = self._ask(source, target)
            if status in {200, 412}:
                return status == 200
            if status == 404:
                raise FileNotFoundError(why)
            if status != 409:
                raise OSError(why)
            time.sleep(_PAUSE * 2**attempt)  # another copy to the key is under way
        raise OSError(why)

    def _ask(self, source: str, target: str) -> tuple[int, str]:
        """Ask for a copy, and return the status of the answer and what it says; status 0 where none came."""
        from botocore.exceptions import BotoCoreError, ClientError

        (from_bucket, _, from_key), (bucket, _, key) = source.partition("/"), target.partition("/")
        origin = {"Bucket": from_bucket, "Key": from_key}
        try:
            self._client.copy_object(Bucket=bucket, Key=key, CopySource=origin, IfNoneMatch="*")
        except ClientError as error:
            return int(error.response["ResponseMetadata"]["HTTPStatusCode"]), first_line(error)
        except BotoCoreError as error:
            return 0, first_line(error)
        return 200, ""

    def trouble(self, folder: str) -> str | None:
        """Try it in a folder of the store: say why the store makes no copies on a condition, None where it does."""
        from botocore.exceptions import BotoCoreError, ClientError

        bucket, _, key = folder.partition("/")
        keys = [f"{key}/condition-{uuid.uuid4().hex}-{name}" for name in "ab"]
        source, target = (f"{bucket}/{key}" for key in keys)
        try:
            self._client.put_object(Bucket=bucket, Key=keys[0], Body=b"")
            for expected in ({200, 412}, {412}):  # a first one that was asked for twice finds itself
                status, why = self._ask(source, target)
                if status == 200 and status not in expected:
                    return "the store copies, and does not heed the condition that there is no target"
                if status not in expected:
                    return f"the store does not copy on the condition that there is no target ({why})"
        except (BotoCoreError, ClientError) as error:
            return f"botocore cannot write there ({first_line(error)})"
        finally:
            with suppress(BotoCoreError, ClientError):  # the next run removes what is left
                for key in keys:
                    self._client.delete_object(Bucket=bucket, Key=key)
        return None


@cache
def no_condition_because(place: str, region: str, folder: str) -> str | None:
    """Say why copies in a store cannot have a condition, None where they can; it is asked once in a process."""
    try:
        return ConditionalCopies(place, region).trouble(folder)
    except RunError as error:
        return str(error)


def _client(place: str, region: str) -> Any:
    """Make a client that goes where Arrow goes: by the URI, then by what botocore and Arrow both find around them.

    Raises:
        RunError: botocore is not installed, or cannot make one.
    """
    try:
        import botocore
        import botocore.session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise RunError(f"the package botocore is not installed ({_PACKAGE})") from None
    parts = urlsplit(legal(place))
    options = dict(parse_qsl(parts.query))
    session = botocore.session.get_session()
    user, colon, secret = parts.netloc.rpartition("@")[0].partition(":")
    keys = {"aws_access_key_id": unquote(user), "aws_secret_access_key": unquote(secret)} if colon else {}
    endpoint = _endpoint(options)
    try:
        unsigned = not keys and session.get_credentials() is None  # as Arrow does it
        # Arrow goes through no proxy of the environment, and names the bucket in the path where an endpoint is given.
        config = Config(
            connect_timeout=_CONNECT,
            read_timeout=_READ,
            proxies={},
            retries={"mode": "standard", "max_attempts": 3},
            s3={"addressing_style": "path" if endpoint else "auto"},
            **({"signature_version": botocore.UNSIGNED} if unsigned else {}),
        )
        client = session.create_client(
            "s3",
            region_name=region or "us-east-1",
            endpoint_url=endpoint,
            verify=_certificates(options),
            config=config,
            **keys,
        )
    except (BotoCoreError, ValueError) as error:
        raise RunError(f"botocore cannot be used ({first_line(error)})") from None
    if _NEEDED not in client.meta.service_model.operation_model("CopyObject").input_shape.members:
        raise RunError(f"botocore {botocore.__version__} is too old ({_PACKAGE})")
    return client


def _endpoint(options: dict[str, str]) -> str | None:
    endpoint = (
        options.get("endpoint_override") or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    )
    if not endpoint or "://" in endpoint:
        return endpoint or None
    return f"{options.get('scheme', 'https')}://{endpoint}"


def _certificates(options: dict[str, str]) -> str | bool | None:
    """Return the file of certificates to trust, False for all, None for the usual ones."""
    if options.get("tls_verify_certificates", "").lower() in {"false", "0"}:
        return False
    return options.get("tls_ca_file_path") or None
