"""Places that people name, in this machine and elsewhere: a scheme is never read as a path."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from w2vray.errors import ConfigError, CorpusError
from w2vray.places.uris import absolute, open_store
from w2vray.schema import FileReason
from w2vray.settings.answering import PredictSettings, ScoreSettings
from w2vray.settings.labelled import EvaluateSettings
from w2vray.settings.vectors import FitVectorsSettings, ImportSettings, JoinVectorsSettings, VectorsInfoSettings
from w2vray.store import corpus as corpus_module
from w2vray.store.corpus import SourceFile, find_corpus
from w2vray.store.failures import Failure
from w2vray.store.formats import describe_file
from w2vray.training.settings import TrainSettings


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (
            "htpp://host/x",
            "htpp://host/x cannot be opened: nothing here reads htpp://; it can read s3://, gs://, abfss://",
        ),
        ("oss://bucket/x", "nothing here reads oss://; it can read s3://"),
        ("s3a://bucket/x", "nothing here reads s3a://; write s3://"),
        ("https://host/x.parquet", "nothing here reads https://; download the file first"),
        ("wasbs://c@a/x", "nothing here reads wasbs://; write abfss://"),
        ("dbfs://x", "nothing here reads dbfs://; write /dbfs/"),
        (
            "abfss://container/x",
            "abfss://container/x cannot be opened (AzureOptions doesn't contain a valid account name)",
        ),
        ("://x", "cannot be opened"),
        ("C:\\data", "'C:\\\\data': that is a Windows path"),
        ("d:/data/*.parquet", "that is a Windows path"),
        ("\\\\server\\share", "that is a Windows path"),
        ("s3:/bucket/x", "'s3:/bucket/x': a URI has two slashes after its scheme, as in s3://"),
        ("gs:bucket", "a URI has two slashes after its scheme, as in gs://"),
        ("file:/tmp", "a URI has two slashes after its scheme, as in file://"),
    ],
)
def test_what_nothing_opens_is_refused_by_its_scheme(place: str, told: str) -> None:
    with pytest.raises(CorpusError) as refused:
        find_corpus([place])

    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_scheme_may_be_written_in_capitals(tmp_path: Path) -> None:
    assert open_store(f"FILE://{tmp_path}")[1] == str(tmp_path)
    assert open_store("S3://bucket/x?region=us-east-1")[1] == "bucket/x"


@pytest.mark.parametrize("name", ["C:\\data", "s3:", "run:1", "a:b"])
def test_a_path_that_is_there_is_that_path(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)

    assert absolute(name) == str(tmp_path / name)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)

    with pytest.raises(CorpusError, match=r"without the package huggingface_hub; install it with `pip install hugging"):
        find_corpus(["hf://datasets/someone/something"])


CALLS: dict[str, Callable[[str], Any]] = {
    "import source": lambda place: ImportSettings(source=place, output="v"),
    "import output": lambda place: ImportSettings(source="v.txt", output=place),
    "vectors train": lambda place: FitVectorsSettings(corpus=("store",), output=place),
    "join": lambda place: JoinVectorsSettings(vectors=("v", place), output="w"),
    "info": lambda place: VectorsInfoSettings(vectors=place),
    "train vectors": lambda place: TrainSettings(labelled=("store",), vectors=place, output="m"),
    "train output": lambda place: TrainSettings(labelled=("store",), vectors="v", output=place),
    "evaluate model": lambda place: EvaluateSettings(labelled=("store",), model=(place,)),
    "evaluate output": lambda place: EvaluateSettings(labelled=("store",), model=("m",), output=place),
    "score model": lambda place: ScoreSettings(corpus=("store",), model=place, output="run"),
    "score vectors": lambda place: ScoreSettings(corpus=("store",), model="m", vectors=place, output="run"),
    "predict": lambda place: PredictSettings(model=place),
}


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (
            "s3://key:s3cr3t@bucket/x?token=s3cr3t",
            "is 's3://bucket/x': its files are opened by their path, so it has to be on",
        ),
        ("C:\\x", "is 'C:\\\\x': that is a Windows path"),
        ("hdfs:/x", "is 'hdfs:/x': a URI has two slashes"),
    ],
)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_is_opened_by_its_path_is_no_uri(call: Callable[[str], Any], place: str, told: str) -> None:
    """As a path, the URI of an output would become a folder of that name in the folder one stands in."""
    with pytest.raises(ConfigError) as refused:
        call(place)

    assert told in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


class Moody(fsspec.get_filesystem_class("memory")):  # type: ignore[misc]
    """A filesystem in Python that raises errors of its own, as one does that asks a web service."""

    fails_at = ""

    def info(self, path: str, **options: Any) -> Any:
        if self.fails_at == "info":
            raise LookupError("the service is down")
        return super().info(path, **options)

    def find(self, path: str, **options: Any) -> Any:
        if self.fails_at == "find":
            raise LookupError("the service is down")
        return super().find(path, **options)

    def _open(self, path: str, **options: Any) -> Any:
        if self.fails_at == "open":
            raise LookupError("the service is down")
        return super()._open(path, **options)


@pytest.fixture
def moody(monkeypatch: pytest.MonkeyPatch) -> Moody:
    """A store of one file in it, which every argument names."""
    made = Moody(skip_instance_cache=True)
    store = fs.PyFileSystem(fs.FSSpecHandler(made))
    with store.open_output_stream("/moody/a.parquet") as stream:
        pq.write_table(pa.table({"text": ["bab"]}), stream)
    monkeypatch.setattr(corpus_module, "open_store", lambda _: (store, "/moody"))
    return made


@pytest.mark.parametrize("at", ["info", "find"])
def test_a_store_that_cannot_be_listed_is_told_whatever_it_raises(at: str, moody: Moody) -> None:
    moody.fails_at = at

    with pytest.raises(CorpusError, match=r"cannot be listed .*LookupError: the service is down"):
        find_corpus(["x://moody"])


def test_a_file_that_cannot_be_opened_is_left_out_whatever_its_store_raises(moody: Moody) -> None:
    (file,) = find_corpus(["x://moody"]).files
    moody.fails_at = "open"

    found = describe_file(fs.PyFileSystem(fs.FSSpecHandler(moody)), "/moody", file, ["text"])

    assert isinstance(file, SourceFile)
    assert isinstance(found, Failure)
    assert (found.reason, "LookupError: the service is down" in found.detail) == (FileReason.UNREADABLE, True)


def test_a_store_that_does_not_answer_is_named_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens at the port; Arrow would ask for five minutes."""
    monkeypatch.setattr("w2vray.places.uris.ANSWERS_WITHIN", 0.01)
    place = "gs://anonymous@bucket/x?endpoint_override=127.0.0.1:9&scheme=http"

    with pytest.raises(CorpusError, match=r"gs://bucket does not answer in 0.01 seconds, or no keys to it are found"):
        open_store(place)
