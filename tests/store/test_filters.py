import datetime as dt
import pickle
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.errors import ConfigError
from w2vray.store.filters import parse_where

ROWS = pa.table(
    {
        "row": [0, 1, 2, 3],
        "lang": ["en", "de", None, "en"],
        "year": pa.array([2019, 2020, 2021, None], pa.int32()),
        "score": [0.5, -2.5, None, 9.0],
        "flag": [True, False, None, True],
        "kind": pa.array(["a", "b", None, "a"]).dictionary_encode(),
        "the name": ["x", "y", "x", "y"],
        "größe": [1, 2, 3, 4],
    }
)


def selected(text: str) -> list[int]:
    """The rows of the small table that a condition leaves in, alike of a table and of a batch."""
    where = parse_where(text).fitted(ROWS.schema)
    rows: list[int] = ROWS.filter(where.expression)["row"].to_pylist()
    (batch,) = ROWS.to_batches()
    assert batch.filter(where.expression).column("row").to_pylist() == rows
    return rows


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("lang == 'en'", [0, 3]),
        ("'en' == lang", [0, 3]),
        ("lang != 'en'", [1]),
        ("year < 2020", [0]),
        ("year <= 2020", [0, 1]),
        ("year > 2020", [2]),
        ("year >= 2020", [1, 2]),
        ("2019 < year <= 2021", [1, 2]),
        ("2019 < year < 2021 != 5", [1]),
        ("score == -2.5", [1]),
        ("score > -3", [0, 1, 3]),
        ("year == 2020.0", [1]),
        ("year == 9999999999", []),
        (f"year < {10**30}", [0, 1, 2]),
        (f"year in [2019, {10**30}]", [0]),
        ("'a' == 'a'", [0, 1, 2, 3]),
        ("1 < 2 < year", [0, 1, 2]),
        ("flag", [0, 3]),
        ("not flag", [1]),
        ("flag == True", [0, 3]),
        ("flag != True", [1]),
        ("kind == 'a'", [0, 3]),
        ("lang == 'en' and year == 2019", [0]),
        ("lang == 'de' or year == 2019", [0, 1]),
        ("lang == 'de' or year == 2019 and flag", [0, 1]),
        ("(lang == 'de' or year == 2019) and flag", [0]),
        ("not (lang == 'de' or year == 2019)", []),
        ("lang in ['en', 'fr']", [0, 3]),
        ("lang in ('en', 'de')", [0, 1, 3]),
        ("year in [2019, 2021]", [0, 2]),
        ("year in [2019.0, 2020.5]", [0]),
        ("score in [-2.5]", [1]),
        ("kind in ['b']", [1]),
        ("lang is None", [2]),
        ("lang is not None", [0, 1, 3]),
        ("lang is None or year is None", [2, 3]),
        ("col('the name') == 'x'", [0, 2]),
        ('col("lang") == col("lang")', [0, 1, 3]),
        ("größe >= 3", [2, 3]),
        ("  lang == 'en'\n", [0, 3]),
        ("lang < 'en'", [1]),
        ("1 == 1", [0, 1, 2, 3]),
        ("1 == 2", []),
    ],
)
def test_a_condition_selects_the_rows_for_which_it_holds(text: str, rows: list[int]) -> None:
    assert selected(text) == rows


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("lang not in ['en']", [1]),
        ("not (lang in ['en'])", [1]),
        ("not (lang not in ['en'])", [0, 3]),
        ("kind not in ['a']", [1]),
        ("year not in [2019]", [1, 2]),
        ("not (year == 2019)", [1, 2]),
        ("year != 2019", [1, 2]),
        ("lang not in ['en'] or year == 2021", [1, 2]),
        ("lang not in ['en'] and year == 2021", []),
    ],
)
def test_a_missing_value_leaves_a_row_out_of_a_condition_and_of_its_opposite(text: str, rows: list[int]) -> None:
    assert selected(text) == rows


@given(wanted=st.lists(st.sampled_from(["en", "de", "fr"]), min_size=1, max_size=3))
def test_membership_is_equality_with_one_of_the_list(wanted: list[str]) -> None:
    equal = " or ".join(f"lang == {word!r}" for word in wanted)

    assert selected(f"lang in {wanted!r}") == selected(equal)
    assert selected(f"lang not in {wanted!r}") == selected(f"not ({equal})")


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("lang == 'en' and 2020 <= year", ("lang", "year")),
        ("year > 1 and lang == 'x' and year < 5", ("year", "lang")),
        ("col('the name') is None or flag", ("the name", "flag")),
        ("kind in ['a'] and not flag", ("kind", "flag")),
        ("1 == 1", ()),
    ],
)
def test_the_columns_of_a_condition_are_known_each_once_in_their_order(text: str, columns: tuple[str, ...]) -> None:
    where = parse_where(text)

    assert where.columns == columns
    assert where.text == text


