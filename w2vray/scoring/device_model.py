"""A classifier on a device, a GPU as a rule: ids in, logits out, while the next ids are on their way to it.

Shape letters: CONTRIBUTING.md.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from w2vray.errors import ClusterError
from w2vray.models.batches import Batch, by_length
from w2vray.models.classifier import Classifier, shared_table
from w2vray.models.directory import OVERLAY, REPLACED, Bundle
from w2vray.models.wide.part import WIDE
from w2vray.models.word_vectors import WordVectors
from w2vray.settings.device import Device
from w2vray.text.lookup import Ids
from w2vray.vectors import Vectors

__all__ = ["DeviceModel", "Queued", "stored_classifier"]


class Queued:
    """Logits that a device is still at."""

    def __init__(self, logits_NC: Tensor, done: torch.cuda.Event | None) -> None:
        self._logits_NC, self._done = logits_NC, done

    def wait(self) -> npt.NDArray[np.float32]:
        """Return logits_NC on the CPU, once they are there."""
        if self._done is not None:
            self._done.synchronize()
        return self._logits_NC.numpy()


class DeviceModel:
    """A classifier and its table on a device; on a GPU, ids are copied by a stream beside the one that computes.

    The batches are a pure function of the block, and only algorithms that repeat themselves are used. That and the
    precision are set for the whole process: torch knows them in no other way.

    Raises:
        ClusterError: torch finds no such device, or the device has no room for the vectors.
    """

    def __init__(self, classifier: Classifier, device: Device) -> None:
        self.settings = device
        self.device = torch.device(device.name)
        self.copying: torch.cuda.Stream | None = None
        if self.device.type == "cuda":
            if not torch.cuda.is_available():
                raise ClusterError(
                    f"torch {torch.__version__} finds no GPU on {socket.gethostname()}, where Ray counts one; install "
                    "torch with CUDA and a driver there, or leave out --gpu"
                )
            torch.set_float32_matmul_precision("high" if device.precision == "tf32" else "highest")
            torch.backends.cudnn.allow_tf32 = device.precision == "tf32"
            torch.backends.cudnn.deterministic = True
            torch.backends.cudnn.benchmark = False
            self.copying = torch.cuda.Stream(self.device)
        table_VD = classifier.words.shared.table_VD
        try:
            self.classifier = classifier.to(self.device).eval()
            self.classifier.words.move_table(self.device)
        except torch.OutOfMemoryError as error:
            raise ClusterError(
                f"the GPU has no room for the vectors, {table_VD.nbytes:,} bytes; import fewer words with `vectors "
                "import --limit`, or half the bytes with `--dtype float16`"
            ) from error

    def queue(self, ids: Ids, made_MD: npt.NDArray[np.float32] | None, classes: int) -> Queued:
        """Hand a block to the device and do not wait for its answers.

        Raises:
            ClusterError: the device has no room for a batch.
        """
        with _room(self.settings), torch.inference_mode():
            logits_NC = torch.zeros(len(ids), classes, device=self.device)
            made = None if made_MD is None else torch.from_numpy(made_MD).to(self.device)
            for batch in by_length(ids.ids_L, ids.offsets_N1, made, tokens=self.settings.batch_tokens):
                logits_NC[torch.from_numpy(batch.texts_B).to(self.device)] = self._logits(self._here(batch))
            if self.copying is None:
                return Queued(logits_NC, None)
            answers_NC = torch.empty(logits_NC.shape, pin_memory=True)
            answers_NC.copy_(logits_NC, non_blocking=True)
            done = torch.cuda.Event()
            done.record(torch.cuda.current_stream(self.device))
            return Queued(answers_NC, done)

    def _logits(self, batch: Batch) -> Tensor:
        with _bfloat16(self.device) if self.settings.precision == "bfloat16" else nullcontext():
            logits_BC: Tensor = self.classifier(batch)
        return logits_BC.float()

    def _here(self, batch: Batch) -> Batch:
        """Copy a batch while the one before is computed."""
        if self.copying is None:
            return batch.to(self.device)
        with torch.cuda.stream(self.copying):
            copied = batch.pinned().to(self.device)
        computing = torch.cuda.current_stream(self.device)
        computing.wait_stream(self.copying)
        for tensor in (copied.ids_BT, copied.lengths_B):
            tensor.record_stream(computing)  # its memory is not given to the next copy before it was read
        return copied


@contextmanager
def _bfloat16(device: torch.device) -> Iterator[None]:
    """Compute products in bfloat16. On CPUs without such instructions oneDNN's recurrence cannot; torch's can."""
    without = device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported()
    (before, *_) = torch.backends.mkldnn.set_flags(False) if without else (True,)
    try:
        with torch.autocast(device.type, torch.bfloat16):
            yield
    finally:
        if without:
            torch.backends.mkldnn.set_flags(before)


@contextmanager
def _room(device: Device) -> Iterator[None]:
    """Say what to change where the device has no room: to go on with smaller batches would change answers."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        most = "" if device.batch_tokens is None else f" (now {device.batch_tokens:,})"
        raise ClusterError(
            f"the GPU has no room for a batch: {str(error).splitlines()[0]}; lower --batch-tokens{most}, or where one "
            "text is longer than that, give --max-bytes and --truncate"
        ) from error


def stored_classifier(bundle: Bundle, vectors: Vectors) -> Classifier:
    """Build the classifier of a model directory that fits its description (``checking.require_fitting``)."""
    config = bundle.config
    weights = {
        name: torch.from_numpy(np.array(array)) for name, array in bundle.weights.items() if not name.startswith(WIDE)
    }
    words = WordVectors(
        shared_table(vectors.table_VD), weights[OVERLAY], trainable=False, replaced_rows=weights.get(REPLACED)
    )
    classifier = Classifier(words, config.kind.build(config.settings, config.dim, len(config.labels)))
    classifier.load_state_dict(weights)
    return classifier
