"""What an output layer says, as fastText turns it into probabilities, and those as logits that all else reads.

Of softmax the outputs are the logits. Of the other losses each label has a probability by itself, so that its logit is
what the logistic function makes that probability of.

Source: ``Loss`` and its descendants in fastText 0.9.2: its logistic function is a table of 512 steps from -8 to 8, but
for hierarchical softmax; there each factor along the path has 0.00001 added before its logarithm is taken.

Shape letters: CONTRIBUTING.md.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

__all__ = ["LARGEST_LOGIT", "leaf_probabilities", "logits_of", "table_sigmoid"]

LARGEST_LOGIT = 88.0
"""Of a probability of 1; beyond it float32 knows no odds."""

_MOST, _STEPS = 8.0, 512
_FLOOR = 1e-5


def table_sigmoid(outputs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return fastText's logistic function: the table's value at the step before each number, 0 and 1 beyond."""
    steps = np.clip((outputs + _MOST) * _STEPS / _MOST / 2, 0, _STEPS).astype(np.int64)
    values = expit(steps * 2 * _MOST / _STEPS - _MOST)
    return np.where(outputs < -_MOST, 0.0, np.where(outputs > _MOST, 1.0, values))


def leaf_probabilities(outputs: npt.NDArray[np.float64], tree: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return probabilities_NC of the leaves of a tree, from what its inner nodes say; the last of these is the root."""
    inner = len(tree)
    classes = inner + 1
    chances = expit(outputs)
    logarithms = np.zeros((len(outputs), classes + inner))
    for node in range(inner - 1, -1, -1):  # a node comes before its parent
        left, right = tree[node]
        own_N = logarithms[:, classes + node]
        logarithms[:, left] = own_N + np.log(1.0 - chances[:, node] + _FLOOR)
        logarithms[:, right] = own_N + np.log(chances[:, node] + _FLOOR)
    return np.exp(logarithms[:, :classes])


def logits_of(loss: str, outputs: npt.NDArray[np.float64], tree: npt.NDArray[Any] | None) -> npt.NDArray[np.float32]:
    """Return logits_NC of what the output layer says."""
    if loss == "softmax":
        return outputs.astype(np.float32)
    if loss == "hs":
        assert tree is not None
        probabilities_NC = leaf_probabilities(outputs, tree.astype(np.int64))
    else:
        probabilities_NC = table_sigmoid(outputs)
    with np.errstate(divide="ignore"):
        logits_NC = np.log(probabilities_NC) - np.log1p(-np.minimum(probabilities_NC, 1.0))
    clipped_NC: npt.NDArray[np.float32] = np.clip(logits_NC, -LARGEST_LOGIT, LARGEST_LOGIT).astype(np.float32)
    return clipped_NC