def test_a_condition_can_be_sent_to_another_process() -> None:
    where = parse_where("lang not in ['en'] or 2019 <= year < 2020").fitted(ROWS.schema)

    received = pickle.loads(pickle.dumps(where))

    assert ROWS.filter(received.expression).equals(ROWS.filter(where.expression))
    assert received.columns == where.columns


DEEP = 20_000

REFUSED = {
    "call": "print('x')",
    "method call": "lang.startswith('e')",
    "attribute": "lang.upper == 'EN'",
    "dunder": "lang.__class__ == 'x'",
    "dunder of a constant": "().__class__.__bases__[0].__subclasses__()",
    "dunder import": "__import__('os').system('true')",
    "eval": "eval('1')",
    "call compared": "len(lang) > 2",
    "col of two": "col('a', 'b') == 1",
    "col by name": "col(name='a') == 1",
    "col of a number": "col(1) == 1",
    "col of a column": "col(lang) == 1",
    "col of nothing": "col() == 1",
    "col of a star": "col(*['a']) == 1",
    "col called twice": "col('a')('b') == 1",
    "lambda": "(lambda: lang)()",
    "lambda alone": "lambda: lang",
    "f-string": "lang == f'{year}'",
    "f-string that calls": "lang == f'{print(1)}'",
    "assignment": "lang = 'en'",
    "assignment expression": "(lang := 'en')",
    "statement": "import os",
    "two statements": "lang == 'en'; flag",
    "two lines": "lang == 'en'\nflag",
    "subscript": "lang[0] == 'e'",
    "slice": "lang[:1] == 'e'",
    "comprehension": "lang in [x for x in ['en']]",
    "comprehension alone": "[x for x in lang]",
    "starred list": "lang in [*['en']]",
    "set": "lang in {'en'}",
    "dictionary": "lang in {'en': 1}",
    "string as list": "lang in 'en'",
    "column as list": "lang in kind",
    "column in list": "lang in [kind]",
    "none in list": "lang in [None]",
    "constant in list": "'en' in ['en']",
    "empty list": "lang in []",
    "empty tuple": "year not in ()",
    "constant in list at the end of a chain": "lang == 'en' in ['en']",
    "conditional": "flag if flag else lang",
    "sum": "year + 1 == 2020",
    "power": "year == 9 ** 9 ** 9",
    "product of strings": "lang == 'a' * 1000000000",
    "bitwise": "flag & flag",
    "inverted": "~flag",
    "plus sign": "year == +1",
    "two signs": "year == --1",
    "negative column": "year == -year",
    "equal to none": "lang == None",
    "not equal to none": "lang != None",
    "none equal": "None == lang",
    "is a value": "lang is 'en'",
    "none is": "None is lang",
    "is true": "flag is True",
    "constant alone": "1",
    "string alone": "'lang'",
    "true alone": "True",
    "none alone": "None",
    "not a constant": "not 1",
    "and a constant": "flag and 1",
    "tuple": "(lang, flag)",
    "bytes": "lang == b'en'",
    "complex": "score == 1j",
    "ellipsis": "lang == ...",
    "await": "await lang",
    "yield": "(yield lang)",
    "empty": "",
    "spaces": "   ",
    "unfinished": "lang ==",
    "open bracket": "(lang == 'en'",
    "shell notation": "lang = 'en' AND year > 3",
    "null byte": "lang == '\0'",
    "surrogate in the text": "lang == '\ud800'",
    "surrogate by escape": "lang == '\\ud800'",
    "surrogate in a list": "lang in ['\\ud800']",
    "list of two kinds": "year in [1, 'a']",
    "list of truth and number": "year in [True, 1]",
    "not many times": "not " * 2000 + "flag",
    "not very many times": "not " * DEEP + "flag",
    "brackets": "(" * DEEP + "flag" + ")" * DEEP,
    "brackets left open": "(" * DEEP,
    "lists": "lang in " + "[" * DEEP + "]" * DEEP,
    "signs": "year == " + "-" * DEEP + "1",
    "attributes": "lang" + ".x" * DEEP + " == 1",
    "chain of or": " or ".join(["flag"] * DEEP),
    "chain of and": " and ".join(["year == 1"] * DEEP),
    "chain of comparisons": "1" + " < year" * DEEP,
    "conditions one too many": " or ".join(["year == 1"] * 1001),
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_whatever_else_is_refused_naming_the_condition(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_where(text)

    assert f"--where {text!r}" in str(refused.value)


def test_the_part_that_is_not_allowed_is_named() -> None:
    with pytest.raises(ConfigError) as refused:
        parse_where("größe == 1 and lang.upper() == 'EN'")

    assert "'lang.upper()' is not allowed" in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('pathlib').Path({trace!r}).touch()",
        "lang == __import__('pathlib').Path({trace!r}).touch()",
        "lang in [__import__('os').mkdir({trace!r})]",
        "lang == f\"{{__import__('os').mkdir({trace!r})}}\"",
        "(lambda: __import__('os').mkdir({trace!r}))()",
        "[__import__('os').mkdir({trace!r}) for _ in [1]] == lang",
        "col(__import__('os').mkdir({trace!r})) == 1",
    ],
)
def test_nothing_is_executed(text: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    condition = text.format(trace=str(trace))

    with pytest.raises(ConfigError):
        parse_where(condition)

    assert not trace.exists()
    eval(condition, {"lang": "", "col": str})  # it would have worked
    assert trace.exists()


def test_many_conditions_are_evaluated_and_not_only_parsed() -> None:
    many = " or ".join([f"year == {year}" for year in range(1200, 2020)])

    assert selected(many) == [0]
    assert selected(" and ".join([f"year != {year}" for year in range(1200, 2020)])) == [1, 2]
    assert selected("not " * 500 + "flag") == [0, 3]
    assert selected(f"year in {list(range(100_000))}") == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("lang == 1", "column 'lang' is string, and 1 is a number; write a text, such as lang == '2020'"),
        ("year == '2020'", "column 'year' is int32, and '2020' is a text; write a number, such as year >= 2020"),
        ("year == True", "column 'year' is int32, and True is a truth value; write a number"),
        ("flag == 1", "column 'flag' is bool, and 1 is a number; write flag == True"),
        ("lang", "string"),
        ("year", "int32"),
        ("not year", "int32"),
        ("year and flag", "int32"),
        ("lang < year", "string"),
        ("lang in [1, 2]", "column 'lang' is string, and 1 is a number"),
        ("year in ['many']", "column 'year' is int32, and 'many' is a text"),
        ("nowhere == 1", "nowhere"),
        ("flag and nowhere is None", "nowhere"),
        ("col('the  name') == 'x'", "the  name"),
    ],
)
def test_a_condition_that_does_not_fit_the_columns_is_refused_before_any_row_is_read(text: str, reason: str) -> None:
    where = parse_where(text)

    with pytest.raises(ConfigError) as refused:
        where.fitted(ROWS.schema)

    message = str(refused.value)
    assert message.startswith(f"--where {text!r}")
    assert reason in message
    assert "\n" not in message


