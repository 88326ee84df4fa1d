import pytest

from w2vray.store.label_findings import label_findings, listed_labels

NBSP, ZWSP = "\u00a0", "\u200b"


def test_few_labels_are_listed_with_their_counts_and_of_many_both_ends() -> None:
    """The commonest first; equal ones by name."""
    assert listed_labels({"b": 2, "a": 2, "c": 1200}) == "3 labels: 'c' 1,200, 'a' 2, 'b' 2"
    assert listed_labels({"only": 1}) == "1 label: 'only' 1"
    many = listed_labels({f"{number:02}": 100 - number for number in range(30)})
    assert many.startswith("30 labels; the commonest: '00' 100, '01' 99,")
    assert many.endswith(", '28' 72, '29' 71")
    assert "'10'" not in many


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        pytest.param({"pos": 5, "neg": 5}, [], id="nothing"),
        pytest.param(
            {"pos": 5, "pos ": 2, "neg": 7},
            [
                (
                    "these labels differ by spaces, invisible characters or Unicode form alone: 'pos' 5, 'pos ' 2; "
                    "--label-strip makes those one that differ by space or form"
                )
            ],
            id="space",
        ),
        pytest.param(
            {"pos": 5, "Pos": 2, "POS": 2, "neg": 9},
            ["these labels differ by case alone: 'pos' 5, 'POS' 2, 'Pos' 2; write those alike that differ by case"],
            id="case",
        ),
        pytest.param(
            {"caf\u00e9": 5, "cafe\u0301": 2, "Caf\u00e9": 3},
            [
                (
                    "these labels differ by case and spaces, invisible characters or Unicode form alone: 'café' 5, "
                    "'Café' 3, 'cafe\u0301' 2; --label-strip makes those one that differ by space or form, and write "
                    "those alike that differ by case"
                )
            ],
            id="form-and-case",
        ),
        pytest.param(
            {"a": 9, "b": 1},
            ["one label has a single row, too few to learn from and to measure: 'b'"],
            id="one-row",
        ),
        pytest.param(
            {"a": 90, "b": 1, "c": 1, "d": 1, "e": 1},
            ["4 labels have a single row, too few to learn from and to measure: 'b', 'c', 'd' and 1 more"],
            id="more-of-one-row",
        ),
        pytest.param(
            {f"u{number}": 1 for number in range(20)},
            [
                (
                    "20 rows have 20 different labels ('u0', 'u1', 'u10'): they look like ids, or like text. Is "
                    "--label-column the right one?"
                )
            ],
            id="ids",
        ),
        pytest.param(
            {"-1": 12, "0": 20, "1": 20},
            ["the label '-1' (12 rows) often says that a row has no label; --unlabelled -1 leaves such rows out"],
            id="minus-one",
        ),
        pytest.param({"-1": 12, "-2": 20, "1": 20}, [], id="other-numbers-below-zero"),
        pytest.param({"-1": 12, "1": 20, "x": 4}, [], id="minus-one-beside-words"),
        pytest.param({"-1": 12, "1": 20}, ["the label '-1' (12 rows) often says..."], id="minus-one-and-one"),
        pytest.param(
            {"NaN": 2, "x": 4, "y": 4},
            ["the label 'NaN' (2 rows) often says that a row has no label; --unlabelled NaN leaves such rows out"],
            id="nan",
        ),
        pytest.param(
            {"pos,film": 5, "neg,film": 5, "pos": 2},
            ["labels look like several in one string ('pos,film', 'neg,film'); --label-separator , reads..."],
            id="commas",
        ),
        *(
            pytest.param(
                {f"a{mark}b": 5, "a": 5, "c": 5, f"b{mark}c": 5},
                [
                    (
                        f"labels look like several in one string ({f'a{mark}b'!r}, {f'b{mark}c'!r}); --label-separator "
                        f"{typed} reads them as several"
                    )
                ],
                id=name,
            )
            for mark, typed, name in [
                ("\t", "'\\t'", "tabs"),
                ("\n", "'\\n'", "line-ends"),
                ("\u3001", "'\u3001'", "ideographic-commas"),
                ("\uff0c", "'\uff0c'", "full-width-commas"),
                (";", "';'", "semicolons"),
                ("/", "/", "slashes"),
                ("+", "+", "plus-signs"),
                (" & ", "'&'", "ampersands"),
            ]
        ),
        pytest.param({"sport/football": 5, "sport/tennis": 5, "news": 5}, [], id="a-path-is-one-label"),
        pytest.param({"C": 5, "C++": 5, "C#": 5, "A-": 5, "A": 5, "1.5": 3, "15": 3}, [], id="marks-that-mean"),
        *(
            pytest.param(
                counts,
                [f"these labels differ by marks alone: {shown}; write those alike that mean the same"],
                id=name,
            )
            for name, counts, shown in [
                ("hyphens", {"sci-fi": 5, "sci_fi": 3, "sci fi": 2}, "'sci-fi' 5, 'sci_fi' 3, 'sci fi' 2"),
                ("dashes", {"a-b": 5, "a\u2013b": 3, "a\u2212b": 2}, "'a-b' 5, 'a\u2013b' 3, 'a\u2212b' 2"),
                ("quotes", {"pos": 5, '"pos"': 3, "neg": 4}, "'pos' 5, '\"pos\"' 3"),
                ("full-stop", {"pos": 5, "pos.": 3, "neg": 4}, "'pos' 5, 'pos.' 3"),
                ("and-case", {"Sci-Fi": 5, "sci fi": 3}, "'Sci-Fi' 5, 'sci fi' 3"),
            ]
        ),
        pytest.param(
            {"1": 5, "1.0": 3, "01": 2, "2": 4},
            [
                (
                    "these labels differ by how the number is written alone: '1' 5, '1.0' 3, '01' 2; write those alike "
                    "that mean the same"
                )
            ],
            id="numbers-as-text",
        ),
        pytest.param(
            {" ": 3, "a": 4, "b": 5},
            ["the label ' ' (3 rows) is blank; --label-strip takes such a row for one without a label"],
            id="blank",
        ),
        pytest.param(
            {NBSP: 3, "a": 4, "b": 5},
            ["the label '\\xa0' (3 rows) is blank; --label-strip takes such a row for one without a label"],
            id="no-break-space",
        ),
        *(
            pytest.param(
                {value: 2, "x": 4, "y": 4},
                [f"the label {value!r} (2 rows) often says that a row has no label; --unlabelled {value} leaves..."],
                id=value,
            )
            for value in ("NaT", "\\N", "NULL", "N/A", "?")
        ),
        pytest.param(
            {"a|b": 5, "b | c": 5},
            ["labels look like several in one string ('a|b', 'b | c'); --label-separator '|' reads them as several"],
            id="bars",
        ),
        pytest.param({"Paris, France": 5, "London, England": 5}, [], id="commas-in-names"),
        pytest.param(
            {"['a', 'b']": 5, "['a']": 5},
            ["labels look like lists written as text (\"['a', 'b']\", \"['a']\"); store lists..."],
            id="brackets",
        ),
    ],
)
def test_what_looks_wrong_is_said_with_what_to_do(counts: dict[str, int], expected: list[str]) -> None:
    """Each in a sentence, and nothing of labels that are as they should be."""
    found = label_findings(counts, sum(counts.values()), multi_label=False)
    assert len(found) == len(expected)
    for sentence, beginning in zip(found, expected, strict=True):
        whole, dots, _ = beginning.partition("...")
        assert sentence.startswith(whole) if dots else sentence == whole


