"""``models import``: what is refused, and what becomes of labels, numbers and files."""

import gzip
import json
import struct
from pathlib import Path

import pytest

from tests.fixtures.fasttext_models import TOPICS, written
from w2vray.errors import BundleError, VectorsError
from w2vray.models.directory import Bundle
from w2vray.models.fasttext.importing import import_model
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.models import ImportModelSettings
from w2vray.settings.vectors import ImportSettings
from w2vray.vectors import Vectors, import_vectors

TEXTS = ["a moving film", "the court held"]


def imported(source: Path, output: Path, **options: str) -> Bundle:
    return import_model(ImportModelSettings(source=str(source), output=str(output), **options))


def refused(source: Path, **options: str) -> str:
    output = source.parent / "model"
    with pytest.raises((VectorsError, BundleError)) as caught:
        imported(source, output, **options)
    assert [path.name for path in source.parent.iterdir() if path != source] == []  # nothing is left behind
    return str(caught.value)


def test_the_model_is_one_as_any_other(tmp_path: Path) -> None:
    bundle = imported(written(tmp_path / "topics.bin", ngrams="all"), tmp_path / "model")
    assert bundle.config.labels == tuple(TOPICS)
    assert not bundle.config.multi_label
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "README.md",
        "config.json",
        "vectors",
        "weights.safetensors",
    ]
    moved = (tmp_path / "model").rename(tmp_path / "elsewhere")
    again = TextScorer.load(moved)
    assert (
        again.score(TEXTS).label_N.tolist()
        == TextScorer(bundle, Vectors.open(moved / "vectors")).score(TEXTS).label_N.tolist()
    )
    assert "imported from" in (moved / "README.md").read_text()


def test_one_label_against_all_others_gives_any_number_of_labels(tmp_path: Path) -> None:
    bundle = imported(written(tmp_path / "topics.bin", "ova"), tmp_path / "model")
    assert bundle.config.multi_label
    given = TextScorer.load(tmp_path / "model").score(TEXTS).columns()["labels"].to_pylist()
    assert [set(labels) <= set(TOPICS) for labels in given] == [True, True]


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    plain = written(tmp_path / "topics.bin", ngrams="pairs")
    packed = tmp_path / "topics.bin.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert imported(packed, tmp_path / "one").fingerprint == imported(plain, tmp_path / "two").fingerprint


def test_rows_of_ngrams_that_no_text_can_have_are_left_out(tmp_path: Path) -> None:
    """Before 2018 fastText stored two million buckets for models of words alone."""
    data = bytearray(written(tmp_path / "whole.bin", ngrams="pairs").read_bytes())
    struct.pack_into("<i", data, 8 + 5 * 4, 1)  # runs of one word
    (tmp_path / "words.bin").write_bytes(data)
    imported(tmp_path / "words.bin", tmp_path / "model")
    vectors = Vectors.open(tmp_path / "model" / "vectors")
    assert len(vectors) == len(vectors.vocabulary)


def test_models_of_format_11_have_no_character_ngrams(tmp_path: Path) -> None:
    bundle = imported(written(tmp_path / "old.bin", ngrams="characters", version=11), tmp_path / "model")
    assert bundle.config.training["imported"]["character_ngrams"] is None


def test_half_the_bytes_give_nearly_the_same(tmp_path: Path) -> None:
    file = written(tmp_path / "topics.bin", ngrams="all")
    imported(file, tmp_path / "whole")
    imported(file, tmp_path / "half", dtype="float16")
    whole, half = (TextScorer.load(tmp_path / name).score(TEXTS).probabilities_NC for name in ("whole", "half"))
    assert abs(whole - half).max() < 0.01
    size = [(tmp_path / name / "vectors" / "table.bin").stat().st_size for name in ("whole", "half")]
    assert size[0] == 2 * size[1]


def test_another_prefix_of_labels_is_named(tmp_path: Path) -> None:
    file = written(tmp_path / "topics.bin", prefix="#")
    assert "'#film' does not begin with '__label__'" in refused(file)
    assert imported(file, tmp_path / "model", label_prefix="#").config.labels == tuple(TOPICS)
    assert imported(file, tmp_path / "with", label_prefix="").config.labels[0] == "#film"


def test_what_is_there_is_not_replaced(tmp_path: Path) -> None:
    file = written(tmp_path / "topics.bin")
    (tmp_path / "model").mkdir()
    with pytest.raises(BundleError, match="already exists"):
        imported(file, tmp_path / "model")


