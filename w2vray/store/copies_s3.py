"""Copies on a condition in S3, and in stores with its interface, by botocore.

Keys, region and endpoint are those that Arrow takes for the same URI.
"""

import os
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from w2vray.errors import RunError
from w2vray.places.uris import first_line, legal

__all__ = ["S3Client"]

_CONNECT, _READ = 10, 300
"""Seconds: a store may be at the copy of a large object for minutes."""

_NEEDED = "IfNoneMatch"
_PACKAGE = "pip install 'w2vray[s3]'"


class S3Client:
    """Asks the store of a URI for copies."""

    def __init__(self, place: str, region: str) -> None:
        self._client = _client(place, region)

    def ask(self, source: str, target: str) -> tuple[int, str]:
        """Ask for a copy where there is no target, and return the status of the answer and what it says."""
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