def test_many_groups_of_labels_that_are_nearly_equal_are_counted() -> None:
    """The largest three are shown."""
    counts = {f"{name}{end}": number + 2 for number, name in enumerate("abcde") for end in ("", NBSP, ZWSP)}
    found = label_findings(counts, 1000, multi_label=False)
    assert len(found) == 4
    assert found[0].startswith("these labels differ by spaces, invisible characters or Unicode form alone: 'e' 6,")
    assert found[3] == "2 more groups of labels differ by case, spaces or Unicode form alone"


def test_labels_of_lists_are_neither_ids_nor_lists_in_text() -> None:
    """A row may have many of them."""
    assert label_findings({f"t{number}": 2 for number in range(20)}, 12, multi_label=True) == []
    assert label_findings({"a,b": 2, "a,c": 3}, 12, multi_label=True) == []


@pytest.mark.parametrize("label", ["None", "NA", "unlabeled", "Unlabelled", "TODO", "tbd", "NaN", "-", "--", "n.a."])
def test_what_says_that_nobody_has_given_a_label_is_told(label: str) -> None:
    (told,) = label_findings({label: 5, "pos": 20, "neg": 20}, 45, multi_label=False)
    assert told.startswith(f"the label {label!r} (5 rows) often says that a row has no label; --unlabelled {label} ")


