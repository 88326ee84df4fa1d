import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.kernels.compiling import why_no_kernels
from w2vray.text import segmentation
from w2vray.text.fast import segmenting
from w2vray.text.resolution import resolve
from w2vray.text.rules import family
from w2vray.text.segmentation import UNKNOWN_COST, segment, usual_widths, word_cost
from w2vray.text.tokens import tokenizer
from w2vray.text.vocabulary import MISSING, Vocabulary

WORDS = """
的 我 是 爱 北京 手机 中国 国 中 人 北 京 天安门 研究 生命 研究生 命 起源 T恤 苹果 2019 年
の は を に 映画 私 見 た 。 アニメ コンピュータ コンピューター 人々 東京 都 京都 東 とても いい
ฉัน รัก ประเทศไทย ไทย ประเทศ ภาษา น้ำ กิน
"""
CHINESE, JAPANESE, THAI = (line.split() for line in WORDS.strip().splitlines())


@pytest.mark.parametrize(
    ("words", "text", "pieces"),
    [
        pytest.param(CHINESE, "我爱北京天安门", "我 爱 北京 天安门", id="Chinese"),
        pytest.param(CHINESE, "研究生命起源", "研究 生命 起源", id="the likeliest path, not the longest first word"),
        pytest.param(CHINESE, "中国人", "中国 人", id="fewer pieces"),
        pytest.param(CHINESE, "iPhone手机", "iPhone 手机", id="letters beside"),
        pytest.param(CHINESE, "手机iPhone手机X", "手机 iPhone 手机 X", id="letters between"),
        pytest.param(CHINESE, "买T恤", "买 T恤", id="a word of two scripts"),
        pytest.param(CHINESE, "XT恤", "XT 恤", id="not within letters"),
        pytest.param(CHINESE, "2019年", "2019 年", id="digits"),
        pytest.param(CHINESE, "我饕餮手机", "我 饕餮 手机", id="unknown ones together"),
        pytest.param(CHINESE, "饕餮", "饕餮", id="nothing known"),
        pytest.param(CHINESE, "饕餮OK饕", "饕餮 OK 饕", id="unknown ones, but for letters"),
        pytest.param(JAPANESE, "私は映画を見た", "私 は 映画 を 見 た", id="Japanese"),
        pytest.param(JAPANESE, "東京都", "東京 都", id="two readings, the commoner"),
        pytest.param(JAPANESE, "コンピューター", "コンピューター", id="long vowel"),
        pytest.param(JAPANESE, "人々のアニメ", "人々 の アニメ", id="iteration mark"),
        pytest.param(JAPANESE, "𠮷野の映画", "𠮷野 の 映画", id="beyond the basic plane"),
        pytest.param(THAI, "ฉันรักประเทศไทย", "ฉัน รัก ประเทศไทย", id="Thai"),
        pytest.param(THAI, "กินน้ำ", "กิน น้ำ", id="marks above"),
        pytest.param(["กา", "น"], "กานู้", "กา นู้", id="a mark stays with its letter"),
        pytest.param(["သည်", "မြန်မာ"], "မြန်မာသည်", "မြန်မာ သည်", id="Burmese"),
        pytest.param(["ខ្ញុំ", "ស្រឡាញ់"], "ខ្ញុំស្រឡាញ់", "ខ្ញុំ ស្រឡាញ់", id="Khmer"),
        pytest.param(["ຂ້ອຍ", "ຮັກ"], "ຂ້ອຍຮັກ", "ຂ້ອຍ ຮັກ", id="Lao"),
        pytest.param(["film"], "film", "film", id="no such script"),
    ],
)
def test_runs_are_split_as_worked_out_by_hand(words: list[str], text: str, pieces: str) -> None:
    """By the plain model and by the compiled one."""
    vocabulary = Vocabulary.build(words)
    assert segment(vocabulary, [text], stacked=True) == [pieces.split()]
    assert segmenting.segment(vocabulary, [text], stacked=True) == [pieces.split()]


@pytest.mark.parametrize(
    ("words", "text", "apart", "together"),
    [
        pytest.param(["កម្ម", "ករ"], "កម្មករ", "កម្ម ករ", "កម្ម ករ", id="a word of the vocabulary"),
        pytest.param(["រទេស", "ប"], "ប្រទេស", "ប្ រទេស", "ប្រទេស", id="Khmer"),
        pytest.param(["ទេស", "រ"], "ប្រទេស", "ប្ រ ទេស", "ប្រ ទេស", id="the rest is a word"),
        pytest.param(["ဒါ", "ဗု"], "ဗုဒ္ဒါ", "ဗု ဒ္ ဒါ", "ဗု ဒ္ဒါ", id="Burmese"),
    ],
)
def test_a_consonant_below_another_is_not_parted_from_it(
    words: list[str], text: str, apart: str, together: str
) -> None:
    """What stands below is no word by itself; rules of before cut there."""
    vocabulary = Vocabulary.build(words)
    for split in (segment, segmenting.segment):
        assert split(vocabulary, [text], stacked=False) == [apart.split()]
        assert split(vocabulary, [text], stacked=True) == [together.split()]


