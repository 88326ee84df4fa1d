"""Word vectors in the forms that people have them in: read right, or refused with what to change."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fixtures.vector_files import TABLE_VD, WORDS, Read, binary, glove, spelled, word2vec
from w2vray.errors import VectorsError
from w2vray.settings.vectors import ImportSettings
from w2vray.vectors import Vectors, import_vectors
from w2vray.vectors.readers.bad_rows import Reason

SKIP = "--on-bad skip leaves such rows out"


def read(folder: Path, content: bytes, **given: Any) -> Read:
    (folder / "vectors").write_bytes(content)
    return Read(folder / "vectors", **given)


def refusal(folder: Path, content: bytes, **given: Any) -> str:
    with pytest.raises(VectorsError) as raised:
        read(folder, content, **given)
    return str(raised.value).removeprefix(str(folder / "vectors"))


def changed(place: int, word: str, words: Sequence[str] = WORDS) -> list[str]:
    return [*words[:place], word, *words[place + 1 :]]


def edited(content: bytes, old: bytes, new: bytes) -> bytes:
    assert content.count(old) == 1
    return content.replace(old, new)


ROW_3 = "film " + " ".join(map(spelled, TABLE_VD[2].tolist())) + "\n"
PHRASES = ["iPhone 7", "Apollo 11 13", "version 2.0", ". . .", "top 10 films", "New York City", "at name@domain.com"]

READ_RIGHT: dict[str, tuple[bytes, list[str]]] = {
    "tabs": (glove(between="\t"), WORDS),
    "tabs, with a header": (word2vec(between="\t"), WORDS),
    "a tab behind the word": (b"".join(line.replace(b" ", b"\t", 1) for line in glove().splitlines(True)), WORDS),
    "tabs, and words with spaces": (glove(changed(4, "New York"), between="\t"), changed(4, "New York")),
    "thousands of spaces": (word2vec(between=" " * 3000), WORDS),
    "spaces and tabs": (word2vec(between=" \t "), WORDS),
    "line ends of Windows": (word2vec().replace(b"\n", b"\r\n"), WORDS),
    "line ends of Windows behind spaces": (glove().replace(b"\n", b" \r\n"), WORDS),
    "a space behind each row": (word2vec().replace(b"\n", b" \n"), WORDS),
    "blank lines at the end": (word2vec() + b"\n \n\r\n\n", WORDS),
    "blank lines at the end, no header": (glove() + b"\n\n", WORDS),
    **{f"the word {word!r}": (word2vec(changed(4, word)), changed(4, word)) for word in PHRASES},
    **{f"the word {word!r}, no header": (glove(changed(4, word)), changed(4, word)) for word in PHRASES},
    "a first word with a number": (glove(changed(0, "iPhone 7")), changed(0, "iPhone 7")),
    "words that are numbers": (
        glove(["3", "1.5", "-7", "1e5", "nan", *WORDS[5:]]),
        ["3", "1.5", "-7", "1e5", "nan", *WORDS[5:]],
    ),
    "quotes": (word2vec(['"', "'", '"a"', *WORDS[3:]]), ['"', "'", '"a"', *WORDS[3:]]),
    "an unknown word": (glove(changed(0, "<unk>")), changed(0, "<unk>")),
    "marks that part fields elsewhere": (glove([",", ";", "|", "#", *WORDS[4:]]), [",", ";", "|", "#", *WORDS[4:]]),
    "what ends lines elsewhere": (
        word2vec(["a\x85b", "c\u2028d", "e\u2029f", "\u2028", *WORDS[4:]]),
        ["a\x85b", "c\u2028d", "e\u2029f", "\u2028", *WORDS[4:]],
    ),
    "spaces that part nothing": (
        glove(["a\xa0b", "\u3000", "c\u200bd", *WORDS[3:]]),
        ["a\xa0b", "\u3000", "c\u200bd", *WORDS[3:]],
    ),
    "a space before each row": (b"".join(b" " + line for line in word2vec().splitlines(True)), WORDS),
    "a tab behind each row": (word2vec().replace(b"\n", b"\t\n"), WORDS),
    "a mark of UTF-8 and line ends of Windows": (b"\xef\xbb\xbf" + word2vec().replace(b"\n", b"\r\n"), WORDS),
    "words that end in a mark": (
        glove([f"{word}:" for word in WORDS[:11]] + ["was"]),
        [f"{word}:" for word in WORDS[:11]] + ["was"],
    ),
    "binary, a header of Windows": (binary(header="12 8\r\n"), WORDS),
    "binary, newlines": (binary(newline=True), WORDS),
    "binary, newlines, a word with a space": (binary(changed(4, "New York"), newline=True), changed(4, "New York")),
    "binary, newlines, a first word with spaces": (binary(changed(0, "a b c"), newline=True), changed(0, "a b c")),
    "binary, newlines, a last word with a space": (binary(changed(11, "vit C"), newline=True), changed(11, "vit C")),
    "binary, odd words": (
        binary(["a\x85b", "\u2028", "c\xa0d", *WORDS[3:]]),
        ["a\x85b", "\u2028", "c\xa0d", *WORDS[3:]],
    ),
}


@pytest.mark.parametrize(("content", "words"), READ_RIGHT.values(), ids=READ_RIGHT)
def test_forms_that_say_what_they_mean_are_read(content: bytes, words: list[str], tmp_path: Path) -> None:
    """To the bit, and nothing is left out."""
    found = read(tmp_path, content)
    assert found.words == words
    assert found.holds(words)
    assert found.bad.counts == {}


@pytest.mark.parametrize("content", [word2vec(changed(4, "iPhone 7")), binary(changed(4, "iPhone 7"), newline=True)])
def test_words_that_hold_spaces_are_told(content: bytes, tmp_path: Path) -> None:
    assert read(tmp_path, content).notes == ["words that hold spaces: 'iPhone 7'"]


@pytest.mark.parametrize("content", [glove()[:-3], word2vec()[:-1]], ids=["in a number", "before the line end"])
def test_a_last_line_without_an_end_is_told(content: bytes, tmp_path: Path) -> None:
    """Its last number may be a part of one."""
    (note,) = read(tmp_path, content).notes
    assert note.startswith("the last line has no line end: check whether")


@pytest.mark.parametrize("exponent", ["e", "E"])
def test_numbers_with_exponents_are_read(exponent: str, tmp_path: Path) -> None:
    lines = [
        f"{word} " + " ".join(f"{number:.9e}".replace("e", exponent) for number in row) + "\n"
        for word, row in zip(WORDS, TABLE_VD.tolist(), strict=True)
    ]
    assert read(tmp_path, "".join(lines).encode()).holds()


@pytest.mark.parametrize(
    "table_VD",
    [
        pytest.param(np.rint(TABLE_VD * 50), id="in all columns"),
        pytest.param(np.concatenate([np.eye(12)[:, :1], TABLE_VD], axis=1), id="0 and 1 in the first"),
        pytest.param(np.concatenate([TABLE_VD, np.full((12, 1), 7)], axis=1), id="the same in the last"),
        pytest.param(np.arange(96).reshape(12, 8), id="that count all of them"),
    ],
)
def test_whole_numbers_that_may_be_those_of_vectors_are_read(table_VD: Any, tmp_path: Path) -> None:
    table_VD = table_VD.astype(np.float32)
    assert read(tmp_path, glove(table_VD=table_VD)).holds(WORDS, table_VD)


def test_names_of_columns_are_left_out_and_the_word_of_that_name_is_read(tmp_path: Path) -> None:
    words = changed(4, "word")
    names = b"word 0 1 2 3 4 5 6 7\n"
    found = read(tmp_path, names + glove(words), skip=True)
    assert found.holds(words)
    assert found.bad.as_dict() == {Reason.COLUMNS: {"rows": 1, "first": ["row 1 'word'"]}}
    assert read(tmp_path, names).words == ["word"]


def test_a_form_that_is_refused_is_read_where_it_is_named(tmp_path: Path) -> None:
    dressed = [f"{word}:" for word in WORDS]
    assert read(tmp_path, glove(dressed), format="glove").words == dressed
    assert read(tmp_path, word2vec(dressed), format="word2vec-text").words == dressed


@pytest.mark.parametrize("header", [b"", b"12 1\n"], ids=["no header", "header"])
def test_vectors_of_one_number_are_read(header: bytes, tmp_path: Path) -> None:
    found = read(tmp_path, header + glove(table_VD=TABLE_VD[:, :1]))
    assert found.holds(WORDS, TABLE_VD[:, :1])


def test_a_list_that_looks_like_narrow_vectors_is_read_where_its_format_is_named(tmp_path: Path) -> None:
    assert read(tmp_path, b"the 900\nof 800\n", format="glove").holds(
        ["the", "of"], np.array([[900], [800]], np.float32)
    )


REFUSED: dict[str, tuple[bytes, str]] = {
    "decimal commas": (word2vec().replace(b".", b","), f", row 1, number 1: '{spelled(TABLE_VD[0, 0]).replace('.', ',')}' is not a"),
    "decimal commas, no header": (glove().replace(b".", b","), "' is not a number; write points in place of decimal commas"),
    "commas": (glove(between=","), " is a table whose fields are separated by ','; separate them by spaces"),
    "commas and column names": (b"word,a,b\nthe,1,2\n", " is a table whose fields are separated by ','"),
    "commas and quotes": (glove([f'"{word}"' for word in WORDS], between=","), " is a table whose fields are separated by ','"),
    "semicolons": (glove(between=";"), " is a table whose fields are separated by ';'"),
    "no-break spaces": (glove(between="\xa0"), " is text whose fields are separated by no-break spaces (U+00A0)"),
    "line ends of old Macs": (glove().replace(b"\n", b"\r"), "lines have to end with a line feed"),
    "a header of more rows": (word2vec(header="13 8\n"), ": the file ends after row 12; its header promises 13."),
    "a header of fewer rows": (word2vec(header="11 8\n"), ", row 12: the header promises 11 rows only; correct the"),
    "a header of less width": (word2vec(header="12 7\n"), ": the header says 7 numbers a row, and 12 of the first 12 rows have 8; correct"),
    "a header of more width": (word2vec(header="12 9\n"), ": the header says 9 numbers a row, and 12 of the first 12 rows have 8; correct"),
    "two headers": (b"12 8\n" + word2vec(), f", row 1 ('12 8'): 1 number; expected 8. {SKIP}"),
    "a comment": (b"# made by us\n" + glove(), f", row 1 ('# made by us'): 3 numbers; expected 8. {SKIP}"),
    "a blank line": (edited(word2vec(header="13 8\n"), b"\nfilm", b"\n\nfilm"), f", row 3: an empty line; expected a word and 8 numbers. {SKIP}"),
    "a lost line end": (edited(glove(), b"\nfilm", b"film"), ", row 2 ('of "),
    "a lost line end at the first row": (edited(glove(), b"\nof ", b" of "), ", row 1 ('the "),
    "a number too many": (edited(word2vec(), b"\nfilm ", b"\nfilm 0.125 "), "): 9 numbers; expected 8."),
    "a parted number": (edited(glove(), ROW_3.encode(), ROW_3.replace("0.", "0. ", 1).encode()), "): 9 numbers; expected 8."),
    "a hexadecimal number": (edited(glove(), b"\nfilm ", b"\nfilm 0x1p-3 ").replace(ROW_3[5:].encode(), ROW_3[5:].split(" ", 1)[1].encode()), "row 3, number 1: '0x1p-3' is not a number"),
    "a tab in a word": (word2vec(changed(2, "a\tb")), f", row 3: the word 'a\\tb' holds a tab. {SKIP}"),
    "a NUL in a word": (word2vec(changed(2, "a\0b")), f", row 3: the word 'a\\x00b' holds a NUL. {SKIP}"),
    "Latin-1": (word2vec().replace("été".encode(), b"\xe9t\xe9"), f", row 9: the word b'\\xe9t\\xe9' is not UTF-8 (in Latin-1 it is 'été'); convert the file to UTF-8. {SKIP}"),
    "counted words": (b"the 900\nof 800\n", ": each line is a word and one whole number, as lists of counted words are"),
    "labelled texts": (b"a great film 1\nbad plot 0\nno film 0\n", ": 3 of the first 3 lines are several words with 1 number"),
    "labelled texts, tabs": (b"a great film\t1\nbad plot\t0\n", ": 2 of the first 2 lines are several words with 1 number"),
    "texts of fastText": (b"__label__a good film\n__label__b bad\n", " is labelled texts of fastText"),
    "prose": (b"It was the best of times,\nit was the worst of times\n", ": the first line is 'It was the best of times,'; expected"),
    "a table without words": (glove().replace(b"\n", b" 1\n0.5 ", 11), "lines begin with a number; expected a word and its numbers"),
    "a mark behind each word": (glove([f"{word}:" for word in WORDS]), ": each of the first 12 words stands before ':'; write the words alone"),
    "another, with a header": (word2vec([f"{word}=" for word in WORDS]), ": each of the first 12 words stands before '='; write the words alone"),
    "words in quotes": (glove([f'"{word}"' for word in WORDS], between="\t"), ": each of the first 12 words stands in \"; write the words alone"),
    "words in single quotes, with a header": (word2vec([f"'{word}'" for word in WORDS]), ": each of the first 12 words stands in '; write the words alone"),
    "counts between words and numbers": (glove([f"{word} {900 - row * 7}" for row, word in enumerate(WORDS)]), ": the first number of each row is a whole one and others are not, as counts of words and their places are; take it"),
    "a header alone": (b"12 8", ", row 1: the file ends here; its header promises 12 rows of 8 numbers"),
    "counts behind the numbers": (b"".join(line[:-1] + b" %d\n" % (900 - row * 7) for row, line in enumerate(glove().splitlines(True))), ": the last number of each row is a whole one and others are not"),
    "counts in no order, as floats": (glove([f"{word} {(row * 7) % 12}.0" for row, word in enumerate(WORDS)]), ": the first number of each row is a whole one and others are not"),
    "two counts": (glove([f"{word} {900 - row * 7} {row % 5}" for row, word in enumerate(WORDS)]), ": the first number of each row is a whole one and others are not"),
    "a place behind each word": (word2vec([f"{word} {row}" for row, word in enumerate(WORDS)], header="12 9\n"), ": the first number of each row is a whole one and others are not"),
    "a word and its numbers on lines of their own": (b"".join(line.replace(b" ", b"\n", 1) for line in glove().splitlines(True)), ": 12 of the first 24 lines begin with a number"),
    "numbered columns": (b"word " + b" ".join(b"%d" % column for column in range(8)) + b"\n" + glove(), f", row 1 ('word'): its numbers count from 0 to 7, as names of columns do. {SKIP}"),
    "numbered columns, from 1, tabs": (b"token\t" + b"\t".join(b"%d" % column for column in range(1, 9)) + b"\n" + glove(between="\t"), f", row 1 ('token'): its numbers count from 1 to 8, as names of columns do. {SKIP}"),
    "numbered columns below a header": (b"12 8\nof " + b" ".join(b"%d" % column for column in range(8)) + b"\n" + glove(), ", row 1 ('of'): its numbers count from 0 to 7"),
    "places before colons": (b"".join(b" ".join(b"%d:%s" % (place, each) if place else each for place, each in enumerate(line.split())) + b"\n" for line in glove().splitlines()), ": the first line is 'the 1:"),
    "an index before each word": (b"".join(b"%d\t" % row + line for row, line in enumerate(glove().splitlines(True))), ": 12 of the first 12 lines begin with a number"),
    "names of columns": (b"word\t" + b"\t".join(b"d%d" % column for column in range(8)) + b"\n" + glove(between="\t"), ", row 1, number 1: 'd0' is not a number. --on-bad skip leaves such rows out"),
    "numbers in brackets": (glove().replace(b" ", b" [", 12).replace(b"\n", b"]\n"), ": the first line is 'the ["),
    "minus signs of typesetters": (glove().replace(b"-", "\N{MINUS SIGN}".encode()), " is text whose minus signs are those of typesetters (U+2212)"),
    "NULs behind the last row": (glove() + bytes(600), ", row 13 ("),
    "two files in one": (glove() + word2vec(), ", row 13 ('12 8'): 1 number; expected 8"),
    "decimal commas from row 10 on": (b"".join(line if row < 9 else line.replace(b".", b",") for row, line in enumerate(glove().splitlines(True))), "write a point in place of the decimal comma"),
    "Chinese in GB 18030": (word2vec().decode().encode("gb18030"), "is not UTF-8; convert the file to UTF-8"),
    "surrogates as UTF-8": (word2vec().replace("日本".encode(), b"\xed\xa0\xbd\xed\xb8\x80"), ", row 8: the word b'\\xed\\xa0\\xbd\\xed\\xb8\\x80' is not UTF-8"),
    "binary, int32": (binary(numbers="<i4", table_VD=TABLE_VD * 100), ": its numbers are int32"),
    "binary, a tab behind words": (b"12 8\n" + b"".join(word.encode() + b"\t" + row.tobytes() for word, row in zip(WORDS, TABLE_VD, strict=True)), "float32 of that width: row 1: the word would be b'the\\t"),
    "binary, a huge width": (binary(header="12 2000000000\n"), ": the header says 12 rows of 2000000000 numbers; expected"),
    "binary, cut in the first row": (binary()[:12], ", row 1: the file ends here; its header promises 12 rows of 8 numbers"),
    "binary, cut in the last row": (binary()[:-3], ", row 12: the file ends here; its header promises 12 rows"),
    "widths that differ": (b"a 1 2\nb 1 2 3\nc 1\nd 1 2 3 4\ne 5\nf 6 7\nx\n", ": only 2 of the first 7 lines end in 2 numbers"),
    "binary, big-endian": (binary(numbers=">f4"), ": its numbers are big-endian"),
    "binary, float64": (binary(numbers="<f8"), ": its numbers are float64"),
    "binary, float16": (binary(numbers="<f2"), ": its numbers are float16"),
    "binary, float64 and newlines": (binary(numbers="<f8", newline=True), ": its numbers are float64"),
    "binary, float16 and newlines": (binary(numbers="<f2", newline=True), ": its numbers are float16"),
    "binary, less width": (binary(header="12 7\n"), "neither text nor float32 of that width: row 2: the word would be"),
    "binary, more width": (binary(header="12 9\n"), "row 1"),
    "binary, another width, newlines": (binary(header="12 9\n", newline=True), ": its rows have 8 numbers; correct the header"),
    "binary, fewer rows": (binary(header="13 8\n"), ", row 13: the file ends here; its header promises 13 rows of 8 numbers."),
    "binary, more rows": (binary(header="11 8\n"), ": there is more after row 11, the last that its header promises"),
    **{
        f"binary, the word {word!r}": (binary(changed(4, word)), f", row 5: the word {word!r} holds a space, and a word of this format ends at the first; write such words with _")
        for word in ("vit C", "New York", "New Yor", "a b c", "日本 語")
    },
    "binary, a last word with a space": (binary(changed(11, "vit C")), ", row 12: the word 'vit C' holds a space"),
    "binary, a tab in a word": (binary(changed(4, "a\tb")), ", row 5: the word 'a\\tb' holds a tab"),
    "binary, newlines, one lost": (edited(binary(newline=True), b"\nfilm ", b"film "), ", row 2 ('of'): its numbers are not followed by a line end"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED)
def test_other_forms_are_refused_with_what_is_wrong(content: bytes, said: str, tmp_path: Path) -> None:
    assert said in refusal(tmp_path, content)


def test_what_is_wrong_with_all_rows_is_told_with_a_limit_too(tmp_path: Path) -> None:
    """One row of each is no row that is not like the others."""
    for name in ("decimal commas", "binary, big-endian", "binary, float16", "a header of less width", "commas"):
        content, said = REFUSED[name]
        (tmp_path / "source").write_bytes(content)
        with pytest.raises(VectorsError) as raised:
            import_vectors(ImportSettings(source=str(tmp_path / "source"), output=str(tmp_path / "out"), limit=1))
        assert said in str(raised.value)


def test_one_row_far_beyond_the_others_is_a_misread_one(tmp_path: Path) -> None:
    """In a binary file; in text somebody wrote it, and it is told."""
    table_VD = TABLE_VD.copy()
    table_VD[5, 3] = 7e16
    assert ", row 6 ('plot'): the largest number is 7e+16, far beyond those of other rows" in refusal(
        tmp_path, binary(table_VD=table_VD)
    )
    assert read(tmp_path, glove(table_VD=table_VD)).holds(WORDS, table_VD)
    given = ImportSettings(source=str(tmp_path / "vectors"), output=str(tmp_path / "out"))
    assert import_vectors(given).source["notes"] == [
        "the largest number, 7e+16 of 'plot', is far beyond those of other words"
    ]


LEFT_OUT: dict[str, tuple[bytes, str, list[str]]] = {
    "cut UTF-8": (word2vec().replace("日本".encode(), "日本".encode()[:-1]), Reason.NOT_UTF8, [r"row 8 b'\xe6\x97\xa5\xe6\x9c'"]),
    "an empty word": (word2vec(changed(7, "")), Reason.EMPTY, ["row 8 ''"]),
    "an empty word, tabs": (word2vec(changed(7, ""), between="\t"), Reason.EMPTY, ["row 8 ''"]),
    "another width": (word2vec().replace("日本 ".encode(), "日本 0.5 -0.5 0.25 0.125 ".encode()), Reason.WIDTH, []),
    "not a number": (word2vec().replace("日本 ".encode(), "日本 x".encode()), Reason.NOT_NUMBER, ["row 8 '日本'"]),
    "a control character": (word2vec(changed(7, "a\x07")), Reason.CONTROL, ["row 8 'a\\x07'"]),
    "NaN": (word2vec(table_VD=np.where(np.arange(96).reshape(12, 8) == 60, np.nan, TABLE_VD)), Reason.NOT_FINITE, ["row 8 '日本'"]),
    "binary, cut UTF-8": (binary().replace("日本".encode(), "日本".encode()[:-1]), Reason.NOT_UTF8, [r"row 8 b'\xe6\x97\xa5\xe6\x9c'"]),
    "binary, an empty word": (binary(changed(7, "")), Reason.EMPTY, ["row 8 ''"]),
    "binary, an empty word, newlines": (binary(changed(7, ""), newline=True), Reason.EMPTY, ["row 8 ''"]),
    "binary, a word with a space": (binary(changed(7, "New York")), Reason.SHIFTED, ["row 8 'New York'"]),
    "binary, infinite": (binary(table_VD=np.where(np.arange(96).reshape(12, 8) == 60, np.inf, TABLE_VD).astype(np.float32)), Reason.NOT_FINITE, ["row 8 '日本'"]),
    "binary, far beyond": (binary(table_VD=np.where(np.arange(96).reshape(12, 8) == 60, 7e16, TABLE_VD).astype(np.float32)), Reason.SIZE, ["row 8 '日本'"]),
}  # fmt: skip


@pytest.mark.parametrize(("content", "reason", "first"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_bad_rows_are_left_out_and_counted_where_somebody_says_so(
    content: bytes, reason: str, first: list[str], tmp_path: Path
) -> None:
    """All others are there, to the bit; without the option the error names the row and the option."""
    (tmp_path / "source").write_bytes(content)
    given: dict[str, Any] = {"source": str(tmp_path / "source"), "output": str(tmp_path / "out")}
    with pytest.raises(VectorsError, match=rf"row 8\b.*{SKIP}"):
        import_vectors(ImportSettings(**given))
    vectors = import_vectors(ImportSettings(**given, on_bad="skip"))
    assert list(vectors.vocabulary) == WORDS[:7] + WORDS[8:]
    assert np.array_equal(vectors.table_VD, np.delete(TABLE_VD, 7, axis=0))
    told = vectors.source["left_out"]
    assert set(told) == {reason}
    assert told[reason]["rows"] == 1
    assert told[reason]["first"] == (first or told[reason]["first"])
    assert vectors.source["rows"] == 12


def test_many_bad_rows_are_counted_and_the_first_named(tmp_path: Path) -> None:
    """Rows of the file are counted by their places in it, behind rows that were left out, too."""
    lines = [f"w{row} {row} 1" for row in range(1, 9001)]
    for row in (2, 4096, 4097, 5000, 9000):
        lines[row - 1] = f"w{row} 1"
    lines[7999] = "w1 5 5"
    (tmp_path / "source").write_text("\n".join(lines) + "\n")
    given = ImportSettings(source=str(tmp_path / "source"), output=str(tmp_path / "out"), on_bad="skip")
    vectors = import_vectors(given)
    assert len(vectors) == 8994
    assert vectors.source["left_out"] == {
        Reason.WIDTH: {"rows": 5, "first": ["row 2 'w2 1'", "row 4,096 'w4096 1'", "row 4,097 'w4097 1'"]},
        Reason.DUPLICATE: {"rows": 1, "first": ["row 8,000 'w1'"]},
    }
    assert vectors.table_VD[vectors.vocabulary.rows(["w1", "w5001"])].tolist() == [[1, 1], [5001, 1]]


def test_a_wrong_count_in_the_header_is_told_where_bad_rows_are_left_out(tmp_path: Path) -> None:
    for count in (11, 13):
        found = read(tmp_path, word2vec(header=f"{count} 8\n"), skip=True)
        assert found.holds()
        assert found.notes == [f"the header promises {count} rows; the file has 12"]


def test_a_file_without_one_good_row_is_refused(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(word2vec().replace(b".", b","))
    given = ImportSettings(source=str(tmp_path / "source"), output=str(tmp_path / "out"), on_bad="skip")
    with pytest.raises(VectorsError, match=r"none of 12 rows can be used \(not a number\)"):
        import_vectors(given)


def test_labels_of_an_unsupervised_fasttext_file_are_left_out(tmp_path: Path) -> None:
    """They have no vectors; words, n-grams and all else are as in a file without them."""
    rows_RD = np.linspace(0, 2, 12, dtype=np.float32).reshape(6, 2)

    def content(labels: Sequence[str], model: int = 2) -> bytes:
        words = ["</s>", "film", "日本"]
        head = struct.pack("<2i12id", 793712314, 12, 2, 5, 5, 1, 5, 1, 2, model, 3, 2, 3, 100, 1e-4)
        head += struct.pack("<3iqq", 3 + len(labels), 3, len(labels), 1000, -1)
        for kind, entries in enumerate((words, labels)):
            for entry in entries:
                head += entry.encode() + b"\0" + struct.pack("<qb", 9, kind)
        head += struct.pack("<?2q", False, 6, 2) + rows_RD.tobytes()
        return head + struct.pack("<?2q", False, 3, 2) + bytes(24)

    def made(name: str, data: bytes) -> Vectors:
        (tmp_path / "source").write_bytes(data)
        return import_vectors(ImportSettings(source=str(tmp_path / "source"), output=str(tmp_path / name)))

    plain, labelled = made("plain", content([])), made("labelled", content(["__label__pos", "__label__neg"]))
    assert labelled.fingerprint == plain.fingerprint
    assert labelled.source["left_out"] == {Reason.LABEL: {"rows": 2, "first": ["'__label__pos'", "'__label__neg'"]}}
    with pytest.raises(VectorsError, match=r"a fastText classifier \(2 labels\)"):
        made("other", content(["__label__pos", "__label__neg"], model=3))
