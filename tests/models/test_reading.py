"""What a model remembers of how its rows were read, and what options make of it."""

from dataclasses import replace
from typing import Any

import pytest

from w2vray.errors import BundleError
from w2vray.models.reading import Reading
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.labelled import EvaluateSettings

REMEMBERED = Reading(
    text_column=("title", "body"), label_column="topic", label_strip=True, label_separator=",", unlabelled=("-1", "?")
)


def evaluating(**given: Any) -> EvaluateSettings:
    return EvaluateSettings(labelled=("a",), model=("m",), **given)


def test_it_comes_back_from_json_and_one_that_is_not_there_is_the_default() -> None:
    assert Reading.from_dict(REMEMBERED.as_dict()) == REMEMBERED
    assert Reading.from_dict({}) == Reading()
    assert Reading.from_dict({"label_column": "stars", "of another version": 3}) == Reading(label_column="stars")


@pytest.mark.parametrize(
    "wrong",
    [
        {"text_column": "text"},
        {"text_column": [1]},
        {"label_column": None},
        {"label_strip": 1},
        {"label_separator": 3},
        {"unlabelled": ["a", None]},
    ],
    ids=str,
)
def test_a_value_of_another_type_is_refused_by_its_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match=rf"reading\.{next(iter(wrong))} is "):
        Reading.from_dict(wrong)
    with pytest.raises(BundleError, match="expected an object"):
        Reading.from_dict([wrong])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, REMEMBERED),
        ({"text_column": ("review",)}, replace(REMEMBERED, text_column=("review",))),
        ({"label_column": "label"}, replace(REMEMBERED, label_column="label")),
        ({"label_strip": False}, replace(REMEMBERED, label_strip=False)),
        ({"label_separator": "|"}, replace(REMEMBERED, label_separator="|")),
        ({"label_separator": ""}, replace(REMEMBERED, label_separator=None)),
        ({"unlabelled": ("none",)}, replace(REMEMBERED, unlabelled=("none",))),
    ],
    ids=str,
)
def test_an_option_that_is_given_wins(given: dict[str, Any], expected: Reading) -> None:
    assert REMEMBERED.with_options(evaluating(**given)) == expected


def test_what_is_taken_from_the_model_is_told_as_a_person_types_it() -> None:
    (line,) = REMEMBERED.told(evaluating())
    assert line == (
        "as the model was trained: --text-column 'title' --text-column 'body', --label-column 'topic', --label-strip, "
        "--label-separator ',', --unlabelled '-1' --unlabelled '?'; options win over it"
    )
    score = ScoreSettings(corpus=("a",), model="m", output="r")
    assert REMEMBERED.told(score) == [
        "as the model was trained: --text-column 'title' --text-column 'body'; options win over it"
    ]
    assert REMEMBERED.told(replace(score, text_column=("text",))) == []
    assert Reading().told(evaluating()) == []
    assert (
        REMEMBERED.told(
            evaluating(
                text_column=("a",), label_column="b", label_strip=False, label_separator="", unlabelled=("none",)
            )
        )
        == []
    )
