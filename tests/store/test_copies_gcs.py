"""Copies on a condition in Google Cloud Storage: where they go, and what the store is asked and answers."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials

from tests.fixtures.gcs import GcsBucket
from w2vray.store import copies_gcs
from w2vray.store.conditional import ConditionalCopies, no_condition_because
from w2vray.store.copies_gcs import GcsClient

TOLD = "the package google-cloud-storage is not installed (pip install 'w2vray[gcs]')"


@pytest.fixture(autouse=True)
def _nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials and no endpoint but those that a test gives."""
    for name in ("CLOUD_STORAGE_EMULATOR_ENDPOINT", "CLOUD_STORAGE_TESTBENCH_ENDPOINT", "STORAGE_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    no_condition_because.cache_clear()


def client_of(place: str) -> Any:
    return GcsClient(place)._client


def endpoint_of(client: Any) -> str:
    return str(client._connection.API_BASE_URL)


class TestWhereItGoes:
    """The same endpoint and credentials as Arrow's; ``test_arrow_goes_there`` asks Arrow."""

    @pytest.mark.parametrize(
        ("query", "endpoint"),
        [
            ("", "https://storage.googleapis.com"),
            ("?scheme=http", "https://storage.googleapis.com"),
            ("?endpoint_override=store.example:90", "http://store.example:90"),
            ("?endpoint_override=store.example:90&scheme=https", "https://store.example:90"),
            ("?endpoint_override=store.example:90&scheme=http&project_id=p", "http://store.example:90"),
        ],
    )
    def test_to_the_endpoint(self, query: str, endpoint: str) -> None:
        client = client_of(f"gs://anonymous@bucket/a folder{query}")
        assert endpoint_of(client) == endpoint
        assert isinstance(client._credentials, AnonymousCredentials)

    @pytest.mark.parametrize("name", ["CLOUD_STORAGE_EMULATOR_ENDPOINT", "CLOUD_STORAGE_TESTBENCH_ENDPOINT"])
    def test_to_the_emulator_of_the_environment(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
        client = client_of("gs://anonymous@bucket/run?endpoint_override=store.example:90")
        assert endpoint_of(client) == "http://127.0.0.1:9"

    def test_not_to_an_emulator_that_arrow_does_not_know(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
        client = client_of("gs://anonymous@bucket/run?endpoint_override=store.example:90")
        assert endpoint_of(client) == "http://store.example:90"

    @pytest.mark.parametrize("query", ["", "?endpoint_override=127.0.0.1:9&scheme=http"])
    def test_by_the_default_credentials(self, query: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        user = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "t"}
        (tmp_path / "keys.json").write_text(json.dumps({**user, "quota_project_id": "p"}))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "keys.json"))
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")  # would let the library sign nothing
        assert client_of(f"gs://bucket/run{query}")._credentials.refresh_token == "t"

    @pytest.mark.parametrize("name", ["CLOUD_STORAGE_EMULATOR_ENDPOINT", "CLOUD_STORAGE_TESTBENCH_ENDPOINT"])
    def test_arrow_goes_there(self, name: str, gcs_bucket: GcsBucket, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(name, f"http://127.0.0.1:{gcs_bucket.port}/")
        place = f"gs://anonymous@{gcs_bucket.name}/run?endpoint_override=127.0.0.1:9&retry_limit_seconds=5"
        assert no_condition_because(place, f"{gcs_bucket.name}/run/_temporary") is None

    def test_arrow_takes_http_where_nothing_is_said(self, gcs_bucket: GcsBucket) -> None:
        place = gcs_bucket.place("run").removesuffix("&scheme=http")
        assert no_condition_because(place, f"{gcs_bucket.name}/run/_temporary") is None


class TestAnswers:
    """What the server on the loopback is asked, and answers."""

    def test_a_copy_is_made_where_there_is_none(self, gcs_bucket: GcsBucket) -> None:
        copies = ConditionalCopies(GcsClient(gcs_bucket.place("run")))
        source, target = f"{gcs_bucket.name}/run/a folder/50%25 é", f"{gcs_bucket.name}/run/b#?c"
        gcs_bucket.write("run/a folder/50%25 é", b"first")
        assert copies.copy(source, target)
        gcs_bucket.write("run/a folder/50%25 é", b"second")
        assert not copies.copy(source, target)
        assert gcs_bucket.content("run") == {"a folder/50%25 é": b"second", "b#?c": b"first"}
        assert gcs_bucket.copies()[-1].items() >= {"source": source, "target": target, "ifGenerationMatch": "0"}.items()

    def test_a_store_that_needs_more_than_one_answer_is_asked_to_go_on(self, gcs_bucket: GcsBucket) -> None:
        gcs_bucket.set(calls="3")
        gcs_bucket.write("run/a", b"data")
        before = len(gcs_bucket.copies())
        asked = f"{gcs_bucket.name}/run/a", f"{gcs_bucket.name}/run/b"
        assert GcsClient(gcs_bucket.place("run")).ask(*asked) == (200, "")
        copies = gcs_bucket.copies()[before:]
        assert [copy.get("rewriteToken") for copy in copies] == [None, "1", "2"]
        assert [copy["ifGenerationMatch"] for copy in copies] == ["0"] * 3
        assert gcs_bucket.content("run") == {"a": b"data", "b": b"data"}

    def test_a_source_that_is_gone_is_told(self, gcs_bucket: GcsBucket) -> None:
        status, why = GcsClient(gcs_bucket.place("run")).ask(f"{gcs_bucket.name}/a", f"{gcs_bucket.name}/b")
        assert status == 404
        assert "No such object" in why

    def test_a_store_without_the_condition_is_told(self, gcs_bucket: GcsBucket) -> None:
        gcs_bucket.set(answer="refused")
        gcs_bucket.write("a", b"data")
        status, why = GcsClient(gcs_bucket.place("run")).ask(f"{gcs_bucket.name}/a", f"{gcs_bucket.name}/b")
        assert (status, "no such condition" in why) == (501, True)

    def test_a_store_that_does_not_answer_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(copies_gcs, "_RETRIED", 0.1)
        status, why = GcsClient("gs://anonymous@bucket/run?endpoint_override=127.0.0.1:9").ask("bucket/a", "bucket/b")
        assert status == 0
        assert "Timeout of 0.1s exceeded" in why

    def test_credentials_that_no_longer_hold_are_told(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(copies_gcs, "_RETRIED", 0.1)
        user = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "t"}
        keys = {**user, "quota_project_id": "p", "token_uri": "http://127.0.0.1:9"}
        (tmp_path / "keys.json").write_text(json.dumps(keys))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "keys.json"))
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        status, _ = GcsClient("gs://bucket/run?endpoint_override=127.0.0.1:9&scheme=http").ask("bucket/a", "bucket/b")
        assert status == 0


def test_a_library_that_is_missing_is_told(gcs_bucket: GcsBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud", None)
    assert no_condition_because(gcs_bucket.place("run"), f"{gcs_bucket.name}/run/_temporary") == TOLD


def test_credentials_that_are_missing_are_told(gcs_bucket: GcsBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    store = gcs_bucket.files
    monkeypatch.setattr("w2vray.store.conditional.open_store", lambda _: (store, ""))  # Arrow has found some
    why = no_condition_because("gs://bucket/run", f"{gcs_bucket.name}/run/_temporary")
    assert why is not None
    assert why.startswith("google-cloud-storage cannot be used (")
    assert "credentials were not found" in why
