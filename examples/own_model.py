"""A model of your own: a torch network and one row of a table are enough to train, evaluate and score with it.

::

    python examples/own_model.py [FOLDER]

The model is a deep averaging network (Iyyer et al., 2015): hidden layers over the mean of a text's word vectors. The
command line knows it too, if a variable names this module and Python finds it::

    PYTHONPATH=examples W2VRAY_MODELS=own_model:DAN w2vray train --model dan --hidden 32 ...

On a cluster of several machines the module has to be installed on each of them.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from reviews import write_reviews
from torch import Tensor, nn

import w2vray
from w2vray.models.kinds import Kind, register
from w2vray.settings.fields import documented, require
from w2vray.settings.steps import StepSettings


@dataclass(frozen=True, kw_only=True)
class DanSettings(StepSettings):
    """Options of the model, beside those of every model that learns in steps: epochs, dropout, learning rate, ..."""

    hidden: int = documented("numbers in each hidden layer.", 32)
    layers: int = documented("hidden layers.", 2)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.hidden > 0, "hidden", self.hidden, "a whole number above 0")
        require(self.layers > 0, "layers", self.layers, "a whole number above 0")


class DanModel(nn.Module):
    """Word vectors to logits. It is made with the width of a vector, the number of classes, and its settings."""

    def __init__(self, dim: int, classes: int, settings: DanSettings) -> None:
        super().__init__()
        widths = [dim, *[settings.hidden] * settings.layers]
        hidden = [[nn.Linear(width, settings.hidden), nn.ReLU(), nn.Dropout(settings.dropout)] for width in widths[:-1]]
        self.layers = nn.Sequential(*[layer for each in hidden for layer in each], nn.Linear(settings.hidden, classes))

    def forward(self, vectors_BTD: Tensor, lengths_B: Tensor) -> Tensor:
        """Return logits_BC of B texts of up to T words, D numbers each.

        Vectors behind a text's end are zeros, which change no sum. A text may have no word.
        """
        mean_BD = vectors_BTD.sum(dim=1) / lengths_B.clamp(min=1)[:, None]
        logits_BC: Tensor = self.layers(mean_BD)
        return logits_BC


DAN = Kind(name="dan", summary="hidden layers over the mean vector", settings=DanSettings, network=DanModel)


def main(folder: Path) -> None:
    """Train the model, measure it, and answer a few texts."""
    register(DAN)  # from here on, this process knows it; Ray's workers are sent it with their work

    write_reviews(folder / "labelled.parquet", 500, seed=10)
    write_reviews(folder / "test.parquet", 200, seed=11)
    w2vray.train_vectors(
        folder / "labelled.parquet", output=folder / "vectors", dim=50, epochs=200, skip_gram=True, threads=1
    )
    with w2vray.connected():
        trained = w2vray.train(
            folder / "labelled.parquet",
            vectors=folder / "vectors",
            output=folder / "model",
            model="dan",
            hidden=16,  # the model's own option, checked by DanSettings
            learning_rate=0.01,  # 500 rows are few steps: larger ones,
            averaging=0.9,  # and a shorter memory of earlier weights
        )
        print(f"{trained.epochs} epochs, validation loss {trained.curve[-1]['validation_loss']:.3f} in the last")
        measured = w2vray.evaluate(folder / "test.parquet", model=folder / "model")
        print(f"accuracy {measured.metrics.accuracy:.3f}")

    # Alone or among others, a text has the same answer.
    scorer = w2vray.TextScorer.load(folder / "model")
    together = scorer.score(["the film is moving", "the plot is dull and the cast is flat"]).probabilities_NC
    alone = scorer.score(["the film is moving"]).probabilities_NC
    print("alone as among others:", torch.allclose(torch.tensor(together[0]), torch.tensor(alone[0]), atol=1e-5))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="w2vray-")))