@given(text=st.text(alphabet="langyer =<>!()[]'\"12,.:*-+@%^~{}\\not_in\n", max_size=25) | st.text(max_size=12))
def test_any_text_is_a_condition_or_is_refused(text: str) -> None:
    try:
        where = parse_where(text).fitted(ROWS.schema)
        rows = len(ROWS.filter(where.expression))
    except ConfigError as error:
        rows, message = 0, str(error)
    else:
        message = repr(text)

    assert repr(text) in message
    assert rows <= len(ROWS)


def test_what_cannot_be_computed_of_the_values_is_told_by_the_condition() -> None:
    """No type is known of which that is so; another version of Arrow may have one."""
    where = parse_where("n == 1").fitted(pa.schema([("n", pa.int64())]))

    with pytest.raises(ConfigError, match=r"--where 'n == 1' cannot be computed for the store's values: "):
        where.rows(pa.record_batch({"n": pa.array(["a"])}))


DATED = pa.table(
    {
        "day": pa.array([dt.date(2023, 12, 31), dt.date(2024, 1, 1), None], pa.date32()),
        "at": pa.array([dt.datetime(2023, 12, 31, 23), dt.datetime(2024, 1, 1, 12), None], pa.timestamp("ns")),
        "instant": pa.array(
            [dt.datetime(2023, 12, 31, 23), dt.datetime(2024, 1, 1, 12), None], pa.timestamp("us", "UTC")
        ),
        "time": pa.array([dt.time(9), dt.time(12, 30), None], pa.time32("s")),
        "price": pa.array([Decimal("1.50"), Decimal("2.50"), None], pa.decimal128(9, 2)),
    }
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("day >= '2024-01-01'", [1]),
        ("'2024-01-01' > day", [0]),
        ("day in ['2023-12-31', '2024-01-01']", [0, 1]),
        ("day not in ['2023-12-31']", [1]),
        ("'2023-12-01' <= day < '2024-01-01'", [0]),
        ("at > '2024-01-01'", [1]),
        ("at == '2024-01-01 12:00:00'", [1]),
        ("instant > '2024-01-01T00:00:00+00:00'", [1]),
        ("instant > '2024-01-01 12:30:00+01:00'", [1]),
        ("instant > '2024-01-01'", [1]),
        ("time >= '12:30:00'", [1]),
        ("price > 2", [1]),
        ("price <= 1.5", [0]),
    ],
)
def test_dates_times_and_decimals_are_compared_as_such(text: str, expected: list[int]) -> None:
    where = parse_where(text).fitted(DATED.schema)
    batch = DATED.append_column("row", pa.array([0, 1, 2])).combine_chunks().to_batches()[0]

    assert where.rows(batch)["row"].to_pylist() == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("day > 2024", "column 'day' is date32[day], and 2024 is a number; write a date, such as day >= '2024-01-31'"),
        ("day > '2024'", "'2024' cannot be a value of it; write a date"),
        ("day > '31.12.2024'", "'31.12.2024' cannot be a value of it"),
        (
            "at > 'noon'",
            "column 'at' is timestamp[ns], and 'noon' cannot be a value of it; write a time, such as at >= '2024-",
        ),
        ("at > '2024-01-01 00:00:00+01:00'", "cannot be a value of it"),
        ("time > '2024-01-01'", "write a time, such as time >= '12:30:00'"),
        ("price > 'cheap'", "column 'price' is decimal128(9, 2), and 'cheap' is a text; write a number"),
    ],
)
def test_a_constant_that_is_no_value_of_its_column_is_refused_with_the_type(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_where(text).fitted(DATED.schema)

    assert reason in str(refused.value)


def test_nanoseconds_are_compared_to_their_last_digit() -> None:
    schema = pa.schema([("at", pa.timestamp("ns")), ("time", pa.time64("ns"))])
    at = pa.array([1_706_702_400_123_456_789], pa.timestamp("ns"))
    batch = pa.record_batch([at, pa.nulls(1, pa.time64("ns"))], schema=schema)

    assert parse_where("at == '2024-01-31 12:00:00.123456789'").fitted(schema).rows(batch).num_rows == 1
    assert parse_where("at > '2024-01-31 12:00:00.123456999'").fitted(schema).rows(batch).num_rows == 0
    for text in ("time > '10:00:00.1234567'", "time == '10:00:00+02:00'"):
        with pytest.raises(ConfigError, match="cannot be a value of it"):
            parse_where(text).fitted(schema)


CONDITIONS = st.recursive(
    st.builds(
        "{} {} {}".format,
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["==", "!=", "<", ">="]),
        st.integers(0, 2),
    )
    | st.builds("{} is {}".format, st.sampled_from(["a", "b", "c"]), st.sampled_from(["None", "not None"]))
    | st.builds("{} {} [0, 1]".format, st.sampled_from(["a", "b", "c"]), st.sampled_from(["in", "not in"])),
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner)
        | st.builds("not ({})".format, inner)
    ),
    max_leaves=4,
)
VALUES = st.one_of(st.none(), st.integers(0, 2))


