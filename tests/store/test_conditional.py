"""Copies that replace nothing: where they go, what is made of a store's answers, and what a store is asked first."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from w2vray.store import conditional
from w2vray.store.conditional import ConditionalCopies, no_condition_because
from w2vray.store.places import open_store

HERE = "?endpoint_override=127.0.0.1:9&scheme=http&region=eu-west-3"


@pytest.fixture(autouse=True)
def _nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No keys, no profile and no region but those that a test gives, and no pause."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE", "REGION", "DEFAULT_REGION"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    for name in ("ENDPOINT_URL", "ENDPOINT_URL_S3"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setattr(conditional, "_PAUSE", 0.0)
    no_condition_because.cache_clear()


def client_of(place: str) -> Any:
    """Return the client for a URI, with the region that Arrow found for it."""
    return ConditionalCopies(place, open_store(place)[0].region)._client


def keys_of(client: Any) -> tuple[str, str] | None:
    found = client._request_signer._credentials
    return None if found is None else (found.access_key, found.secret_key)


class TestWhereItGoes:
    """The same keys, region and endpoint as Arrow's."""

    def test_by_the_uri(self) -> None:
        client = client_of(f"s3://AK:se%2Fcret%2B@bucket/a folder{HERE}")
        assert keys_of(client) == ("AK", "se/cret+")
        assert client.meta.endpoint_url == "http://127.0.0.1:9"
        assert client.meta.region_name == "eu-west-3"
        assert client.meta.config.s3["addressing_style"] == "path"

    @pytest.mark.parametrize(
        ("query", "endpoint"),
        [
            ("endpoint_override=store.example:90&region=r", "https://store.example:90"),
            ("endpoint_override=http://store.example:90&region=r", "http://store.example:90"),
            ("region=eu-central-1", "https://s3.eu-central-1.amazonaws.com"),
        ],
    )
    def test_to_the_endpoint(self, query: str, endpoint: str) -> None:
        assert client_of(f"s3://bucket/run?{query}").meta.endpoint_url == endpoint

    @pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
    def test_to_the_endpoint_of_the_environment(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(name, "http://store.example:90")
        client = client_of("s3://bucket/run?region=r")
        assert client.meta.endpoint_url == "http://store.example:90"
        assert client.meta.config.s3["addressing_style"] == "path"

    @pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
    def test_by_the_environment(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "EK")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "es")
        monkeypatch.setenv(name, "ap-south-1")
        client = client_of("s3://bucket/run?endpoint_override=127.0.0.1:9&scheme=http")
        assert (keys_of(client), client.meta.region_name) == (("EK", "es"), "ap-south-1")

    def test_by_a_profile(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        keys = "[mine]\naws_access_key_id = PK\naws_secret_access_key = ps\n"
        (tmp_path / "credentials").write_text(keys)
        (tmp_path / "config").write_text("[profile mine]\nregion = sa-east-1\n")
        monkeypatch.setenv("AWS_PROFILE", "mine")
        assert keys_of(client_of(f"s3://bucket/run{HERE}")) == ("PK", "ps")

    def test_without_keys_nothing_is_signed(self) -> None:
        client = client_of(f"s3://bucket/run{HERE}")
        assert keys_of(client) is None
        assert client.meta.config.signature_version is botocore.UNSIGNED

    def test_not_by_a_proxy_and_with_the_certificates_of_the_uri(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        assert client_of(f"s3://bucket/run{HERE}").meta.config.proxies == {}
        options = {"tls_ca_file_path": "/certificates.pem"}
        assert conditional._certificates(options) == "/certificates.pem"
        assert conditional._certificates({**options, "tls_verify_certificates": "false"}) is False
        assert conditional._certificates({}) is None


class Answers:
    """A client that gives one answer after the other: a status, or an error."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []
        self.objects: set[str] = set()

    def copy_object(self, **given: Any) -> None:
        self.asked.append(given)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if answer != 200:
            told: Any = {"Error": {"Code": f"C{answer}"}, "ResponseMetadata": {"HTTPStatusCode": answer}}
            raise ClientError(told, "CopyObject")

    def put_object(self, **given: Any) -> None:
        self.objects.add(given["Key"])

    def delete_object(self, **given: Any) -> None:
        self.objects.discard(given["Key"])


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ConditionalCopies]:
    """Make copies by a client that gives these answers."""

    def make(*answers: int | Exception) -> ConditionalCopies:
        monkeypatch.setattr(conditional, "_client", lambda *_: Answers(*answers))
        return ConditionalCopies("s3://bucket/run", "")

    return make


NO_ANSWER = ConnectTimeoutError(endpoint_url="http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("answers", "copied"), [((200,), True), ((412,), False), ((409, 200), True), ((409, 409, 409, 412), False)]
)
def test_a_copy_is_made_where_there_is_none(
    answers: tuple[int, ...], copied: bool, copies: Callable[..., ConditionalCopies]
) -> None:
    made = copies(*answers)
    assert made.copy("bucket/a/b c", "bucket/d") is copied
    asked = made._client.asked
    assert len(asked) == len(answers)
    origin = {"Bucket": "bucket", "Key": "a/b c"}
    assert asked[-1] == {"Bucket": "bucket", "Key": "d", "CopySource": origin, "IfNoneMatch": "*"}


@pytest.mark.parametrize(
    ("answers", "kind", "told"),
    [
        ((404,), FileNotFoundError, "C404"),
        ((403,), OSError, "C403"),
        ((500,), OSError, "C500"),
        ((NO_ANSWER,), OSError, "Connect timeout"),
        ((409,) * 4, OSError, "C409"),
    ],
)
def test_other_answers_are_errors(
    answers: tuple[int | Exception, ...], kind: type[Exception], told: str, copies: Callable[..., ConditionalCopies]
) -> None:
    with pytest.raises(kind, match=told):
        copies(*answers).copy("bucket/a", "bucket/b")


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ((200, 412), None),
        ((412, 412), None),  # the first one was asked for twice, as its answer was lost
        ((200, 200), "^the store copies, and does not heed the condition"),
        ((501,), "^the store does not copy on the condition .*C501"),
        ((400,), "^the store does not copy on the condition .*C400"),
        ((200, 501), "^the store does not copy on the condition .*C501"),
        ((403,), "^the store does not copy on the condition .*C403"),
        ((NO_ANSWER,), "^the store does not copy on the condition .*Connect timeout"),
    ],
)
def test_a_store_is_tried_before_it_is_believed(
    answers: tuple[int | Exception, ...], told: str | None, copies: Callable[..., ConditionalCopies]
) -> None:
    made = copies(*answers)
    found = made.trouble("bucket/run/_temporary")
    assert (found is None) if told is None else (found is not None and re.search(told, found))
    assert {asked["Key"].rpartition("/")[0] for asked in made._client.asked} == {"run/_temporary"}
    assert made._client.objects == set()


def test_a_botocore_that_is_missing_or_old_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    place = ("s3://bucket/run", "r", "bucket/run/_temporary")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "botocore", None)
        why = "the package botocore is not installed (pip install 'w2vray[s3]')"
        assert no_condition_because(*place) == why
    no_condition_because.cache_clear()
    monkeypatch.setattr(conditional, "_NEEDED", "NotThere")
    assert "is too old (pip install 'w2vray[s3]')" in str(no_condition_because(*place))
