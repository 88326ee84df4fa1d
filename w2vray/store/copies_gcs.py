"""Copies on a condition in Google Cloud Storage, by its own library: the target's generation has to be 0, that is none.

Credentials and endpoint are those that Arrow takes for the same URI.
"""

import os
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from w2vray.errors import RunError
from w2vray.places.uris import first_line, legal

__all__ = ["GcsClient"]

_TIMEOUT = (10, 300)
"""Seconds to connect and to wait for an answer: a store may be at the copy of a large object for minutes."""

_RETRIED = 30
"""Seconds in which a request is sent again whose answer was lost."""

_PACKAGE = "pip install 'w2vray[gcs]'"
_ENDPOINT = "https://storage.googleapis.com"
_EMULATORS = ("CLOUD_STORAGE_EMULATOR_ENDPOINT", "CLOUD_STORAGE_TESTBENCH_ENDPOINT")
"""Variables that Arrow's client goes by before all else; it does not know the library's own, STORAGE_EMULATOR_HOST."""


class GcsClient:
    """Asks the store of a URI for copies."""

    def __init__(self, place: str) -> None:
        self._client = _client(place)

    def ask(self, source: str, target: str) -> tuple[int, str]:
        """Ask for a copy where there is no target, and return the status of the answer and what it says."""
        from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError
        from google.auth.exceptions import GoogleAuthError
        from requests import RequestException

        try:
            self._rewrite(source, target)
        except GoogleAPICallError as error:
            return int(error.code or 0), first_line(error)
        except (GoogleAPIError, GoogleAuthError, RequestException) as error:
            return 0, first_line(error)
        return 200, ""

    def _rewrite(self, source: str, target: str) -> None:
        """Copy as Arrow does; a store that has more to do than fits into one answer is asked to go on."""
        from google.cloud.storage.retry import DEFAULT_RETRY

        (from_bucket, _, from_key), (bucket, _, key) = source.partition("/"), target.partition("/")
        origin = self._client.bucket(from_bucket).blob(from_key)
        copy = self._client.bucket(bucket).blob(key)
        retry = DEFAULT_RETRY.with_timeout(_RETRIED)
        token, _, _ = copy.rewrite(origin, if_generation_match=0, timeout=_TIMEOUT, retry=retry)
        while token is not None:
            token, _, _ = copy.rewrite(origin, token=token, if_generation_match=0, timeout=_TIMEOUT, retry=retry)


def _client(place: str) -> Any:
    """Make a client that goes where Arrow goes: by the URI, then by the application default credentials.

    Raises:
        RunError: the library is not installed, or finds no credentials.
    """
    try:
        import google.auth
        from google.auth.credentials import AnonymousCredentials
        from google.auth.exceptions import GoogleAuthError
        from google.cloud import storage
    except ImportError:
        raise RunError(f"the package google-cloud-storage is not installed ({_PACKAGE})") from None
    parts = urlsplit(legal(place))
    anonymous = parts.username == "anonymous"
    endpoint = _endpoint(dict(parse_qsl(parts.query)), anonymous=anonymous)
    try:
        credentials = AnonymousCredentials() if anonymous else google.auth.default(scopes=storage.Client.SCOPE)[0]
        return storage.Client(project=None, credentials=credentials, client_options={"api_endpoint": endpoint})
    except (GoogleAuthError, ValueError) as error:
        raise RunError(f"google-cloud-storage cannot be used ({first_line(error)})") from None


def _endpoint(options: dict[str, str], *, anonymous: bool) -> str:
    for name in _EMULATORS:
        if emulator := os.environ.get(name):
            return emulator.rstrip("/")
    if not (override := options.get("endpoint_override")):
        return _ENDPOINT
    return f"{options.get('scheme') or ('http' if anonymous else 'https')}://{override}"
