"""Logits to answers: probabilities, and the most probable label, in one pass.

Exponentials are doubles, of numbers that are not above zero, so that none overflows; probabilities are rounded once.

Shape letters: CONTRIBUTING.md.
"""

import math

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import kernel

__all__ = ["answer"]


@kernel
def answer(
    logits_NC: npt.NDArray[np.float32], evidence_N: npt.NDArray[np.bool_], multi_label: bool, no_label: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Return probabilities_NC and label_N: of one label out of all, or of each label by itself.

    A text without evidence has probabilities of zero and ``no_label``.
    """
    texts, classes = logits_NC.shape
    probabilities_NC = np.zeros((texts, classes), dtype=np.float32)
    label_N = np.full(texts, no_label, dtype=np.int32)
    terms_C = np.empty(classes, dtype=np.float64)
    for text in range(texts):
        if not evidence_N[text]:
            continue
        highest = logits_NC[text, 0]
        for c in range(1, classes):
            highest = max(highest, logits_NC[text, c])
        total = 0.0
        for c in range(classes):
            logit = np.float64(logits_NC[text, c])
            if multi_label:
                power = math.exp(-abs(logit))
                terms_C[c] = (1.0 if logit >= 0 else power) / (1.0 + power)
            else:
                terms_C[c] = math.exp(logit - highest)
                total += terms_C[c]
        best = 0
        for c in range(classes):
            probabilities_NC[text, c] = terms_C[c] if multi_label else terms_C[c] / total
            if probabilities_NC[text, c] > probabilities_NC[text, best]:
                best = c
        label_N[text] = best
    return probabilities_NC, label_N
