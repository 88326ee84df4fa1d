"""Directories and files that are fetched from URIs."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fixtures.buckets import SECRET, Bucket
from tests.fixtures.fasttext_models import written
from tests.fixtures.static_models import imported
from tests.fixtures.static_models import written as write_static
from tests.places.conftest import Other
from w2vray.errors import BundleError, VectorsError
from w2vray.models.directory import Bundle
from w2vray.models.fasttext.importing import import_model
from w2vray.places import fetching
from w2vray.places.fetching import fetched_file, made_there
from w2vray.settings.models import ImportModelSettings
from w2vray.text.rules import family
from w2vray.vectors import Vectors
from w2vray.vectors.content import require_content
from w2vray.vectors.ngrams import NGrams
from w2vray.vectors.readers.block import Block
from w2vray.vectors.writer import VectorsWriter

MakeBundle = Callable[..., Bundle]


@pytest.fixture
def model(other: Other, make_bundle: MakeBundle, vectors: Vectors) -> Path:
    """A model at ``other://models/m``, with its vectors inside."""
    make_bundle(other.folder / "models" / "m", vectors, with_vectors=True)
    return other.folder / "models" / "m"


def test_a_model_is_fetched_once_with_the_vectors_inside(other: Other, model: Path, vectors: Vectors) -> None:
    (model / "report.html").write_text("not needed for any answer")

    first = Bundle.load("other://models/m")
    read, other.opened[:] = [path.removeprefix("models/m/") for path in other.opened], []
    again = Bundle.load("other://key:s3cr3t@models/m".replace("key:s3cr3t@", ""))

    assert first.fingerprint == again.fingerprint == Bundle.load(model).fingerprint
    assert first.open_vectors().fingerprint == vectors.fingerprint
    assert "report.html" not in read
    assert {"config.json", "weights.safetensors", "vectors/table.bin"} <= set(read)
    assert other.opened == ["models/m/config.json"]  # whether it is still the same
    assert (first.place, again.uri) == ("other://models/m", "other://models/m")


def test_a_model_that_was_replaced_is_fetched_anew(model: Path, make_bundle: MakeBundle, vectors: Vectors) -> None:
    before = Bundle.load("other://models/m")
    shutil.rmtree(model)
    made = make_bundle(model, vectors, seed=1)

    assert Bundle.load("other://models/m").fingerprint == made.fingerprint != before.fingerprint


@pytest.mark.usefixtures("model")
def test_large_files_come_in_pieces(vectors: Vectors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_CHUNK", 7)

    fetched = Vectors.open("other://models/m/vectors")

    assert (fetched.table_VD == vectors.table_VD).all()
    assert fetched.place == "other://models/m/vectors"


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def _flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("damage", [_cut, _flip, os.remove], ids=["cut", "flipped", "gone"])
@pytest.mark.parametrize("name", ["weights.safetensors", "vectors/table.bin", "vectors/words.bin"])
def test_what_does_not_belong_together_is_refused_and_not_kept(
    name: str, damage: Callable[[Path], None], model: Path, tmp_path: Path
) -> None:
    """A copy that was cut off, or that is of two models, as an upload may have left it."""
    damage(model / name)

    with pytest.raises(
        (BundleError, VectorsError), match=name.rpartition("/")[2] if damage is os.remove else "damaged"
    ):
        Bundle.load("other://models/m").open_vectors()
    if damage is not os.remove:
        assert list((tmp_path / "cache" / "fetched").iterdir()) == []


def test_what_changes_while_it_is_fetched_is_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = fetching._download

    def late(*given: Any) -> None:
        real(*given)
        _cut(model / "weights.safetensors")

    monkeypatch.setattr(fetching, "_download", late)
    with pytest.raises(BundleError, match=r"other://models/m changed while it was fetched; run the same command again"):
        Bundle.load("other://models/m")
    assert list((tmp_path / "cache" / "fetched").iterdir()) == []


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("place", "told"),
    [
        (
            "other://models",
            r"other://models is not a model directory: it has no config.json; make one with",
        ),
        ("other://gone/m", r"other://gone/m is not a model directory: it has no config.json"),
        ("other://models/m/vectors", r"is not a model directory: it has no config.json; it is a vectors directory"),
        ("oss://b/m", r"oss://b/m cannot be opened: nothing here reads oss://"),
        ("s3:/b/m", r"s3:/b/m: a URI has two slashes after its scheme, as in s3://"),
    ],
)
def test_what_is_no_model_is_refused_by_its_place(place: str, told: str) -> None:
    with pytest.raises(BundleError, match=told):
        Bundle.load(place)