def test_such_a_label_with_a_space_is_quoted_for_the_shell() -> None:
    (told,) = label_findings({"no label": 5, "pos": 20}, 25, multi_label=False)
    assert "--unlabelled 'no label' leaves such rows out" in told
    (told,) = label_findings({"(null)": 5, "pos": 20}, 25, multi_label=False)
    assert "--unlabelled '(null)' leaves such rows out" in told


def test_minus_one_is_told_among_numbers_with_points_and_minus_beside_plus_is_a_label() -> None:
    (told,) = label_findings({"-1.0": 5, "0.0": 20, "1.0": 9}, 34, multi_label=False)
    assert told.startswith("the label '-1.0' (5 rows) often says that a row has no label; --unlabelled -1.0 ")
    assert label_findings({"-1": 5, "-1.5": 20, "1": 9}, 34, multi_label=False) == []
    assert label_findings({"+": 5, "-": 20}, 25, multi_label=False) == []


@pytest.mark.parametrize("label", ["\ufeffneg", "neg ", "\u00a0neg", "ne\u00adg", "\tneg"])
def test_what_stands_around_a_label_is_told_where_no_other_is_the_same_without_it(label: str) -> None:
    """Answers would have it, and nobody who compares them would know."""
    (told,) = label_findings({"pos": 20, label: 20}, 40, multi_label=False)
    assert told == (
        f"one label has spaces at an end or invisible characters, and answers would have them too ({label!r}); "
        "--label-strip takes them away"
    )
    (told,) = label_findings({label: 20, "pos ": 20}, 40, multi_label=True)
    assert told.startswith("2 labels have spaces at an end or invisible characters")
    (told,) = label_findings({"neg": 20, label: 20}, 40, multi_label=False)
    assert told.startswith("these labels differ by spaces")


@pytest.mark.parametrize("label", ["\u0645\u06cc\u200c\u0631\u0648\u0645", "\u2764\ufe0f", "rock 'n' roll"])
def test_what_belongs_to_a_label_is_not_told(label: str) -> None:
    """A joiner between letters, the selector of an emoji, a space inside."""
    assert label_findings({"pos": 20, label: 20}, 40, multi_label=False) == []


@pytest.mark.parametrize("quotes", ['""', "''", "\u201c\u201d"])
def test_quotes_around_all_labels_are_told(quotes: str) -> None:
    labels = [f"{quotes[0]}{label}{quotes[1]}" for label in ("pos", "neg")]
    (told,) = label_findings(dict.fromkeys(labels, 9), 18, multi_label=False)
    assert told.startswith("all labels stand in quotes, and answers would, too (")
    assert label_findings({labels[0]: 9, "neg": 9}, 18, multi_label=False) == []


@pytest.mark.parametrize(
    ("labels", "pairs"),
    [
        (("true", "false", "1", "0"), "true/false and 1/0"),
        (("Yes", "no", "N", "Y"), "yes/no and y/n"),
        (("True", "false", "0"), "true/false and 1/0"),
    ],
)
def test_yes_and_no_in_several_spellings_are_told(labels: tuple[str, ...], pairs: str) -> None:
    (told,) = label_findings(dict.fromkeys(labels, 9), 9 * len(labels), multi_label=False)
    assert told.startswith(f"labels say yes and no in several ways ({pairs}): ")
    assert label_findings(dict.fromkeys(["true", "false", "1", "2"], 9), 36, multi_label=False) == []
    assert label_findings({"1": 9, "0": 9}, 18, multi_label=False) == []


