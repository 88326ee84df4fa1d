"""Networks as one would write them in plain torch, on the same frozen vectors and tokens as w2vray's own.

``plain-cnn`` is the network of Kim, Convolutional Neural Networks for Sentence Classification (2014), vectors static;
but Adam trains it, and its weights' norms are not bounded. ``padded-cnn`` lets filters reach beyond both ends of texts,
as Kim's program and w2vray's ``cnn`` do, so that they see where these begin and end.

``plain-lstm`` and ``plain-gru`` answer from the state at the last step of a batch that is padded on the right, a common
mistake: of all texts but the longest they have read the padding, too, and a text's answer depends on those beside it.

None is tuned and none stops early: all rows to learn from are learnt from, ``dev`` is not used, and the last epoch's
weights are tested.

Shape letters: CONTRIBUTING.md.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from classifiers import OOV, Outcome, outcome
from labelled_sets import LabelledSet, Rows
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from w2vray.vectors import Vectors

__all__ = ["PLAIN_NETWORKS", "measure_plain_network"]

_TRAINING: dict[str, Any] = {"batch": 50, "epochs": 10, "learning_rate": 1e-3}
PLAIN_NETWORKS: dict[str, dict[str, Any]] = {
    "plain-cnn": {**_TRAINING, "widths": [3, 4, 5], "filters": 100, "dropout": 0.5, "padded": False},
    "padded-cnn": {**_TRAINING, "widths": [3, 4, 5], "filters": 100, "dropout": 0.5, "padded": True},
    "plain-lstm": {**_TRAINING, "hidden": 128},
    "plain-gru": {**_TRAINING, "hidden": 128},
}


class PlainCnn(nn.Module):
    """Filters over so many words at a time, maybe beyond both ends too, their maxima, dropout, and a dense layer."""

    def __init__(
        self, dim: int, classes: int, widths: list[int], filters: int, *, dropout: float, padded: bool
    ) -> None:
        super().__init__()
        self.widest = max(widths)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(dim, filters, width, padding=(width - 1) * padded) for width in widths
        )
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(len(widths) * filters, classes)

    def forward(self, vectors_BTD: Tensor) -> Tensor:
        """Return logits_BC."""
        too_short = max(self.widest - vectors_BTD.shape[1], 0)
        vectors_BDT = F.pad(vectors_BTD.transpose(1, 2), (0, too_short))
        found = [convolution(vectors_BDT).relu().amax(dim=2) for convolution in self.convolutions]
        logits_BC: Tensor = self.dense(self.dropout(torch.cat(found, dim=1)))
        return logits_BC


class PlainRecurrent(nn.Module):
    """An LSTM or a GRU, and a dense layer on its state at the last step, which is padding for all but the longest."""

    def __init__(self, dim: int, classes: int, kind: type[nn.LSTM | nn.GRU], hidden: int) -> None:
        super().__init__()
        self.recurrent = kind(dim, hidden, batch_first=True)
        self.dense = nn.Linear(hidden, classes)

    def forward(self, vectors_BTD: Tensor) -> Tensor:
        """Return logits_BC."""
        states_BTH, _ = self.recurrent(vectors_BTD)
        logits_BC: Tensor = self.dense(states_BTH[:, -1])
        return logits_BC


def measure_plain_network(labelled: LabelledSet, vectors: Vectors, name: str, seed: int) -> Outcome:
    """Train a network for its ten epochs, then classify the test rows, in their order and in batches as large."""
    settings = PLAIN_NETWORKS[name]
    torch.manual_seed(seed)
    model = _network(name, vectors.dim, len(labelled.labels))
    _train(model, labelled, vectors, settings)
    model.eval()
    texts, batch = _texts(labelled.test, vectors), settings["batch"]
    with torch.inference_mode():
        batches = (_padded(texts[start : start + batch], vectors) for start in range(0, len(texts), batch))
        predicted_N = torch.cat([model(vectors_BTD).argmax(dim=1) for vectors_BTD in batches])
    return outcome(predicted_N.numpy(), labelled, settings["epochs"])


def _train(model: nn.Module, labelled: LabelledSet, vectors: Vectors, settings: dict[str, Any]) -> None:
    texts, batch = _texts(labelled.train, vectors), settings["batch"]
    labels_N = torch.tensor([labelled.labels.index(label) for label in labelled.train.labels])
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["learning_rate"])
    for _ in range(settings["epochs"]):
        order_N = torch.randperm(len(texts))
        for start in range(0, len(texts), batch):
            rows_B = order_N[start : start + batch]
            logits_BC = model(_padded([texts[row] for row in rows_B.tolist()], vectors))
            loss = F.cross_entropy(logits_BC, labels_N[rows_B])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call] # torch does not type it
            optimizer.step()


def _network(name: str, dim: int, classes: int) -> PlainCnn | PlainRecurrent:
    settings = PLAIN_NETWORKS[name]
    if "filters" in settings:
        sizes = settings["widths"], settings["filters"]
        return PlainCnn(dim, classes, *sizes, dropout=settings["dropout"], padded=settings["padded"])
    return PlainRecurrent(dim, classes, nn.LSTM if name == "plain-lstm" else nn.GRU, settings["hidden"])


def _texts(rows: Rows, vectors: Vectors) -> list[npt.NDArray[np.int32]]:
    """Return each text's ids of known words, as the other classifiers have them."""
    ids = vectors.lookup(vectors.rules, OOV)(rows.texts)
    return np.split(ids.ids_L, ids.offsets_N1[1:-1])


def _padded(texts: list[npt.NDArray[np.int32]], vectors: Vectors) -> Tensor:
    """Return vectors_BTD, padded on the right with zeros; of texts without any known word, one step of padding."""
    rows = [torch.from_numpy(vectors.table_VD[ids].astype(np.float32)) for ids in texts]
    padded_BTD = pad_sequence(rows, batch_first=True)
    return padded_BTD if padded_BTD.shape[1] else F.pad(padded_BTD, (0, 0, 0, 1))
