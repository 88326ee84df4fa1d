import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.text import coverage as coverage_module
from w2vray.text.coverage import Coverage, measure_coverage
from w2vray.text.lookup import Ids, Lookup
from w2vray.text.rules import TokenRules, family
from w2vray.text.tokens import tokenizer
from w2vray.text.vocabulary import MISSING, Vocabulary

PLAIN, GLOVE = family("plain"), family("glove")
WORDS = ["good", "film", "e-mail", "mail", "new", "."]
TEXTS = ["A good film.", "", "Re-mail new e-mail", "zzz"]
NO_ROWS: list[int] = []

PIECES = ["good", "film", "mail", "e", "new", "re", "zzz", "don't", "-", "/", "&", "--", " ", " ", ".", "\n", "é", "日"]
texts = st.lists(st.lists(st.sampled_from(PIECES), max_size=8).map("".join), max_size=5)
vocabularies = st.lists(
    st.sampled_from(["good", "film", "mail", "e", "e-mail", "new", "re/new", "don't", "-", ".", "é", "do", "n't"]),
    min_size=1,
    unique=True,
)
oov_choices = st.sampled_from(["skip", "zero", "unknown", "subword"])
families = st.sampled_from([PLAIN, GLOVE])
least_lengths = st.integers(1, 4)


def made(
    words: list[str], oov: str, rules: TokenRules = GLOVE, replaced: list[int] = NO_ROWS, least: int = 0
) -> Lookup:
    """A look-up in a table of these words; only of so many letters at least do words have n-grams."""
    covers = (lambda word: len(word) >= least) if least else None
    return Lookup(Vocabulary.build(words), rules, oov, np.array(replaced, dtype=np.int64), covers)


def listed(ids: Ids) -> list[list[int]]:
    """The ids of each text, checked for their types and sizes."""
    assert [array.dtype for array in (ids.ids_L, ids.offsets_N1)] == [np.int32, np.int64]
    assert [array.dtype for array in (ids.token_counts_N, ids.found_counts_N)] == [np.int32, np.int32]
    assert len(ids) == len(ids.found_counts_N) == len(ids.offsets_N1) - 1
    assert ids.lengths_N.tolist() == np.diff(ids.offsets_N1).tolist()
    assert (ids.offsets_N1[0], ids.offsets_N1[-1]) == (0, len(ids.ids_L))
    return [part.tolist() for part in np.split(ids.ids_L, ids.offsets_N1[1:-1])] if len(ids) else []


def tokens(find: Lookup, text: str) -> list[tuple[str, bool]]:
    """Each token of a text as it is resolved, and whether it has a vector."""
    found = find.resolve(tokenizer(find.rules)(text))
    return list(zip(found.entries, (found.rows_E != MISSING).tolist(), strict=True))


def model_entries(words: list[str], rules: TokenRules, text: str) -> list[str]:
    """What a text's tokens resolve to: an unknown one is split where the rules say so."""
    entries: list[str] = []
    for token in tokenizer(rules)(text):
        marks = rules.split_unknown
        parts = [part for part in re.split(f"[{re.escape(marks)}]", token) if part] if marks else []
        entries += parts if token not in words and len(parts) > 1 else [token]
    return entries


def model_ids(words: list[str], oov: str, replaced: list[int], entries: list[str], made: list[str]) -> list[int]:
    """The ids of a text's entries; with sub-words, ``made`` gathers the words that rows are made for."""
    special = len(words)
    first_replacing = special + (oov in {"zero", "unknown"})
    ids = []
    for entry in entries:
        if entry not in words and oov == "subword":
            if entry not in made:
                made.append(entry)
            ids.append(special + len(replaced) + made.index(entry))
        elif entry not in words:
            ids += [] if oov == "skip" else [special]
        else:
            row = words.index(entry)
            ids.append(first_replacing + replaced.index(row) if row in replaced else row)
    return ids


@pytest.mark.parametrize(
    ("oov", "expected"),
    [
        pytest.param("skip", [[0, 1, 5], [], [3, 4, 2], []], id="skip"),
        pytest.param("zero", [[6, 0, 1, 5], [], [6, 3, 4, 2], [6]], id="zero"),
        pytest.param("unknown", [[6, 0, 1, 5], [], [6, 3, 4, 2], [6]], id="unknown"),
    ],
)
def test_glove_texts_have_the_ids_worked_out_by_hand(oov: str, expected: list[list[int]]) -> None:
    """Six words: 6 is the special row. `e-mail` has a row and stays whole, `re-mail` has none and is split."""
    ids = made(WORDS, oov)(TEXTS)
    assert listed(ids) == expected
    assert ids.token_counts_N.tolist() == [4, 0, 4, 1]
    assert ids.found_counts_N.tolist() == [3, 0, 3, 0]


