"""``--where``: a condition over a row's columns, in Python's notation, as an Arrow expression. Nothing is executed.

Allowed: comparisons (also chained; ``in`` and ``not in`` a list; ``is None`` and ``is not None``), ``and``, ``or``,
``not``, column names, numbers, strings, ``True`` and ``False``. A name that is no plain word is ``col("the name")``.
Dates and times are written as strings: ``valid_to > '2024-01-31'``.

Example:
    >>> parse_where("lang == 'en' and 2020 <= year").columns
    ('lang', 'year')
"""

import ast
import datetime as dt
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from w2vray.errors import ConfigError

__all__ = ["Where", "parse_where"]

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}

_MOST_CONDITIONS = 1000
"""Arrow follows a condition by recursion: some thousands of them end the process."""

_UNPARSABLE = (SyntaxError, ValueError, TypeError, OverflowError, RecursionError, MemoryError, pa.ArrowException)
"""Not Python, nested too deep, or constants that Arrow cannot hold, such as a list of numbers and strings."""


@dataclass(frozen=True)
class Where:
    """A condition, and the columns it reads. A row for which it is null (a value is missing) is left out."""

    text: str
    columns: tuple[str, ...]
    expression: pc.Expression

    def fitted(self, schema: pa.Schema) -> "Where":
        """Return the condition with its constants read as the columns need them: ``'2024-01-31'`` as a date.

        Raises:
            ConfigError: it does not fit the columns' types; the message says which type a column has.
        """
        found = parse_where(self.text, schema)
        try:
            schema.empty_table().filter(found.expression)
        except (pa.ArrowException, TypeError) as error:
            found_in = [name for name in self.columns if name in schema.names]
            kinds = ", ".join(f"{name!r} is {schema.field(name).type}" for name in found_in)
            reason = str(error).splitlines()[0]
            raise ConfigError(f"--where {self.text!r} does not fit the store's columns: {kinds} ({reason})") from error
        return found

    def excludes(self, values: pa.RecordBatch) -> bool:
        """Tell whether the condition holds for no row that has these values, whatever its other columns hold.

        Only what stands beside ``and`` is looked at: ``lang == 'en' and year > 2020`` excludes all rows of ``lang``
        ``'de'``. A false answer says nothing.
        """
        tree = ast.parse(self.text.strip(), mode="eval").body
        parts = tree.values if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And) else [tree]
        for part in (parse_where(ast.unparse(part)) for part in parts):
            if part.columns and set(part.columns) <= set(values.schema.names):
                try:
                    if not len(part.fitted(values.schema).rows(values.select(part.columns))):
                        return True
                except ConfigError:  # whoever reads the rows says it of the whole condition
                    return False
        return False

    def rows(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows for which the condition holds.

        Arrow compares integers with numbers of another kind only where they are small; large ones are compared as
        float64.

        Raises:
            ConfigError: the condition cannot be computed of these rows.
        """
        try:
            return batch.filter(self.expression)
        except MemoryError:  # Arrow's is an ArrowException too
            raise
        except pa.ArrowException:
            wide = [
                column.cast(pa.float64(), safe=False) if pa.types.is_integer(column.type) else column
                for column in (batch.column(name) for name in self.columns)
            ]
        try:
            chosen = pa.table(wide, names=list(self.columns)).append_column(
                _PLACE, pa.array(range(len(batch)), pa.int64())
            )
            return batch.take(chosen.filter(self.expression)[_PLACE].combine_chunks())
        except pa.ArrowException as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"--where {self.text!r} cannot be computed of the store's values: {reason}") from error


_PLACE = "w2vray.place"


def parse_where(text: str, schema: pa.Schema | None = None) -> Where:
    """Parse a condition.

    Args:
        text: of the condition.
        schema: of the columns, where it is known: constants are then read as their types need.

    Raises:
        ConfigError: it is not in the allowed notation, or a constant is not a value of its column.
    """
    parser = _Parser(text, schema)
    try:
        expression = parser.condition(ast.parse(text.strip(), mode="eval").body)
    except _UNPARSABLE as error:
        reason = str(error) or type(error).__name__
        raise ConfigError(f"--where {text!r} is not a condition ({reason}); write like \"lang == 'en'\"") from error
    return Where(text, tuple(dict.fromkeys(parser.columns)), expression)


class _Parser:
    def __init__(self, text: str, schema: pa.Schema | None) -> None:
        self.text = text
        self.schema = schema
        self.columns: list[str] = []
        self.size = 0

    def condition(self, node: ast.expr) -> pc.Expression:
        self.size += len(node.ops) if isinstance(node, ast.Compare) else 1
        if self.size > _MOST_CONDITIONS:
            raise ConfigError(f"--where {self.text!r} has more than {_MOST_CONDITIONS} conditions; use `in` and a list")
        match node:
            case ast.BoolOp(op=op, values=values):
                parts = [self.condition(value) for value in values]
                combine = operator.and_ if isinstance(op, ast.And) else operator.or_
                result = parts[0]
                for part in parts[1:]:
                    result = combine(result, part)
                return result
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return ~self.condition(operand)
            case ast.Compare(left=left, ops=ops, comparators=right):
                sides = [left, *right]
                pairs = [self.comparison(a, op, b) for a, op, b in zip(sides, ops, sides[1:], strict=False)]
                result = pairs[0]
                for pair in pairs[1:]:
                    result &= pair
                return result
            case ast.Name() | ast.Call():
                return self.column(node)
        raise self.refused(node)

    def comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> pc.Expression:
        if isinstance(op, ast.Is | ast.IsNot):
            if not (isinstance(right, ast.Constant) and right.value is None):
                raise self.refused(right)
            missing = self.column(left).is_null()
            return missing if isinstance(op, ast.Is) else ~missing
        if isinstance(op, ast.In | ast.NotIn):
            if not isinstance(right, ast.List | ast.Tuple) or not right.elts:
                raise self.refused(right)
            column = self.column(left)
            values = [self.constant_of(left, item) for item in right.elts]
            member = column.isin(pa.array(values))
            # Arrow finds a missing value outside of every list; as in the other comparisons, nothing is known of it.
            member = pc.if_else(column.is_valid(), member, pc.scalar(pa.scalar(None, pa.bool_())))
            return member if isinstance(op, ast.In) else ~member
        return _COMPARISONS[type(op)](self.value(left, right), self.value(right, left))

    def value(self, node: ast.expr, other: ast.expr) -> pc.Expression:
        """Return a side of a comparison; a constant is read as the column on the other side needs it."""
        return self.column(node) if _is_column(node) else pc.scalar(self.constant_of(other, node))

    def constant_of(self, column: ast.expr, node: ast.expr) -> Any:
        """Return a constant as a value of a column's type, where the schema is known and the type asks for it."""
        value = self.constant(node)
        if self.schema is None or not _is_column(column) or (name := self.name(column)) not in self.schema.names:
            return value
        kind = self.schema.field(name).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not _fits(value, kind):
            raise ConfigError(
                f"--where {self.text!r}: column {name!r} is {kind}, and {value!r} is {_NAMED[type(value)]}; "
                f"{_advice(name, kind)}"
            )
        if pa.types.is_decimal(kind):
            return Decimal(str(value))
        if not isinstance(value, str) or not pa.types.is_temporal(kind):
            return value
        try:
            return _temporal(value, kind)
        except (ValueError, pa.ArrowException) as error:
            raise ConfigError(
                f"--where {self.text!r}: column {name!r} is {kind}, and {value!r} is no value of it; "
                f"{_advice(name, kind)}"
            ) from error

    def column(self, node: ast.expr) -> pc.Expression:
        name = self.name(node)
        self.columns.append(name)
        return pc.field(name)

    def name(self, node: ast.expr) -> str:
        match node:
            case ast.Name(id=name):
                return name
            case ast.Call(func=ast.Name(id="col"), args=[ast.Constant(value=str(name))], keywords=[]):
                return name
        raise self.refused(node)

    def constant(self, node: ast.expr) -> str | int | float | bool:
        match node:
            case ast.Constant(value=str() | int() | float() | bool() as value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return -value
        raise self.refused(node)

    def refused(self, node: ast.expr) -> ConfigError:
        part = ast.get_source_segment(self.text.strip(), node)
        return ConfigError(
            f"--where {self.text!r}: {part!r} is not allowed; use columns, constants, comparisons, and, or, not, in"
        )


def _is_column(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Call)


_NAMED = {str: "a text", int: "a number", float: "a number", bool: "a truth value"}
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)


def _fits(value: object, kind: pa.DataType) -> bool:
    """Tell whether a constant can be compared with values of a type; of types that are not listed, Arrow decides."""
    if any(test(kind) for test in _TEXTS):
        return isinstance(value, str)
    if any(test(kind) for test in _NUMBERS):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if pa.types.is_boolean(kind):
        return isinstance(value, bool)
    return isinstance(value, str) if pa.types.is_temporal(kind) and not pa.types.is_duration(kind) else True


def _temporal(text: str, kind: pa.DataType) -> pa.Scalar:
    """Read a date, a time or an instant; one without a zone is in UTC where the column has instants."""
    if pa.types.is_timestamp(kind) and _NANOSECONDS.search(text):
        return pa.scalar(text).cast(pa.timestamp("ns", kind.tz)).cast(kind)
    if _NANOSECONDS.search(text):
        raise ValueError("it is finer than a microsecond")
    if pa.types.is_timestamp(kind):
        instant = dt.datetime.fromisoformat(text)
        if instant.tzinfo is not None and kind.tz is None:
            raise ValueError("it has a zone, and the column has none")
        if instant.tzinfo is None and kind.tz is not None:
            instant = instant.replace(tzinfo=dt.UTC)
        return pa.scalar(instant, pa.timestamp("us", kind.tz)).cast(kind)
    if pa.types.is_date(kind):
        return pa.scalar(dt.date.fromisoformat(text), kind)
    time = dt.time.fromisoformat(text)
    if time.tzinfo is not None:
        raise ValueError("it has a zone, and the column has none")
    return pa.scalar(time, pa.time64("us")).cast(kind)


_NANOSECONDS = re.compile(r"[.,][0-9]{7}")  # Python's own reading would leave the digits out


def _advice(name: str, kind: pa.DataType) -> str:
    """Show how a value of a type is written."""
    if any(test(kind) for test in _TEXTS):
        return f"write a text, such as {name} == '2020'"
    if any(test(kind) for test in _NUMBERS):
        return f"write a number, such as {name} >= 2020"
    if pa.types.is_boolean(kind):
        return f"write {name} == True"
    if pa.types.is_date(kind):
        return f"write a date, such as {name} >= '2024-01-31'"
    return f"write a time, such as {name} >= '{'2024-01-31 ' if pa.types.is_timestamp(kind) else ''}12:30:00'"
