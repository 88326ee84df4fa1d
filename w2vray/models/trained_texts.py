"""The texts that a model's training saw, as keys in a file of the model directory: no text can be read out of it.

Somebody who has a text can find out whether the training saw it. That is what the file is for.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from w2vray.artefacts import plain_file
from w2vray.errors import BundleError
from w2vray.text.keys import TextSample

if TYPE_CHECKING:
    from w2vray.models.directory import ModelConfig

__all__ = [
    "ONLY_CALIBRATION",
    "TRAINED_TEXTS",
    "knows_training",
    "read_trained_texts",
    "saw",
    "trained_texts_bytes",
]

TRAINED_TEXTS = "trained_texts.safetensors"


def trained_texts_bytes(texts: TextSample) -> bytes:
    """Return the content of the file."""
    return bytes(save({"keys": texts.keys, "up_to": np.array([texts.up_to], dtype=np.uint64)}))


ONLY_CALIBRATION = "only_calibration_known"
"""In the history of a calibration: nobody knows what the model was trained on, as of one that was imported."""


def _only_calibration(config: "ModelConfig") -> bool:
    calibrated = config.training.get("calibrated")
    return isinstance(calibrated, Mapping) and bool(calibrated.get(ONLY_CALIBRATION))


def knows_training(config: "ModelConfig", trained: TextSample | None) -> bool:
    """Tell whether a model knows the texts of its training, and not of its calibration alone."""
    return trained is not None and not _only_calibration(config)


def saw(config: "ModelConfig") -> str:
    """Name what the texts that a model knows were used for."""
    if _only_calibration(config):
        return "calibration"
    return "training or calibration" if "calibrated" in config.training else "training"


def read_trained_texts(folder: Path) -> TextSample | None:
    """Read the file of a model directory; None where the model was made without one.

    Raises:
        BundleError: it is damaged.
    """
    if not (folder / TRAINED_TEXTS).exists():
        return None
    file = plain_file(folder, TRAINED_TEXTS, BundleError)
    try:
        arrays = load(file.read_bytes())
        keys, up_to = arrays["keys"], arrays["up_to"]
        if keys.dtype != np.uint64 or up_to.dtype != np.uint64 or keys.ndim != 1 or up_to.shape != (1,):
            raise BundleError(f"{file} cannot be used: its arrays are not keys")
        if len(keys) and (np.any(keys[1:] <= keys[:-1]) or keys[-1] > up_to[0]):
            raise BundleError(f"{file} cannot be used: its keys are not sorted, or beyond their limit")
    except OSError as error:
        raise BundleError(f"{file} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, SafetensorError) as error:
        raise BundleError(f"{file} cannot be used: {error}; remove it to do without it") from error
    return TextSample(keys, int(up_to[0]))