@pytest.mark.parametrize(
    ("oov", "expected"), [("skip", [[0, 1], [], [3, 4, 3], []]), ("zero", [[6, 0, 1], [], [6, 3, 4, 6, 3], [6]])]
)
def test_plain_texts_have_the_ids_worked_out_by_hand(oov: str, expected: list[list[int]]) -> None:
    """The full stop is no token, and hyphens part words before the look-up."""
    ids = made(WORDS, oov, PLAIN)(TEXTS)
    assert listed(ids) == expected
    assert ids.token_counts_N.tolist() == [3, 0, 5, 1]
    assert ids.found_counts_N.tolist() == [2, 0, 3, 0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("re-new", [("re", False), ("new", True)], id="one-part-known"),
        pytest.param("mail/new&good", [("mail", True), ("new", True), ("good", True)], id="every-mark"),
        pytest.param("x-y", [("x", False), ("y", False)], id="no-part-known"),
        pytest.param("e-mail", [("e-mail", True)], id="known-whole"),
        pytest.param("zzz", [("zzz", False)], id="nothing-to-split"),
        pytest.param("- -- /", [("-", False), ("--", False), ("/", False)], id="marks-alone-stay"),
        pytest.param("New-New-", [("new", True), ("new", True), ("-", False)], id="same-part-twice"),
        pytest.param("", [], id="empty"),
    ],
)
def test_tokens_tell_what_each_word_was_resolved_to(text: str, expected: list[tuple[str, bool]]) -> None:
    """A hyphenated word without a row is read as its parts, whether they have rows or not."""
    assert tokens(made(WORDS, "skip"), text) == expected


def test_plain_words_are_never_split() -> None:
    """Its rules name no mark to split at."""
    assert tokens(made(["don", "t"], "zero", PLAIN), "don't") == [("don't", False)]


@pytest.mark.parametrize(
    ("oov", "replaced", "expected"),
    [
        pytest.param("skip", [1, 4], [[0, 6, 5], [], [3, 7, 2], []], id="skip"),
        pytest.param("zero", [1, 4], [[6, 0, 7, 5], [], [6, 3, 8, 2], [6]], id="zero"),
        pytest.param("unknown", [0, 5], [[6, 7, 1, 8], [], [6, 3, 4, 2], [6]], id="first-and-last-row"),
        pytest.param("skip", [0, 1, 2, 3, 4, 5], [[6, 7, 11], [], [9, 10, 8], []], id="every-row"),
    ],
)
def test_replaced_rows_get_the_ids_of_the_overlay(oov: str, replaced: list[int], expected: list[list[int]]) -> None:
    """The overlay stands behind the table: the special row first, where there is one, then the replaced rows."""
    ids = made(WORDS, oov, GLOVE, replaced)(TEXTS)
    assert listed(ids) == expected
    assert ids.token_counts_N.tolist() == [4, 0, 4, 1]
    assert ids.found_counts_N.tolist() == [3, 0, 3, 0]


def test_with_subwords_each_unknown_word_has_a_row_of_its_own() -> None:
    """Behind the table and the overlay, in order of first sight; a word that is split has one for each part."""
    ids = made(WORDS, "subword", GLOVE, [1, 4])(["zzz a film zzz", "", "x-zzz", "new"])
    assert listed(ids) == [[8, 9, 6, 8], [], [10, 8], [7]]
    assert ids.made_words == ("zzz", "a", "x")
    assert ids.token_counts_N.tolist() == [4, 0, 2, 1]
    assert ids.found_counts_N.tolist() == [1, 0, 0, 1]
    assert ids.evidence_N.tolist() == [True, False, True, True]


def test_with_subwords_a_word_without_ngrams_is_skipped() -> None:
    """Nothing is known of it: it counts as a token, and is no evidence; a block of such words alone has none either."""
    find = made(WORDS, "subword", GLOVE, [1, 4], least=3)
    ids = find(["zz a film zzz", "zz", "x-zzzz", "new zz", "zz zz"])
    assert listed(ids) == [[6, 8], [], [9], [7], []]
    assert ids.made_words == ("zzz", "zzzz")
    assert ids.token_counts_N.tolist() == [4, 1, 2, 2, 2]
    assert ids.found_counts_N.tolist() == [1, 0, 0, 1, 0]
    assert ids.evidence_N.tolist() == [True, False, True, True, False]
    assert find(["zz", "new"]).evidence_N.tolist() == [False, True]


