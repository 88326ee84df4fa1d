"""``--config FILE.toml``: options from a file, a table for each verb; ``--show-config`` prints what is in effect.

[score]
model = "model"
keep = ["id", "year"]

[vectors.import]
dtype = "float16"
"""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import tomli_w

__all__ = ["read_config", "shown_config"]

NOT_IN_A_FILE = frozenset({"config", "show_config", "help", "json", "verbose"})


def read_config(path: str, table: str, parameters: Sequence[click.Parameter]) -> dict[str, Any]:
    """Return the options that a file has for a verb, by the names of its parameters.

    Raises:
        click.UsageError: the file cannot be read, or names an option that the verb does not have.
    """
    try:
        found: Any = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise click.UsageError(f"--config {path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"--config {path}: is not TOML ({error})") from error
    loose = [name for name, value in found.items() if not isinstance(value, dict)]
    if loose:
        raise click.UsageError(f"--config {path}: {loose[0]} is outside of any table; move it under [{table}]")
    tables = ", ".join(f"[{name}]" for name in found)
    for name in table.split("."):
        found = found.get(name)
        if not isinstance(found, dict):
            there = f"its tables are {tables}" if tables else "it is empty"
            raise click.UsageError(f"--config {path}: has no table [{table}]; {there}")
    own = {str(parameter.name): parameter for parameter in parameters if parameter.name not in NOT_IN_A_FILE}
    options: dict[str, Any] = {}
    for key, value in found.items():
        name = key.replace("-", "_")
        if name not in own:
            close = difflib.get_close_matches(name, own, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise click.UsageError(f"--config {path}: [{table}] has {key}, which is not an option of {table}{hint}")
        _require_shape(path, key, value, own[name])
        options[name] = _as_typed(value)
    return options


def _as_typed(value: Any) -> Any:
    """Spell a number as a person would type it: click makes 1 of 1.5, and refuses "1.5"."""
    if isinstance(value, list):
        return [_as_typed(item) for item in value]
    return value if isinstance(value, bool | str) else str(value)


def _require_shape(path: str, key: str, value: Any, parameter: click.Parameter) -> None:
    """Check a value's shape: a list where several are allowed, and true or false for a switch."""
    several = parameter.multiple or parameter.nargs == -1
    if isinstance(value, list) != several:
        wanted = "a list" if several else "one value"
        raise click.UsageError(f"--config {path}: {key} is {value!r}; expected {wanted}")
    switch = isinstance(parameter, click.Option) and parameter.is_flag
    plain = [item for item in (value if several else [value]) if isinstance(item, bool) == switch]
    if len(plain) != (len(value) if several else 1) or any(isinstance(item, dict | list) for item in plain):
        wanted = "true or false" if switch else "a string or a number"
        raise click.UsageError(f"--config {path}: {key} is {value!r}; expected {wanted}")


def shown_config(table: str, values: Mapping[str, Any]) -> str:
    """Return the options of a verb as a file for ``--config``; those that are not set are left out."""
    shown: dict[str, Any] = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value is not None and value != () and name not in NOT_IN_A_FILE
    }
    for name in reversed(table.split(".")):
        shown = {name: shown}
    return tomli_w.dumps(shown)