@pytest.mark.parametrize("label", ["['a', 'b']", '["a", "b"]', "{'a', 'b'}", "( 'a', 'b' )"])
def test_a_single_label_that_is_written_as_a_list_is_told(label: str) -> None:
    (told,) = label_findings({label: 9, "a": 9, "b": 9}, 27, multi_label=False)
    assert told.startswith("labels look like lists written as text (")
    assert label_findings({"[deleted]": 9, "(other)": 9, "a": 9}, 27, multi_label=True) == []
    assert label_findings({"[deleted]": 9, "a": 9}, 18, multi_label=False) == []


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"caf\u00e9": 9, "cafe": 3}, "accents alone: 'caf\u00e9' 9, 'cafe' 3"),
        ({"\u0130zmir": 9, "izmir": 3}, "accents alone: '\u0130zmir' 9, 'izmir' 3"),
        ({"R&B": 9, "R&amp;B": 3}, "marks alone: 'R&B' 9, 'R&amp;B' 3"),
    ],
)
def test_labels_that_are_the_same_without_accents_or_entities_are_told(counts: dict[str, int], said: str) -> None:
    (told,) = label_findings({**counts, "x": 9}, 21, multi_label=False)
    assert told == f"these labels differ by {said}; write those alike that mean the same"


def test_words_that_are_labels_by_themselves_may_be_parted_by_spaces() -> None:
    """Two such labels at least, as names have spaces too."""
    (told,) = label_findings({"a b": 5, "b c": 5, "a": 9, "b": 9, "c": 9}, 37, multi_label=False)
    assert told == "labels look like several in one string ('a b', 'b c'); --label-separator ' ' reads them as several"
    assert label_findings({"credit card": 5, "credit report": 5, "card": 9}, 19, multi_label=False) == []


def test_a_long_label_is_cut() -> None:
    assert listed_labels({"x" * 5000: 3}) == f"1 label: '{'x' * 59}\u2026' 3"
    assert all(len(told) < 300 for told in label_findings({"x" * 5000: 1, "y" * 5000: 1}, 2, multi_label=False))


@pytest.mark.parametrize("label", ["none", "na", "other", "nano", "nota"])
def test_names_that_may_be_labels_are_not(label: str) -> None:
    assert label_findings({label: 5, "pos": 20, "neg": 20}, 45, multi_label=False) == []


def test_letters_of_another_alphabet_inside_a_word_are_told() -> None:
    """They look the same, and make another label."""
    cyrillic = "p\u043es"
    (told,) = label_findings({"pos": 9, cyrillic: 1000, "neg": 9}, 1018, multi_label=False)
    assert (
        told == f"the label {cyrillic!r} (1,000 rows) has letters of Latin and Cyrillic in one word, which look alike"
    )
    assert label_findings({"\u03bc m": 9, "\u043a\u0438\u043d\u043e film": 9}, 18, multi_label=True) == []
    many = label_findings({f"{letter}\u043e": 9 for letter in "abcde"}, 45, multi_label=True)
    assert len(many) == 3
    assert many[-1].endswith("which look alike; so have 2 more")


@pytest.mark.parametrize("labels", [("b'pos'", "b'neg'"), ('b"a\'s"', "b'b'")])
def test_bytes_that_python_wrote_as_text_are_told(labels: tuple[str, str]) -> None:
    (told,) = label_findings(dict.fromkeys(labels, 9), 18, multi_label=False)
    assert told.startswith("labels look like Python's bytes written as text (")
    assert label_findings({"b'a'": 9, "b": 9}, 18, multi_label=False) == []


@pytest.mark.parametrize(("joined", "option"), [("a;b", "';'"), ("a, b", ","), ("a|b", "'|'"), ("a/b", "/")])
def test_one_string_of_labels_that_are_there_by_themselves_is_told(joined: str, option: str) -> None:
    (told,) = label_findings({joined: 5, "a": 9, "b": 9}, 23, multi_label=False)
    assert (
        told == f"labels look like several in one string ({joined!r}); --label-separator {option} reads them as several"
    )
    assert label_findings({joined: 5, "a": 9, "c": 9}, 23, multi_label=False) == []
