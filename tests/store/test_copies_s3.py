"""Copies on a condition in S3: where they go, and what botocore is asked and answers."""

import sys
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from w2vray.places.uris import open_store
from w2vray.store import copies_s3
from w2vray.store.conditional import no_condition_because
from w2vray.store.copies_s3 import S3Client

HERE = "?endpoint_override=127.0.0.1:9&scheme=http&region=eu-west-3"


@pytest.fixture(autouse=True)
def _nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No keys, no profile and no region but those that a test gives."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE", "REGION", "DEFAULT_REGION"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    for name in ("ENDPOINT_URL", "ENDPOINT_URL_S3"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    no_condition_because.cache_clear()


def client_of(place: str) -> Any:
    """Return the client for a URI, with the region that Arrow found for it."""
    return S3Client(place, open_store(place)[0].region)._client


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
        assert copies_s3._certificates(options) == "/certificates.pem"
        assert copies_s3._certificates({**options, "tls_verify_certificates": "false"}) is False
        assert copies_s3._certificates({}) is None


class Answers:
    """A client of botocore's that gives one answer: a status, or an error."""

    def __init__(self, answer: int | Exception) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []

    def copy_object(self, **given: Any) -> None:
        self.asked.append(given)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer != 200:
            told: Any = {"Error": {"Code": f"C{self.answer}"}, "ResponseMetadata": {"HTTPStatusCode": self.answer}}
            raise ClientError(told, "CopyObject")


@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [
        (200, 200, ""),
        (404, 404, "C404"),
        (409, 409, "C409"),
        (412, 412, "C412"),
        (ConnectTimeoutError(endpoint_url="http://127.0.0.1:9"), 0, "Connect timeout"),
    ],
    ids=["200", "404", "409", "412", "none"],
)
def test_it_asks_for_a_copy_where_there_is_none(
    answer: int | Exception, status: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Answers(answer)
    monkeypatch.setattr(copies_s3, "_client", lambda *_: client)
    found, why = S3Client("s3://bucket/run", "").ask("bucket/a/b c", "bucket/d")
    assert found == status
    assert told in why
    origin = {"Bucket": "bucket", "Key": "a/b c"}
    assert client.asked == [{"Bucket": "bucket", "Key": "d", "CopySource": origin, "IfNoneMatch": "*"}]


def test_a_botocore_that_is_missing_or_old_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    place = (f"s3://bucket/run{HERE}", "bucket/run/_temporary")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "botocore", None)
        why = "the package botocore is not installed (pip install 'w2vray[s3]')"
        assert no_condition_because(*place) == why
    no_condition_because.cache_clear()
    monkeypatch.setattr(copies_s3, "_NEEDED", "NotThere")
    assert "is too old (pip install 'w2vray[s3]')" in str(no_condition_because(*place))
