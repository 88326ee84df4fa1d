"""How a model's training read its rows: by which columns, and how labels are written. A model remembers it.

Other verbs read their rows the same way, as far as no option says otherwise.
"""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from w2vray.errors import BundleError
from w2vray.settings.fields import flag

__all__ = ["Reading"]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The options of the same names. The defaults are those of ``train``.

    How files are written (format, delimiter, version of a table) is not part of it: another store is written otherwise.
    """

    text_column: tuple[str, ...] = ("text",)
    label_column: str = "label"
    label_strip: bool = False
    label_separator: str | None = None
    unlabelled: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Any) -> Self:
        """Return what the settings of a training say."""
        return cls(**{item.name: getattr(settings, item.name) for item in fields(cls)})

    @classmethod
    def from_dict(cls, stored: Any) -> Self:
        """Rebuild from JSON; what is not there has its default, and what another version added is left out.

        Raises:
            BundleError: a value is of another type.
        """
        if not isinstance(stored, dict):
            raise BundleError(f"reading is {stored!r}; expected an object")
        values: dict[str, Any] = {}
        for item in fields(cls):
            value = stored.get(item.name, item.default)
            values[item.name] = tuple(value) if isinstance(value, list) else value
            if not _is_like(values[item.name], item.default, optional=item.name == "label_separator"):
                raise BundleError(f"reading.{item.name} is {value!r}, which is of another type than expected")
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def with_options(self, settings: Any) -> Self:
        """Return how a verb reads with these settings: an option that is given wins.

        An option that is None or an empty tuple is not given. An empty ``label_separator`` says that there is none.
        """
        given = {
            item.name: value
            for item in fields(self)
            if (value := getattr(settings, item.name, None)) is not None and value != ()
        }
        if given.get("label_separator") == "":
            given["label_separator"] = None
        return replace(self, **given)

    def told(self, settings: Any) -> list[str]:
        """Say what is taken from the model where it is not what a verb does by itself, and how to change it."""
        plain = Reading()
        taken = {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if getattr(settings, item.name, item.default) in (None, ()) and hasattr(settings, item.name)
        }
        said = [_said(name, value) for name, value in taken.items() if value != getattr(plain, name)]
        return [f"as the model was trained: {', '.join(said)}; options win over it"] if said else []


def _said(name: str, value: Any) -> str:
    """Spell an option as a person types it."""
    if value is True:
        return flag(name)
    return " ".join(f"{flag(name)} {one!r}" for one in (value if isinstance(value, tuple) else (value,)))


def _is_like(value: Any, default: Any, *, optional: bool) -> bool:
    """Tell whether a value is of the type of a field's default."""
    if optional:
        return value is None or isinstance(value, str)
    if isinstance(default, tuple):
        return isinstance(value, tuple) and all(isinstance(one, str) for one in value)
    return type(value) is type(default)