@pytest.mark.parametrize("oov", ["skip", "zero", "unknown"])
def test_the_special_row_is_no_evidence(oov: str) -> None:
    """It stands for all words that nothing is known of."""
    assert made(WORDS, oov)(["zzz", "", "a film", "zzz good"]).evidence_N.tolist() == [False, False, True, True]


@pytest.mark.parametrize(("oov", "special"), [("skip", None), ("zero", 6), ("unknown", 6), ("subword", None)])
def test_the_special_id_is_the_first_behind_the_table(oov: str, special: int | None) -> None:
    """Where words without a vector are skipped there is none."""
    assert made(WORDS, oov).special_id == special


@pytest.mark.parametrize("oov", ["skip", "zero", "unknown", "subword"])
@pytest.mark.parametrize("replaced", [[], [1, 4]], ids=["no overlay", "overlay"])
@pytest.mark.parametrize("nothing", [[], [""], ["", "", " \n"]], ids=["no text", "empty text", "empty texts"])
def test_texts_without_tokens_have_no_ids(oov: str, replaced: list[int], nothing: list[str]) -> None:
    """An empty batch and empty texts are as good as others."""
    ids = made(WORDS, oov, GLOVE, replaced)(nothing)
    assert listed(ids) == [[] for _ in nothing]
    assert ids.token_counts_N.tolist() == ids.found_counts_N.tolist() == [0] * len(nothing)


@pytest.mark.parametrize(("oov", "expected"), [("skip", [[], []]), ("unknown", [[2, 2], [2]])])
def test_texts_without_a_known_word_are_counted(oov: str, expected: list[list[int]]) -> None:
    """They are no evidence under any ``oov``: what was found counts, not how many ids there are."""
    ids = made(["a", "b"], oov)(["x y", "z"])
    assert listed(ids) == expected
    assert ids.token_counts_N.tolist() == [2, 1]
    assert ids.found_counts_N.tolist() == [0, 0]


@given(values=texts, words=vocabularies, oov=oov_choices, rules=families, least=least_lengths, data=st.data())
def test_look_up_equals_a_plain_model(
    *, values: list[str], words: list[str], oov: str, rules: TokenRules, least: int, data: st.DataObject
) -> None:
    """Ids, counts and evidence, under each ``oov``, with any rows replaced, and of any words without n-grams."""
    replaced = sorted(data.draw(st.sets(st.integers(0, len(words) - 1))))
    ids = made(words, oov, rules, replaced, least)(values)
    entries = [model_entries(words, rules, text) for text in values]
    made_words: list[str] = []
    kept = [
        [entry for entry in there if oov != "subword" or entry in words or len(entry) >= least] for there in entries
    ]
    assert listed(ids) == [model_ids(words, oov, replaced, there, made_words) for there in kept]
    assert ids.made_words == tuple(made_words)
    assert ids.evidence_N.tolist() == [any(entry in {*words, *made_words} for entry in there) for there in entries]
    assert ids.token_counts_N.tolist() == [len(there) for there in entries]
    assert ids.found_counts_N.tolist() == [sum(entry in words for entry in there) for there in entries]


@given(values=texts, words=vocabularies, oov=oov_choices, rules=families, least=least_lengths)
def test_a_text_has_the_same_ids_alone_as_among_others(
    values: list[str], words: list[str], oov: str, rules: TokenRules, least: int
) -> None:
    """What a row is scored with depends on the row alone."""
    find = made(words, oov, rules, least=least)
    assert written(find, values) == [written(find, [text])[0] for text in values]


def written(find: Lookup, values: list[str]) -> list[list[int | str]]:
    """The ids of each text, and in place of the id of a made row its word: they are numbered within a block."""
    ids, rows = find(values), len(find.vocabulary)
    first = rows + (find.special_id is not None)
    return [
        [ids.made_words[id_ - first] if ids.made_words and id_ >= first else id_ for id_ in text]
        for text in listed(ids)
    ]


@given(values=texts, words=vocabularies, rules=families)
def test_tokens_agree_with_the_counts(values: list[str], words: list[str], rules: TokenRules) -> None:
    """What words are resolved to is what was counted."""
    find = made(words, "skip", rules)
    ids = find(values)
    told = [tokens(find, text) for text in values]
    assert [len(there) for there in told] == ids.token_counts_N.tolist()
    assert [sum(known for _, known in there) for there in told] == ids.found_counts_N.tolist()


