"""How many examples a step has, and how long it is, by the number of examples there are."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.recurrent.settings import LstmSettings
from w2vray.settings.steps import default_batch


@pytest.mark.parametrize(
    ("examples", "batch"),
    [
        (0, 32),
        (1, 32),
        (10_000, 32),
        (25_118, 32),  # 10,000 * 100 ** (1 / 5) is 25,118.9
        (25_119, 64),
        (100_000, 128),
        (400_000, 512),
        (999_999, 512),
        (1_000_000, 1024),
        (50_000_000, 1024),
    ],
)
def test_a_step_has_more_examples_the_more_there_are(examples: int, batch: int) -> None:
    settled = CnnSettings().for_examples(examples)
    assert settled.examples_a_step == batch
    assert settled.step_size == pytest.approx(0.001 * math.sqrt(batch / 32))


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_more_examples_never_make_a_smaller_step(one: int, other: int) -> None:
    less, more = sorted((one, other))
    assert 32 <= default_batch(less) <= default_batch(more) <= 1024
    assert default_batch(more).bit_count() == 1


def test_what_somebody_says_holds() -> None:
    """A batch that is said leaves the step's length as it is; a length that is said stays."""
    assert CnnSettings(batch_size=48).for_examples(10**6).batch_size == 48
    assert CnnSettings(batch_size=48).for_examples(10**6).learning_rate == 0.001
    settled = LstmSettings(learning_rate=0.02).for_examples(100_000)
    assert (settled.batch_size, settled.learning_rate) == (128, 0.02)


def test_settled_settings_stay_as_they_are() -> None:
    """A second fit has other examples, and the same steps."""
    settled = CnnSettings().for_examples(100_000)
    assert settled.for_examples(10) == settled
