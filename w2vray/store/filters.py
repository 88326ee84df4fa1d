"""``--where``: a condition over a row's columns, in Python's notation, as an Arrow expression. Nothing is executed.

Allowed: comparisons (also chained; ``in`` and ``not in`` a list; ``is None`` and ``is not None``), ``and``, ``or``,
``not``, column names, numbers, strings, ``True`` and ``False``. A name that is no plain word is ``col("the name")``.

Example:
    >>> parse_where("lang == 'en' and 2020 <= year").columns
    ('lang', 'year')
"""

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass
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

    def check(self, schema: pa.Schema) -> None:
        """Try the condition on an empty table.

        Raises:
            ConfigError: it does not fit the columns' types.
        """
        try:
            schema.empty_table().filter(self.expression)
        except (pa.ArrowException, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"--where {self.text!r} does not fit the store's columns: {reason}") from error

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


def parse_where(text: str) -> Where:
    """Parse a condition.

    Raises:
        ConfigError: it is not in the allowed notation.
    """
    parser = _Parser(text)
    try:
        expression = parser.condition(ast.parse(text.strip(), mode="eval").body)
    except _UNPARSABLE as error:
        reason = str(error) or type(error).__name__
        raise ConfigError(f"--where {text!r} is not a condition ({reason}); write like \"lang == 'en'\"") from error
    return Where(text, tuple(dict.fromkeys(parser.columns)), expression)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
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
            member = column.isin([self.constant(item) for item in right.elts])
            # Arrow finds a missing value outside of every list; as in the other comparisons, nothing is known of it.
            member = pc.if_else(column.is_valid(), member, pc.scalar(pa.scalar(None, pa.bool_())))
            return member if isinstance(op, ast.In) else ~member
        return _COMPARISONS[type(op)](self.value(left), self.value(right))

    def value(self, node: ast.expr) -> pc.Expression:
        return self.column(node) if isinstance(node, ast.Name | ast.Call) else pc.scalar(self.constant(node))

    def column(self, node: ast.expr) -> pc.Expression:
        match node:
            case ast.Name(id=name):
                pass
            case ast.Call(func=ast.Name(id="col"), args=[ast.Constant(value=str(name))], keywords=[]):
                pass
            case _:
                raise self.refused(node)
        self.columns.append(name)
        return pc.field(name)

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
