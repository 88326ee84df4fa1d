import inspect
import pickle

import pytest

from w2vray import errors
from w2vray.errors import FileError, UnusableInputError, W2vrayError

CLASSES = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__ == errors.__name__
]
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

each_class = pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)


def test_the_public_names_are_all_the_classes_in_order() -> None:
    """A class that is added is public, and a public name is a class."""
    assert errors.__all__ == sorted(kind.__name__ for kind in CLASSES)


def test_the_tree_is_the_one_that_the_module_draws() -> None:
    """Whoever catches a class catches what is drawn below it."""
    assert {kind.__name__: kind.__mro__[1].__name__ for kind in CLASSES} == {
        "W2vrayError": "Exception",
        "UnusableInputError": "W2vrayError",
        "ConfigError": "UnusableInputError",
        "VectorsError": "UnusableInputError",
        "CorpusError": "UnusableInputError",
        "FileError": "CorpusError",
        "BundleError": "UnusableInputError",
        "RunError": "UnusableInputError",
        "DivergedError": "UnusableInputError",
        "ClusterError": "UnusableInputError",
    }


@each_class
def test_unusable_input_ends_with_2_and_anything_else_with_1(kind: type[W2vrayError]) -> None:
    """The exit code says whether changing the arguments or the input helps."""
    assert kind.exit_code == (2 if issubclass(kind, UnusableInputError) else 1)
    assert kind("text").exit_code == kind.exit_code


@each_class
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_error_survives_pickling_with_its_message(kind: type[W2vrayError], protocol: int) -> None:
    """Ray sends errors between processes, with whichever protocol it likes."""
    message = "--limit is -1; allowed: above 0 (naïve, 日本)"
    copy = pickle.loads(pickle.dumps(kind(message), protocol=protocol))
    assert type(copy) is kind
    assert str(copy) == message
    assert copy.exit_code == kind.exit_code


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_file_error_survives_pickling_with_its_file_and_reason(protocol: int) -> None:
    """A worker raises it, and the driver tells which file it is, and why."""
    copy = pickle.loads(pickle.dumps(FileError("m", file="f", reason="changed"), protocol=protocol))
    assert (str(copy), copy.file, copy.reason) == ("m", "f", "changed")