@pytest.mark.skipif(bool(why_no_kernels()), reason=why_no_kernels() or "kernels can be compiled")
@given(
    words=st.lists(st.text("中国人々ーァｱﾞกาน้ขี่aé1𠮷 ့ក្តမ္", min_size=1, max_size=5), min_size=1, unique=True),
    texts=st.lists(st.text("中国人々ーァｱﾞกาน้ขี่aé1𠮷 ့\u0301ក្តမ္", max_size=40), max_size=5),
    repeated=st.integers(0, 40),
    stacked=st.booleans(),
)
def test_the_compiled_model_equals_the_plain_one(
    words: list[str], texts: list[str], repeated: int, stacked: bool
) -> None:
    """Whatever words the vocabulary has, longer ones than may be found in a run too."""
    vocabulary = Vocabulary.build(sorted({*words, words[0] * repeated or words[0]}))
    texts = [text for text in [*texts, words[0] * 45] if text]
    pieces = segment(vocabulary, texts, stacked=stacked)
    assert segmenting.segment(vocabulary, texts, stacked=stacked) == pieces
    assert ["".join(some) for some in pieces] == texts


@given(
    words=st.lists(st.text("中国人", min_size=1, max_size=4), min_size=1, unique=True),
    text=st.text("中国人大", min_size=1, max_size=9),
)
def test_no_other_path_is_likelier(words: list[str], text: str) -> None:
    """Among all ways to cut a short run; unknown characters cost most, one by one."""
    rank = {word: row for row, word in enumerate(words)}

    def cost(pieces: list[str]) -> float:
        return sum(word_cost(rank[piece]) if piece in rank else UNKNOWN_COST * len(piece) for piece in pieces)

    def cuts(rest: str) -> list[list[str]]:
        if not rest:
            return [[]]
        return [[rest[:size], *others] for size in range(1, len(rest) + 1) for others in cuts(rest[size:])]

    (found,) = segment(Vocabulary.build(words), [text], stacked=True)
    assert cost(found) == min(map(cost, cuts(text)))


def test_a_words_cost_is_the_logarithm_of_its_rank() -> None:
    """In 256ths of a bit, from straight lines between powers of two: within a tenth of a bit of the true one."""
    for row in (0, 1, 6, 100, 12345, 2_000_000, 2**31 - 20):
        assert abs((word_cost(row) - segmentation.PIECE_COST) / 256 - math.log2(row + 10)) < 0.09
    assert word_cost(2**31) < UNKNOWN_COST


def test_a_very_long_run_takes_time_in_proportion_to_its_length() -> None:
    """A million characters, the whole of them unknown, or all of them words."""
    vocabulary = Vocabulary.build(["中" * size for size in (1, 2, 3, 31)])
    (pieces,) = segmenting.segment(vocabulary, ["中" * 310_000], stacked=True)
    assert pieces == ["中" * 31] * 10_000
    assert segmenting.segment(vocabulary, ["国" * 1_000_000], stacked=True) == [["国" * 1_000_000]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ｱﾆﾒ", "アニメ"),
        ("ｶﾞ中", "ガ中"),
        ("\uff2f\uff2b中", "OK中"),
        ("㌔", "キロ"),
        ("น้ำ", "น้ำ"),
        ("中国", "中国"),
        ("\uf900", "\u8c48"),
    ],
)
def test_other_widths_become_the_usual_ones(text: str, expected: str) -> None:
    """And nothing else changes: Thai would come apart."""
    assert usual_widths(text) == expected


@pytest.mark.parametrize(
    ("words", "text", "expected"),
    [
        pytest.param(CHINESE, "我爱北京,中国。", ["我", "爱", "北京", "中国"], id="marks without a row are left out"),
        pytest.param(
            [*CHINESE, "。", ","], "我\uff0c爱。", ["我", ",", "爱", "。"], id="full-width comma as the plain one"
        ),
        pytest.param([*CHINESE, "\uff0c"], "我\uff0c爱", ["我", "\uff0c", "爱"], id="full-width comma as it is"),
        pytest.param(
            [*CHINESE, "iphone"], "我的IPHONE手机", ["我", "的", "iphone", "手机"], id="letters in another case"
        ),
        pytest.param([*CHINESE, "####"], "2020年", ["####", "年"], id="digits masked"),
        pytest.param(JAPANESE, "「私のｱﾆﾒはいい」", ["私", "の", "アニメ", "は", "いい"], id="half-width, in brackets"),
        pytest.param(JAPANESE, "映画・アニメ", ["映画", "アニメ"], id="middle dot"),
        pytest.param(CHINESE, "手机-苹果", ["手机", "苹果"], id="hyphen"),
        pytest.param([*CHINESE, "我爱"], "我爱", ["我爱"], id="whole first"),
        pytest.param(CHINESE, "film", ["film"], id="no such script"),
        pytest.param(["film", "."], "iPhone手机 film 我们", ["iPhone", "手机", "film", "我们"], id="English vectors"),
    ],
)
def test_texts_without_spaces_are_found_in_the_words_of_their_vectors(
    words: list[str], text: str, expected: list[str]
) -> None:
    """Token by token, after every other way to spell one."""
    vocabulary = Vocabulary.build(words)
    rules = family("cased")
    found = resolve(vocabulary, rules, tokenizer(rules)(text))
    assert found.entries == expected
    rows = {word: row for row, word in enumerate(words)}
    assert found.rows_E.tolist() == [rows.get(entry, MISSING) for entry in expected]
