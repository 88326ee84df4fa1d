"""``--where``: a condition over a row's columns, in Python's notation, as an Arrow expression. Nothing is executed.

Allowed: comparisons (also chained; ``in`` and ``not in`` a list; ``is None`` and ``is not None``), ``and``, ``or``,
``not``, column names, numbers, strings, ``True`` and ``False``. A name that is no plain word is ``col("the name")``.
Dates and times are written as strings: ``valid_to > '2024-01-31'``. A constant is compared as a value of its column's
type: see ``comparing.py``.

Example:
    >>> parse_where("lang == 'en' and 2020 <= year").columns
    ('lang', 'year')
"""

import ast
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from w2vray.errors import ConfigError
from w2vray.store.comparing import Constant, advice, among, compared, fits, is_text
from w2vray.store.comparing_columns import compared_columns

__all__ = ["Where", "parse_where"]

_COMPARISONS: dict[type[ast.cmpop], tuple[str, str, Callable[[Any, Any], bool]]] = {
    ast.Eq: ("==", "==", operator.eq),
    ast.NotEq: ("!=", "!=", operator.ne),
    ast.Lt: ("<", ">", operator.lt),
    ast.LtE: ("<=", ">=", operator.le),
    ast.Gt: (">", "<", operator.gt),
    ast.GtE: (">=", "<=", operator.ge),
}
"""How each is written, how it is with its sides exchanged, and what it says of two constants."""

_NUMBER_OR_DATE = re.compile(r"[-+]?[0-9]")

_MOST_CONDITIONS = 1000
"""Arrow follows a condition by recursion: some thousands of them end the process."""

_UNPARSABLE = (SyntaxError, ValueError, TypeError, OverflowError, RecursionError, MemoryError, pa.ArrowException)
"""Not Python, nested too deep, or constants that Arrow cannot hold, such as a list of numbers and strings."""


@dataclass(frozen=True)
class Where:
    """A condition, and the columns it reads. A row for which it is null (a value is missing) is left out."""

    text: str
    columns: tuple[str, ...]
    expression: pc.Expression  # stands for something only where the condition is fitted
    notes: tuple[str, ...] = ()  # for a person: texts that are compared by their order
    is_fitted: bool = False

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
        """Return the rows for which a fitted condition holds.

        Raises:
            ConfigError: the condition cannot be computed of these rows.
        """
        assert self.is_fitted, "a condition that knows no types would keep every row"
        try:
            return batch.filter(self.expression)
        except MemoryError:  # Arrow's is an ArrowException too
            raise
        except pa.ArrowException as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"--where {self.text!r} cannot be computed for the store's values: {reason}") from error


def parse_where(text: str, schema: pa.Schema | None = None) -> Where:
    """Parse a condition.

    Args:
        text: of the condition.
        schema: of the columns, where it is known; without it the notation is checked, and nothing else.

    Raises:
        ConfigError: it is not in the allowed notation, or a constant is not a value of its column.
    """
    parser = _Parser(text, schema)
    try:
        expression = parser.condition(ast.parse(text.strip(), mode="eval").body)
    except _UNPARSABLE as error:
        reason = str(error) or type(error).__name__
        raise ConfigError(f"--where {text!r} is not a condition ({reason}); write like \"lang == 'en'\"") from error
    return Where(
        text, tuple(dict.fromkeys(parser.columns)), expression, tuple(dict.fromkeys(parser.notes)), schema is not None
    )


class _Parser:
    def __init__(self, text: str, schema: pa.Schema | None) -> None:
        self.text = text
        self.schema = schema
        self.columns: list[str] = []
        self.notes: list[str] = []
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
            member = self.member(self.name(left), [self.constant(item) for item in right.elts])
            return member if isinstance(op, ast.In) else ~member
        written, exchanged, of_constants = _COMPARISONS[type(op)]
        if _is_column(left) and _is_column(right):
            return self.columns_compared(written, self.name(left), self.name(right))
        if _is_column(left):
            return self.compared(self.name(left), written, self.constant(right))
        if _is_column(right):
            return self.compared(self.name(right), exchanged, self.constant(left))
        return pc.scalar(of_constants(self.constant(left), self.constant(right)))

    def member(self, name: str, values: Sequence[Constant]) -> pc.Expression:
        if len({_kind(value) for value in values}) > 1:
            raise ConfigError(f"--where {self.text!r}: a list has values of one kind, not {_kinds(values)}")
        column, kind = self.typed(name)
        if kind is None:
            return pc.scalar(True)
        for value in values:
            self.require_fitting(name, kind, value)
            if isinstance(value, str):
                self.read(name, kind, value, partial(compared, column, kind, "==", value))
        return among(column, kind, values)

    def compared(self, name: str, comparison: str, value: Constant) -> pc.Expression:
        column, kind = self.typed(name)
        if kind is None:
            return pc.scalar(True)
        self.require_fitting(name, kind, value)
        if is_text(kind) and comparison not in {"==", "!="} and _NUMBER_OR_DATE.match(str(value)):
            self.notes.append(
                f"column {name!r} is {kind}: --where compares its texts with {value!r} letter by letter, and not as "
                "numbers or dates"
            )
        return self.read(name, kind, value, partial(compared, column, kind, comparison, value))

    def columns_compared(self, comparison: str, one: str, other: str) -> pc.Expression:
        (first, kind), (second, other_kind) = self.typed(one), self.typed(other)
        if kind is None or other_kind is None:
            return pc.scalar(True)
        try:
            return compared_columns(comparison, first, kind, second, other_kind)
        except ValueError as error:
            kinds = f"{one!r} is {kind}, {other!r} is {other_kind}"
            raise ConfigError(f"--where {self.text!r} does not fit the store's columns: {kinds}; {error}") from error

    def typed(self, name: str) -> tuple[pc.Expression, pa.DataType | None]:
        """Return a column and its type, None where the types are not known yet."""
        self.columns.append(name)
        if self.schema is None:
            return pc.field(name), None
        if name not in self.schema.names:
            raise ConfigError(f"--where {self.text!r}: no column {name!r}; there are {', '.join(self.schema.names)}")
        return pc.field(name), self.schema.field(name).type

    def require_fitting(self, name: str, kind: pa.DataType, value: Constant) -> None:
        if not fits(value, kind):
            raise ConfigError(
                f"--where {self.text!r}: column {name!r} is {kind}, and {value!r} is {_kind(value)}; "
                f"{advice(name, kind)}"
            )

    def read(self, name: str, kind: pa.DataType, value: object, make: Callable[[], pc.Expression]) -> pc.Expression:
        """Return what compares a column with constants, if they are written as values of its type."""
        try:
            return make()
        except ValueError as error:
            raise ConfigError(
                f"--where {self.text!r}: column {name!r} is {kind}, and {value!r} cannot be a value of it; "
                f"{advice(name, kind)}"
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

    def constant(self, node: ast.expr) -> Constant:
        match node:
            case ast.Constant(value=str() | int() | float() | bool() as value):
                if isinstance(value, str):
                    value.encode()  # half a character is no text
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


def _kind(value: object) -> str:
    if isinstance(value, str):
        return "a text"
    return "a truth value" if isinstance(value, bool) else "a number"


def _kinds(values: Sequence[object]) -> str:
    return " and ".join(dict.fromkeys(map(_kind, values)))
