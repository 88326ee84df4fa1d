"""Words that no text would find, and numbers that say nothing, are told when vectors are imported."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.fixtures.vector_files import WORDS, glove, word2vec
from w2vray.errors import VectorsError
from w2vray.settings.vectors import ImportSettings
from w2vray.vectors import Vectors, import_vectors

MANY = [*WORDS, *(f"word{number}" for number in range(18))]
TABLE_VD = np.linspace(-1, 1, 8 * len(MANY), dtype=np.float32).reshape(len(MANY), 8)


def imported(folder: Path, content: bytes, format: str = "auto") -> Vectors:  # noqa: A002 - as the option
    (folder / "source.txt").write_bytes(content)
    return import_vectors(ImportSettings(source=str(folder / "source.txt"), output=str(folder / "out"), format=format))


def words_of(vectors: Vectors) -> list[str]:
    return [vectors.vocabulary.word(row) for row in range(len(vectors))]


@pytest.mark.parametrize(
    ("dress", "said"),
    [
        (lambda word: f"b'{word}'", 'each of the first 30 words begins with "b\'", as "b\'the\'" does'),
        (lambda word: f"/c/en/{word}", "each of the first 30 words begins with '/c/en/', as '/c/en/the' does"),
        (lambda word: f"en:{word}", "each of the first 30 words begins with 'en:', as 'en:the' does"),
        (lambda word: f"<{word}>", "each of the first 30 words begins with '<', as '<the>' does"),
        (lambda word: f"{word}</w>", "each of the first 30 words ends with '</w>', as 'the</w>' does"),
        (lambda word: f"{word}_DET" if word == "the" else f"{word}_NOUN", "30 of the first 30 words end in a tag"),
        (
            lambda word: word if word == "the" else f"{word}|NN",
            "29 of the first 30 words end in a tag, as 'of|NN' does",
        ),
        (lambda word: f"{word}#V", "30 of the first 30 words end in a tag, as 'the#V' does"),
        (lambda word: f"{word}_n" if word == "the" else f"{word}_v", "30 of the first 30 words end in a tag"),
        (lambda word: f"{word}-n" if word == "the" else f"{word}-adj", "30 of the first 30 words end in a tag"),
        (
            lambda word: f"\u2581{word}" if word.startswith("w") else word,
            "19 of the first 30 words begin with '\u2581', as '\u2581was' does: they are pieces of a tokenizer",
        ),
        (
            lambda word: f"\u0120{word}" if word.startswith("w") else word,
            "19 of the first 30 words begin with '\u0120'",
        ),
        (lambda word: f"##{word}" if word.startswith("o") else word, "2 of the first 30 words begin with '##', as"),
        (lambda word: f"{word}@@" if word.startswith("w") else word, "19 of the first 30 words end with '@@'"),
        (lambda word: word if word.startswith("w") else f"{word}</w>", "11 of the first 30 words end with '</w>'"),
    ],
)
def test_something_that_stands_at_each_word_is_refused_and_read_where_the_format_is_named(
    dress: Callable[[str], str], said: str, tmp_path: Path
) -> None:
    """Exit 0 would be a model that knows no word of any text."""
    words = [dress(word) for word in MANY]
    for content, format_ in ((glove(words, TABLE_VD), "glove"), (word2vec(words, TABLE_VD), "word2vec-text")):
        with pytest.raises(VectorsError) as raised:
            imported(tmp_path, content)
        assert said in str(raised.value)
        assert "name the format with --format if it is meant so" in str(raised.value)
        assert not (tmp_path / "out").exists()
        assert words_of(imported(tmp_path, content, format=format_)) == words
        for file in (tmp_path / "out").iterdir():
            file.unlink()
        (tmp_path / "out").rmdir()


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([f"word{number}" for number in range(30)], id="letters that are the same"),
        pytest.param([f"New_York_{number}" for number in range(2)] + MANY[:28], id="phrases"),
        pytest.param([*MANY[:20], *(f"{word}_NOUN" for word in MANY[:10])], id="some with tags"),
        pytest.param([f"b'{word}'" for word in MANY[:12]], id="too few to tell"),
        pytest.param([word.upper() for word in MANY], id="capitals"),
    ],
)
def test_words_that_only_look_alike_are_read(words: list[str], tmp_path: Path) -> None:
    assert words_of(imported(tmp_path, glove(words, TABLE_VD[: len(words)]))) == words


@pytest.mark.parametrize(
    "content", [glove(MANY, TABLE_VD * 0), word2vec(MANY, TABLE_VD * 0)], ids=["glove", "word2vec"]
)
def test_a_table_of_zeros_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(VectorsError, match="every number is 0; a model could learn nothing"):
        imported(tmp_path, content)


def test_a_table_of_equal_rows_is_refused(tmp_path: Path) -> None:
    """Of two blocks, too."""
    words = [f"w{row}" for row in range(5000)]
    with pytest.raises(VectorsError, match="all rows have the same numbers; a model could learn nothing from them"):
        imported(tmp_path, glove(words, np.ones((5000, 2), dtype=np.float32)))
    table_VD = np.ones((5000, 2), dtype=np.float32)
    table_VD[4999, 1] = 2
    assert len(imported(tmp_path, glove(words, table_VD))) == 5000


def test_a_row_of_zeros_among_others_is_read(tmp_path: Path) -> None:
    """Tables have one for padding."""
    table_VD = TABLE_VD.copy()
    table_VD[0] = 0
    assert len(imported(tmp_path, glove(MANY, table_VD))) == len(MANY)


def test_letters_that_were_decoded_in_the_wrong_way_are_told(tmp_path: Path) -> None:
    """Windows' quotes, Latin-1's controls and letters of other scripts alike."""
    right = ["café", "naïve", "don\u2019t", "über", "русский", "日本語", "señor"]
    wrong = [word.encode().decode("latin-1" if word[0] in "р日" else "cp1252", "ignore") for word in right]
    vectors = imported(tmp_path, glove([*MANY[:7], *wrong], TABLE_VD[:14]))
    (note,) = [note for note in vectors.source["notes"] if "Latin-1" in note]
    assert "look as if UTF-8 was read as Latin-1: 'cafÃ©' for 'café'; no text will find them" in note


@pytest.mark.parametrize("words", [["café", "naïve", "über", "señor", "été", "cafÃ©"], ["cafÃ©", "Ã¼ber"]])
def test_a_few_such_words_are_what_texts_of_the_web_have(words: list[str], tmp_path: Path) -> None:
    vectors = imported(tmp_path, glove([*MANY[:7], *words], TABLE_VD[: 7 + len(words)]))
    assert not [note for note in vectors.source.get("notes", []) if "Latin-1" in note]


@pytest.mark.parametrize(
    ("dress", "said"),
    [
        (lambda word: f"\ufeff{word}", "hold invisible characters, which texts are read without ('\\ufeffword0')"),
        (lambda word: f"{word}\u200d", "hold invisible characters, which texts are read without ('word0\\u200d')"),
        (lambda word: f"wo\u00ad{word}", "hold invisible characters, which texts are read without ('wo\\xadword0')"),
        (lambda word: f"{word}\ufffd", "hold U+FFFD, which stands for letters that were lost ('word0\ufffd')"),
    ],
)
def test_words_that_texts_are_read_without_are_told(dress: Callable[[str], str], said: str, tmp_path: Path) -> None:
    words = [dress(word) if word.startswith("word") else word for word in MANY]
    notes = imported(tmp_path, glove(words, TABLE_VD)).source["notes"]
    assert notes == [f"18 of the first 30 words {said}: no text will find them"]


def test_characters_that_say_something_are_not_told(tmp_path: Path) -> None:
    """An emoji's selector and joiners, a joiner between letters; and one odd word of many."""
    ours = [
        "\u2764\ufe0f",
        "\U0001f469\u200d\U0001f4bb",
        "\u0645\u06cc\u200c\u0631\u0648\u0645",
        "good\u200b",
        "1\ufe0f\u20e3",
    ]
    words = [*MANY[:12], *(word * (number + 1) for number in range(3) for word in ours), *MANY[27:]]
    assert "notes" not in imported(tmp_path, glove(words, TABLE_VD)).source
