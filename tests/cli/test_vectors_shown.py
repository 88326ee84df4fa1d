import json
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.fixtures.vector_files import WORDS, binary, word2vec
from w2vray import cli
from w2vray.cli.vectors_shown import vectors_lines
from w2vray.vectors import Vectors

SHOWN = """\
vectors: 5 words x 2, float32, family plain
read as word2vec-text, from source.txt
family plain, because --family says so
first words: the  film  New York  of  and
odd words: longest "New York"
largest number: 1.25, of "the"
left out, empty word: 1: row 3 ''
left out, another number of numbers: 4: row 4 'x 1', row 5 'y 1', row 6 'z 1',
  and 1 more
left out, word that was there before: 1: row 9 'the'
note: words that hold spaces: 'New York'
fingerprint """


def imported(folder: Path, content: bytes, *options: str) -> int:
    (folder / "source.txt").write_bytes(content)
    return cli.run(["vectors", "import", "source.txt", "--output", "vectors", *options])


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_import_ends_with_what_it_understood(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And `vectors info` shows the same."""
    rows = "the 0.5 -1.25\nfilm 0.25 1\n 0.5 1\nx 1\ny 1\nz 1\nq 1\nNew York 0.125 1\nthe 7 7\nof 1 1\nand 0 1\n"
    content = b"11 2\n" + rows.encode()
    assert imported(tmp_path, content, "--on-bad", "skip", "--family", "plain") == 0
    shown = capsys.readouterr().out
    assert shown.replace(str(tmp_path) + "/", "")[: len(SHOWN)] == SHOWN
    assert cli.run(["vectors", "info", "vectors"]) == 0
    assert capsys.readouterr().out == shown


def test_json_has_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert imported(tmp_path, binary([*WORDS[:11], ""]), "--on-bad", "skip", "--json") == 0
    value = json.loads(capsys.readouterr().out)
    assert value["first_words"] == WORDS[:10]
    assert value["odd_words"] == {"longest": "日本", "not ASCII": "été"}
    assert value["largest"]["word"] in WORDS
    assert value["family_why"]
    assert value["source"]["format"] == "word2vec-binary"
    assert value["source"]["left_out"] == {"empty word": {"rows": 1, "first": ["row 12 ''"]}}


def test_without_a_summary_what_is_odd_is_told_all_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert imported(tmp_path, word2vec([*WORDS[:11], ""])[:-2], "--on-bad", "skip", "--quiet") == 0
    told = capsys.readouterr()
    assert not told.out
    assert (
        "left out, empty word: 1: row 12 ''\nnote: the last line has no line end: check whether source.txt" in told.err
    )


def test_an_error_names_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert imported(tmp_path, word2vec([*WORDS[:11], ""])) == 2
    assert "source.txt, row 12: the word is empty" in (told := capsys.readouterr().err)
    assert "--on-bad skip leaves such rows out" in told


def test_lines_are_80_columns_wide_at_most_whatever_the_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wide letters take two columns; a word that is long, or breaks lines, is cut and written out."""
    words = [*(f"東京都知事選挙{row}" for row in range(10)), "x" * 200, "a\u2028b", "n't"]
    table = [[row, 1] for row in range(len(words))]
    content = f"{len(words)} 2\n" + "".join(f"{word} {a} {b}\n" for word, (a, b) in zip(words, table, strict=True))
    assert imported(tmp_path, content.encode()) == 0
    lines = vectors_lines(Vectors.open("vectors"))
    capsys.readouterr()
    assert all(cell_len(line) <= 80 for line in lines[2:])
    assert any(f'longest "{"x" * 29}…"' in line for line in lines)
    assert any("a\\u2028b" in line for line in lines)
    assert not any("\u2028" in line for line in lines)