def test_word_vectors_are_no_classifier(tmp_path: Path) -> None:
    assert "`w2vray vectors import` reads them" in refused(written(tmp_path / "cc.bin", model=2))


def test_a_classifier_is_no_word_vectors(tmp_path: Path) -> None:
    file = written(tmp_path / "topics.bin")
    with pytest.raises(VectorsError, match="`w2vray models import` makes a model of it"):
        import_vectors(ImportSettings(source=str(file), output=str(tmp_path / "vectors")))


def test_a_later_version_is_named(tmp_path: Path) -> None:
    assert "format version 13" in refused(written(tmp_path / "new.bin", version=13))


def test_what_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a model, but rather a text about one\n" * 9)
    assert "is not a model of fastText" in refused(tmp_path / "notes.txt")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(VectorsError, match="cannot be opened"):
        imported(tmp_path / "nothing.bin", tmp_path / "model")


@pytest.mark.parametrize("share", [0.0005, 0.01, 0.2, 0.5, 0.9, 0.9999])
@pytest.mark.parametrize("ngrams", ["words", "all"])
def test_a_file_that_was_cut_short_is_named(share: float, ngrams: str, tmp_path: Path) -> None:
    data = written(tmp_path / "whole.bin", ngrams=ngrams).read_bytes()
    (tmp_path / "whole.bin").unlink()
    (tmp_path / "cut.bin").write_bytes(data[: int(len(data) * share)])
    message = refused(tmp_path / "cut.bin")
    assert "truncated" in message or "is not a model of fastText" in message


def test_a_number_that_is_not_finite_is_named(tmp_path: Path) -> None:
    data = bytearray(written(tmp_path / "topics.bin").read_bytes())
    at = data.index(struct.pack("<?2q", False, len_words := data.count(struct.pack("<qb", 9, 0)), 6)) + 17
    struct.pack_into("<f", data, at + 4 * 6 * 2, float("nan"))
    (tmp_path / "topics.bin").write_bytes(data)
    assert len_words > 300
    assert "number 1 is nan" in refused(tmp_path / "topics.bin")


@pytest.mark.parametrize(("at", "value"), [(8, 0), (8, -1), (8 + 6 * 4, 9), (8 + 8 * 4, -5), (8 + 10 * 4, -1)])
def test_settings_that_cannot_be_are_named(at: int, value: int, tmp_path: Path) -> None:
    data = bytearray(written(tmp_path / "topics.bin", ngrams="all").read_bytes())
    struct.pack_into("<i", data, at, value)
    (tmp_path / "topics.bin").write_bytes(data)
    assert str(tmp_path / "topics.bin") in refused(tmp_path / "topics.bin")


@pytest.mark.parametrize(("field", "value"), [(5, 2), (10, 3), (10, 184_549_376)], ids=["words", "few", "many"])
def test_ngrams_without_a_bucket_are_named(field: int, value: int, tmp_path: Path) -> None:
    """Their rows would be sought among none."""
    data = bytearray(written(tmp_path / "topics.bin").read_bytes())
    struct.pack_into("<i", data, 8 + field * 4, value)
    (tmp_path / "topics.bin").write_bytes(data)
    assert "0 buckets, n-grams of" in refused(tmp_path / "topics.bin")
    assert "such settings cannot be: the file is damaged" in refused(tmp_path / "topics.bin")


def test_the_vectors_of_a_classifier_are_of_no_use_to_others(tmp_path: Path) -> None:
    imported(written(tmp_path / "topics.bin"), tmp_path / "model")
    with pytest.raises(VectorsError, match="belongs to a classifier of fastText"):
        Vectors.open(tmp_path / "model" / "vectors").require_words()


@pytest.mark.parametrize(
    ("name", "value"), [("rows", 3), ("buckets", -1), ("labels", "5"), ("pruned", 1), ("shortest", None)]
)
def test_damaged_descriptions_of_features_are_named(name: str, value: object, tmp_path: Path) -> None:
    imported(written(tmp_path / "topics.bin", ngrams="all"), tmp_path / "model")
    described = tmp_path / "model" / "vectors" / "vectors.json"
    meta = json.loads(described.read_text())
    meta["features"][name] = value
    described.write_text(json.dumps(meta))
    with pytest.raises(VectorsError):
        Vectors.open(tmp_path / "model" / "vectors")
