import math

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from w2vray.errors import ConfigError
from w2vray.training.objectives import ManyLabels, OneLabel, label_weights, objective

LABELS = ("a", "b=c", "d")
COUNTS = {"a": 1, "b=c": 3, "d": 8}


def test_the_loss_of_one_label_is_the_sum_of_weighted_cross_entropies() -> None:
    """The golden case: even odds cost ln 2 each."""
    logits_BC, labels_B = torch.zeros(3, 2), torch.tensor([0, 1, 1])

    assert OneLabel().loss(logits_BC, labels_B).item() == pytest.approx(3 * math.log(2))
    weighted = OneLabel(torch.tensor([4.0, 0.5]))
    assert weighted.loss(logits_BC, labels_B).item() == pytest.approx((4 + 0.5 + 0.5) * math.log(2))
    assert OneLabel().right(torch.tensor([[2.0, 1.0], [2.0, 1.0], [0.0, 1.0]]), labels_B) == 2


def test_the_loss_of_many_labels_is_the_sum_over_the_labels_too() -> None:
    """The golden case: present and absent labels weigh differently."""
    logits_BC, labels_BC = torch.zeros(2, 2), torch.tensor([[1, 0], [0, 0]])

    assert ManyLabels().loss(logits_BC, labels_BC).item() == pytest.approx(4 * math.log(2))
    weighted = ManyLabels(torch.tensor([[2.0, 1.0], [10.0, 100.0]]))
    assert weighted.loss(logits_BC, labels_BC).item() == pytest.approx((10 + 1 + 2 + 1) * math.log(2))
    assert ManyLabels().right(torch.tensor([[1.0, -1.0], [1.0, -1.0]]), labels_BC) == 1


def test_without_weights_nothing_is_weighed() -> None:
    for multi_label, kind in ((False, OneLabel), (True, ManyLabels)):
        made = objective(LABELS, COUNTS, 12, multi_label=multi_label, balanced=False, weights={})
        assert made == kind()


def test_balanced_labels_weigh_what_scikit_learn_gives_them() -> None:
    """And further factors multiply that."""
    made = objective(LABELS, COUNTS, 12, multi_label=False, balanced=True, weights={"d": 2.0})

    rows = np.repeat(LABELS, list(COUNTS.values()))
    expected_C = compute_class_weight("balanced", classes=np.array(LABELS), y=rows) * [1, 1, 2]
    assert isinstance(made, OneLabel)
    assert made.weights_C is not None
    assert made.weights_C.tolist() == pytest.approx(expected_C.tolist())


def test_each_of_many_labels_is_balanced_against_the_rows_without_it() -> None:
    """The golden case: 12 rows, of which 1, 3 and 8 have the label."""
    made = objective(LABELS, COUNTS, 12, multi_label=True, balanced=True, weights={"a": 3.0})

    assert isinstance(made, ManyLabels)
    assert made.weights_2C is not None
    absent, present = made.weights_2C.tolist()
    assert absent == pytest.approx([12 / 22, 12 / 18, 12 / 8])
    assert present == pytest.approx([3 * 12 / 2, 12 / 6, 12 / 16])


def test_factors_alone_weigh_the_rows_that_have_the_label() -> None:
    one = objective(LABELS, COUNTS, 12, multi_label=False, balanced=False, weights={"a": 5.0})
    many = objective(LABELS, COUNTS, 12, multi_label=True, balanced=False, weights={"a": 5.0})

    assert isinstance(one, OneLabel)
    assert isinstance(many, ManyLabels)
    assert one.weights_C is not None
    assert many.weights_2C is not None
    assert one.weights_C.tolist() == [5, 1, 1]
    assert many.weights_2C.tolist() == [[1, 1, 1], [5, 1, 1]]


def test_a_label_of_any_characters_can_be_weighed() -> None:
    """The weight stands behind the last equals sign."""
    assert label_weights(["b=c=2.5", "a=1e3"], LABELS) == {"b=c": 2.5, "a": 1000.0}
    assert label_weights([], LABELS) == {}


def test_a_label_that_is_not_there_is_refused_naming_those_that_are() -> None:
    with pytest.raises(ConfigError, match="--class-weight: 'x' is no label of the examples; they are a, b=c, d"):
        label_weights(["x=2"], LABELS)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(OneLabel(), id="one label"),
        pytest.param(OneLabel(torch.tensor([0.5, 1.0, 4.0])), id="one label, weighed"),
        pytest.param(ManyLabels(), id="many labels"),
        pytest.param(ManyLabels(torch.tensor([[1.0, 2.0, 0.5], [3.0, 1.0, 7.0]])), id="many labels, weighed"),
    ],
)
def test_slopes_and_how_they_change_are_the_derivatives_of_the_loss(found: OneLabel | ManyLabels) -> None:
    """As torch differentiates it, once and twice."""
    random = torch.Generator().manual_seed(0)
    logits_BC = 2 * torch.randn(5, 3, generator=random, dtype=torch.float64)
    change_BC = torch.randn(5, 3, generator=random, dtype=torch.float64)
    labels = torch.tensor([0, 2, 1, 1, 0])
    if isinstance(found, ManyLabels):
        labels = torch.tensor([[0, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 1], [0, 0, 1]])

    loss, slopes_BC, bends = found.slopes(logits_BC, labels)

    assert float(loss) == pytest.approx(float(found.loss(logits_BC, labels)))
    torch.testing.assert_close(
        slopes_BC, torch.func.jacrev(lambda logits: found.loss(logits, labels))(logits_BC), rtol=1e-9, atol=1e-12
    )
    hessian = torch.func.hessian(lambda logits: found.loss(logits, labels))(logits_BC)
    torch.testing.assert_close(bends.times(change_BC), torch.einsum("bcxy,xy->bc", hessian, change_BC))
    torch.testing.assert_close(bends.diagonal(), torch.einsum("bcbc->bc", hessian))