@given(values=texts, skipped=texts, words=vocabularies)
def test_arrow_arrays_are_read_as_lists_are(values: list[str], skipped: list[str], words: list[str]) -> None:
    """Slices too."""
    find = made(words, "zero")
    array = pa.array(skipped + values, pa.large_string())[len(skipped) :]
    assert listed(find(array)) == listed(find(values))


def test_other_spellings_have_the_ids_of_the_rows_found() -> None:
    """A word found under another spelling counts as found, and keeps its place in the text."""
    find = made(["John", "film", "e_mail", "##th"], "zero", family("googlenews"))
    ids = find(["John's 10th FILM: an e-mail, a film-maker"])
    assert listed(ids) == [[0, 3, 1, 4, 2, 4, 1, 4]]
    assert (ids.token_counts_N.tolist(), ids.found_counts_N.tolist()) == ([8], [5])
    assert tokens(find, "John's FILM-maker") == [("John", True), ("film", True), ("maker", False)]


def test_the_vocabulary_is_only_read() -> None:
    """Its arrays may be shared by all workers of a node, and a mistaken write would reach them all."""
    vocabulary = Vocabulary.build(WORDS)
    for array in (vocabulary.blob, vocabulary.offsets, vocabulary.slot_rows, vocabulary.slot_tags):
        array.flags.writeable = False
    find = Lookup(vocabulary, GLOVE, "zero", np.array([1]))
    assert listed(find(TEXTS)) == [[6, 0, 7, 5], [], [6, 3, 4, 2], [6]]


def test_coverage_is_the_one_counted_by_hand() -> None:
    """Missing words with their counts, the commonest first; a split word counts as its parts."""
    arrays = [pa.array(TEXTS, pa.large_string()), pa.array(["re-new zzz, zzz"], pa.large_string())]
    coverage = measure_coverage(Vocabulary.build(WORDS), GLOVE, arrays)
    missing = {"zzz": 3, "re": 2, "a": 1, ",": 1}
    assert coverage == Coverage(tokens=14, found=7, found_by={"exact": 5, "split": 2}, missing=missing)
    assert coverage.as_dict() == {
        "tokens": 14,
        "found": 7,
        "coverage": 0.5,
        "found_by": {"exact": 5, "split": 2},
        "missing": missing,
    }


@given(batches=st.lists(texts, max_size=4), words=vocabularies, rules=families, listed_words=st.integers(0, 5))
def test_coverage_equals_a_plain_count(
    batches: list[list[str]], words: list[str], rules: TokenRules, listed_words: int
) -> None:
    """However the texts are cut into arrays."""
    entries = [entry for batch in batches for text in batch for entry in model_entries(words, rules, text)]
    missing = Counter(entry for entry in entries if entry not in words)
    arrays = [pa.array(batch, pa.large_string()) for batch in batches]
    coverage = measure_coverage(Vocabulary.build(words), rules, arrays, words=listed_words)
    assert (coverage.tokens, coverage.found) == (len(entries), len(entries) - missing.total())
    assert all(missing[word] == number for word, number in coverage.missing.items())
    assert list(coverage.missing.values()) == sorted(missing.values(), reverse=True)[:listed_words]


def test_coverage_of_nothing_is_none() -> None:
    """No token, no division by zero."""
    coverage = measure_coverage(Vocabulary.build(WORDS), GLOVE, [])
    assert (coverage.tokens, coverage.found, coverage.coverage, coverage.missing) == (0, 0, 0.0, {})


def test_rare_missing_words_are_forgotten_and_common_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded; a word that is common from the start is counted right."""
    monkeypatch.setattr(coverage_module, "_MISSING_WORDS", 4)
    arrays = [
        pa.array([f"often often seldom{number} rare{number} once{number}"], pa.large_string()) for number in range(9)
    ]
    coverage = measure_coverage(Vocabulary.build(["known"]), PLAIN, arrays, words=1)
    assert coverage.missing == {"often": 18}
    assert (coverage.tokens, coverage.found) == (45, 0)
    assert MISSING not in coverage.missing.values()


def test_a_missing_word_that_was_forgotten_is_counted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too low, then, and never too high; how many tokens there are is right all the same."""
    monkeypatch.setattr(coverage_module, "_MISSING_WORDS", 4)
    arrays = [pa.array([text], pa.large_string()) for text in ("a a b b c c d d late", "late late late")]
    coverage = measure_coverage(Vocabulary.build(["known"]), PLAIN, arrays, words=1)
    assert coverage.missing == {"late": 3}
    assert coverage.tokens == 12