@given(CONDITIONS, VALUES, VALUES)
def test_values_that_exclude_all_rows_exclude_each_of_them(text: str, a: int | None, b: int | None) -> None:
    """Whatever the other columns hold: here ``c`` has every value that it can have."""
    kinds = pa.schema([(name, pa.int64()) for name in "abc"])
    rows = pa.RecordBatch.from_arrays([[a] * 4, [b] * 4, [None, 0, 1, 2]], schema=kinds)

    excluded = parse_where(text).excludes(rows.select(["a", "b"]).slice(0, 1))

    if excluded:
        assert len(parse_where(text, kinds).rows(rows)) == 0


@pytest.mark.parametrize(
    ("text", "excluded"),
    [
        ("a == 1", False),
        ("a == 2", True),
        ("a == 2 and c == 5", True),
        ("c == 5 and (a == 2 or b == 7)", True),
        ("a == 2 or c == 5", False),
        ("c == 5", False),
        ("b is None", False),
        ("b == 1", True),
        ("b is not None and c is None", True),
        ("a == 'x'", False),
    ],
)
def test_a_part_beside_and_excludes_rows_by_itself(text: str, excluded: bool) -> None:
    values = pa.RecordBatch.from_pylist([{"a": 1, "b": None}], pa.schema([("a", pa.int64()), ("b", pa.int64())]))

    assert parse_where(text).excludes(values) == excluded
