"""Every verb with its model, vectors and output in an object store: an S3 server on the loopback."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fixtures.buckets import SECRET, Bucket
from tests.fixtures.commands import Run, run
from tests.fixtures.fasttext_models import written
from tests.fixtures.vector_files import glove
from w2vray.cluster.train import train
from w2vray.errors import BundleError, ConfigError, W2vrayError
from w2vray.models.directory import Bundle
from w2vray.places import sending
from w2vray.places.cache import cache_folder
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors

__all__ = ["run"]

pytestmark = pytest.mark.usefixtures("training_in_process")


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    rows = {"text": ["bab bab", "bag bag"] * 40, "label": ["low", "high"] * 40}
    pq.write_table(pa.table(rows), tmp_path / "labelled.parquet")
    return tmp_path / "labelled.parquet"


@pytest.fixture
def told(run: Run) -> Callable[..., dict[str, Any]]:
    """Run a verb that has to succeed, and return its result; nothing that it says may hold a key."""

    def call(*arguments: str | Path) -> dict[str, Any]:
        ended = run(*map(str, arguments), "--json")
        assert ended.code == 0, ended.err
        assert SECRET not in ended.out + ended.err
        result: dict[str, Any] = json.loads(ended.out)
        return result

    return call


def test_each_verb_finds_model_and_vectors_in_a_bucket(  # noqa: PLR0917 - fixtures
    told: Callable[..., dict[str, Any]],
    bucket: Bucket,
    labelled: Path,
    word_vectors: Vectors,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def page(model: Path, *_: Any, **__: Any) -> None:  # a real one takes a second
        (model / "report.html").write_text("page")

    monkeypatch.setattr("w2vray.cluster.one_training.write_model_page", page)

    def at(path: str) -> str:
        return bucket.place(path, secret=True)

    assert word_vectors.path is not None
    bucket.upload(word_vectors.path, "vectors")
    named = f"s3://{bucket.name}"

    trained = told("train", labelled, "--vectors", at("vectors"), "--output", at("model"), "--model", "average")
    measured = told("evaluate", labelled, "--model", at("model"), "--vectors", at("vectors"))
    scored = told("score", labelled, "--model", at("model"), "--vectors", at("vectors"), "--output", at("run"))
    said = told("predict", "--model", at("model"), "--vectors", at("vectors"), "bab")
    weighed = told("explain", at("model"), "--vectors", at("vectors"))
    shown = told("info", at("model"))

    assert trained["model"].startswith(f"{named}/model")
    assert {"config.json", "weights.safetensors", "report.html"} <= bucket.content("model").keys()
    assert SECRET.encode() not in b"".join(bucket.content("model").values())
    assert not any(name.startswith("s3:") for name in (path.name for path in tmp_path.iterdir()))
    assert not any((cache_folder() / "trainings").iterdir())
    assert (measured["accuracy"], scored["rows_scored"], said["label"]) == (1.0, 80, "low")
    assert {item["label"] for item in weighed["labels"]} == {"low", "high"}
    assert (shown["kind"], shown["vectors"]["fingerprint"]) == ("model", word_vectors.fingerprint)
    assert shown["vectors"]["path"].startswith(f"{named}/vectors")


def test_vectors_and_imported_models_go_to_a_bucket_and_come_from_there(
    told: Callable[..., dict[str, Any]], bucket: Bucket, tmp_path: Path
) -> None:
    bucket.write("files/v.txt", glove())
    bucket.write("files/lid.bin", written(tmp_path / "lid.bin").read_bytes())
    words = tmp_path / "texts.csv"
    words.write_text("text\n" + "ab bab ab\n" * 20)

    imported = told("vectors", "import", bucket.place("files/v.txt"), "--output", bucket.place("v"))
    told("vectors", "join", bucket.place("v"), bucket.place("v"), "--output", bucket.place("joined"))
    told("vectors", "train", words, "--dim", "4", "--min-count", "1", "--output", bucket.place("trained"))
    model = told("models", "import", bucket.place("files/lid.bin"), "--output", bucket.place("languages"))

    assert imported["path"].startswith(f"s3://{bucket.name}/v")
    assert imported["source"]["path"].startswith(f"s3://{bucket.name}/files/v.txt")
    assert model["training"]["imported"]["from"].startswith(f"s3://{bucket.name}/files/lid.bin")
    opened = Vectors.open(bucket.place("v"))
    assert Vectors.open(bucket.place("joined")).dim == 2 * opened.dim
    assert told("vectors", "info", bucket.place("trained"))["dim"] == 4
    assert told("predict", "--model", bucket.place("languages"), "ab")["status"] == "scored"
    assert Bundle.load(bucket.place("languages")).open_vectors().features is not None


def test_a_calibrated_model_goes_to_a_bucket(
    told: Callable[..., dict[str, Any]], bucket: Bucket, make_model: Callable[..., Path], tmp_path: Path
) -> None:
    rows = {"text": ["bab", "bag bab", "bad"] * 30, "label": ["low", "mid", "high"] * 30}
    pq.write_table(pa.table(rows), tmp_path / "other.parquet")

    made = told("calibrate", tmp_path / "other.parquet", "--model", make_model(), "--output", bucket.place("m"))

    assert made["model"].startswith(f"s3://{bucket.name}/m")
    assert list(Bundle.load(bucket.place("m")).config.temperatures) == made["temperatures"]


def test_what_is_at_the_output_is_refused_before_anything_is_read(
    run: Run, bucket: Bucket, word_vectors: Vectors
) -> None:
    bucket.write("m/config.json", b"{}")
    arguments = ("gone.parquet", "--vectors", str(word_vectors.path), "--output", bucket.place("m"))

    ended = run("train", *arguments)

    assert ended.code == 2
    assert f"s3://{bucket.name}/m already exists: it holds config.json" in ended.err


def test_a_model_that_could_not_be_sent_is_sent_by_the_same_command_again(
    bucket: Bucket, labelled: Path, word_vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TrainSettings(
        labelled=(str(labelled),), vectors=str(word_vectors.path), output=bucket.place("m"), model="average"
    )
    notes: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(sending, "_send_file", _broken)
        with pytest.raises(W2vrayError, match=r"\(the line went dead\); what was made is whole in (\S+)"):
            train(settings)
    assert bucket.content("m") == {}

    train(settings, note=notes.append)

    assert Bundle.load(bucket.place("m")).config.labels == ("high", "low")
    assert any("the model names its vectors by a path" in line for line in notes)


def _broken(*_: object) -> None:
    raise OSError("the line went dead")


def test_a_training_may_keep_what_it_has_done_elsewhere(labelled: Path, word_vectors: Vectors, tmp_path: Path) -> None:
    settings = TrainSettings(
        labelled=(str(labelled),),
        vectors=str(word_vectors.path),
        output=str(tmp_path / "m"),
        model="average",
        scratch=str(tmp_path / "scratch"),
    )
    train(settings)

    assert Bundle.load(tmp_path / "m").config.labels == ("high", "low")
    assert "scratch" not in Bundle.load(tmp_path / "m").config.training["settings"]
    assert list((tmp_path / "scratch").iterdir()) == []
    with pytest.raises(BundleError, match="already exists"):
        train(settings)
    with pytest.raises(ConfigError, match="SCRATCH is 's3://b/x': its files are opened by their path"):
        TrainSettings(labelled=("a",), vectors="v", output="m", scratch="s3://b/x")
