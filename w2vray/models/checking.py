"""What a model directory holds, checked against its vectors and against its own description.

No torch here, unless a kind of model does not say the shapes of its weights: scoring by compiled kernels does without,
and so starts sooner and takes less memory.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.errors import BundleError
from w2vray.models.directory import OVERLAY, REPLACED, Bundle
from w2vray.models.wide.part import WIDE, misfit
from w2vray.settings.choices import SPECIAL_OOV
from w2vray.vectors import Vectors

__all__ = ["model_weights", "require_fitting", "tuned_rows"]

_PREFIX = "model."
_UNFIT = "the weights do not fit the model that config.json describes"


def require_fitting(bundle: Bundle) -> None:
    """Compare the weights with what config.json describes, before any memory is taken for a model of that size.

    Raises:
        BundleError: one is missing, too many, or of another shape, or holds a value that is not a number.
    """
    config = bundle.config
    overlay_KD = bundle.weights.get(OVERLAY)
    rows = int(config.oov in SPECIAL_OOV) + len(bundle.replaced_rows)
    if overlay_KD is None or tuple(overlay_KD.shape) != (rows, config.dim):
        raise BundleError(
            f"the model's overlay is {None if overlay_KD is None else tuple(overlay_KD.shape)}; "
            f"expected {(rows, config.dim)} for --oov {config.oov}"
        )
    described = config.kind.weight_shapes(config.settings, config.dim, len(config.labels))
    for name, shape in described.items():
        stored = bundle.weights.get(_PREFIX + name)
        found = None if stored is None else tuple(stored.shape)
        if found != shape:
            raise BundleError(f"{_UNFIT}: {name} is {found}, not {shape}")
    wide = {name for name in bundle.weights if name.startswith(WIDE)} if config.wide is not None else set()
    if config.wide is not None and (wrong := misfit(config.wide, bundle.weights, len(config.labels))):
        raise BundleError(f"{_UNFIT}: {wrong}")
    known = {OVERLAY, REPLACED, *(_PREFIX + name for name in described), *wide}
    if more := sorted(bundle.weights.keys() - known):
        raise BundleError(f"{_UNFIT}: it has no {', '.join(more)}")
    for name, array in bundle.weights.items():
        if not np.isfinite(array).all():
            raise BundleError(f"the model's {name.removeprefix(_PREFIX)} contains NaN or infinity; train it again")


def tuned_rows(bundle: Bundle, vectors: Vectors) -> npt.NDArray[np.int64]:
    """Return the table rows that the model has in its overlay.

    Raises:
        BundleError: they are not rows of the table.
    """
    rows = bundle.replaced_rows
    if rows.size and (rows[0] < 0 or rows[-1] >= len(vectors) or (np.diff(rows) <= 0).any()):
        raise BundleError(f"the model's tuned words are not rows of the vectors, ascending, 0 to {len(vectors) - 1}")
    return rows


def model_weights(bundle: Bundle) -> Mapping[str, npt.NDArray[Any]]:
    """Return the weights behind the word vectors, in float32, by torch's names."""
    return {
        name.removeprefix(_PREFIX): array.astype(np.float32)
        for name, array in bundle.weights.items()
        if name.startswith(_PREFIX)
    }