@pytest.mark.usefixtures("model")
def test_what_are_no_vectors_is_refused_by_its_place() -> None:
    with pytest.raises(
        VectorsError, match=r"models/m is not a vectors directory: it has no vectors.json; it is a model"
    ):
        Vectors.open("other://models/m")
    with pytest.raises(VectorsError, match=r"gs:/b/v: a URI has two slashes"):
        Vectors.open(Path("gs://b/v"))


def test_an_error_in_a_fetched_model_names_the_place_a_person_knows(model: Path) -> None:
    (model / "config.json").write_text('{"format_version": 99}')

    with pytest.raises(BundleError, match=r"^other://models/m/config.json cannot be used: format version 99"):
        Bundle.load("other://models/m")


def test_a_model_of_an_earlier_version_does_not_tell_digests(model: Path) -> None:
    lines = (model / "config.json").read_text()
    start = lines.index(',\n  "files": {')
    (model / "config.json").write_text(lines[:start] + "\n}\n")

    assert Bundle.load("other://models/m").config.labels == Bundle.load(model).config.labels


@pytest.mark.usefixtures("model")
def test_vectors_of_a_model_may_be_at_a_uri(other: Other, make_bundle: MakeBundle, vectors: Vectors) -> None:
    bundle = make_bundle(other.folder / "m", vectors, vectors_path="other://models/m/vectors")

    assert bundle.open_vectors().place == "other://models/m/vectors"
    with pytest.raises(VectorsError, match=r"other://gone is not a vectors directory"):
        make_bundle(other.folder / "n", vectors, vectors_path="other://gone").open_vectors()


def test_a_file_uri_is_used_where_it_is(model: Path, tmp_path: Path) -> None:
    bundle = Bundle.load(f"file://{model}")

    assert bundle.path == model
    assert not (tmp_path / "cache").exists()


def test_a_file_is_fetched_under_its_own_name(other: Other) -> None:
    (other.folder / "b").mkdir()
    (other.folder / "b" / "v.vec.gz").write_bytes(b"abc")

    first, again = (fetched_file("other://b/v.vec.gz", VectorsError) for _ in range(2))

    assert (first, first.name, first.read_bytes()) == (again, "v.vec.gz", b"abc")
    with pytest.raises(VectorsError, match=r"other://b is not a file; it is a folder"):
        fetched_file("other://b", VectorsError)
    with pytest.raises(VectorsError, match=r"other://b/w is not a file$"):
        fetched_file("other://b/w", VectorsError)


def test_the_fingerprint_of_every_kind_of_vectors_is_made_again_from_their_files(
    tmp_path: Path, vectors: Vectors
) -> None:
    write_static(tmp_path / "static")
    pieces = imported(tmp_path / "static", tmp_path / "pieces")
    file = written(tmp_path / "model.bin", ngrams="characters")
    classifier = import_model(ImportModelSettings(source=str(file), output=str(tmp_path / "model")))

    with VectorsWriter(tmp_path / "subwords") as writer:
        writer.append(Block(["ab"], np.ones((1, 3), dtype=np.float32)), origin="a test")
        subwords = writer.finish(family("plain"), {}, NGrams(np.ones((5, 3), dtype=np.float32), 2, 3))

    for made in (vectors, subwords, pieces, classifier.open_vectors()):
        assert made.path is not None
        require_content(made.path)


def test_a_model_comes_from_a_bucket_and_no_key_is_told(
    bucket: Bucket, make_bundle: MakeBundle, vectors: Vectors, tmp_path: Path
) -> None:
    made = make_bundle(tmp_path / "m", vectors, with_vectors=True)
    bucket.upload(tmp_path / "m", "models/m")

    fetched = Bundle.load(bucket.place("models/m", secret=True))

    assert (fetched.fingerprint, fetched.open_vectors().fingerprint) == (made.fingerprint, vectors.fingerprint)
    assert SECRET not in fetched.place
    assert made_there(bucket.place("models/m")) == "a model directory"
    assert made_there(bucket.place("models")) == ""
    with pytest.raises(BundleError) as refused:
        Bundle.load(bucket.place("models/gone", secret=True))
    assert f"s3://{bucket.name}/models/gone is not a model directory" in str(refused.value)
    assert SECRET not in str(refused.value)
