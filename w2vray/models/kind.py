"""What a kind of model is: the columns of the table in ``kinds.py``."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from w2vray.errors import ConfigError
from w2vray.settings.imported import ImportedSettings
from w2vray.settings.logistic import LogisticSettings
from w2vray.settings.steps import StepSettings

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from w2vray.models.evidence import Evidence
    from w2vray.models.folding import Head

__all__ = ["Kind", "ModelSettings", "named_object"]

ModelSettings = StepSettings | LogisticSettings | ImportedSettings

_NAME = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of model. ``network`` alone is enough to train, evaluate and score; ``shapes`` and ``head`` save time.

    ``network`` and ``head`` take their arguments by position. Each may be spelled ``"module:Name"``: the module is then
    imported when it is first needed, so that a program that scores without torch does not import it.
    """

    name: str
    """As ``--model`` and config.json spell it."""

    summary: str
    """What it computes, in a few words for the help."""

    settings: type[ModelSettings]
    """Its options. A subclass of ``StepSettings`` learns in steps, and one of ``LogisticSettings`` is fitted at once.
    One of ``ImportedSettings`` is not trained here, and ``--model`` does not offer it."""

    network: "str | Callable[[int, int, Any], nn.Module]"
    """Makes a ``torch.nn.Module`` from the width of a vector, the number of classes, and settings.

    Its ``forward(vectors_BTD, lengths_B)`` returns logits_BC. A text must have the same logits alone and in any batch:
    what lies behind its length (zeros) must not count, and nothing may be normalised over a batch. A text may have no
    word.

    A network may also have ``read(words, lengths_B)``, which returns the same logits for one text or more. Training on
    a CPU calls it instead of ``forward``: ``words`` (a ``ReadWords``) reads vectors by their places in the batch, and
    nothing is padded.
    """

    tuned: type[StepSettings] | None = None
    """Its options with ``--tune-vectors``, where they differ."""

    shapes: Callable[[Any, int, int], Mapping[str, tuple[int, ...]]] | None = None
    """Returns the shape of each weight of the network, from settings, a vector's width and the number of classes.

    Without it, the network is built on torch's ``meta`` device and asked.
    """

    head: "str | Callable[[Mapping[str, npt.NDArray[Any]], Any], Head] | None" = None
    """Makes what scores by compiled kernels, from weights and settings. Without it, torch scores on CPUs too."""

    evidence: "str | Callable[[Mapping[str, npt.NDArray[Any]], Any], Evidence] | None" = None
    """Makes what tells the words that decided about a text, from weights and settings. Without it, words are left out
    one after another, where that is asked for."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(f"a kind of model is named {self.name!r}; allowed: {_NAME.pattern}")
        if issubclass(self.settings, ImportedSettings):
            return
        if not issubclass(self.settings, StepSettings | LogisticSettings):
            raise ConfigError(
                f"the settings of the model {self.name} are {self.settings.__name__}; derive that from StepSettings"
            )
        if not issubclass(self.settings_class(tuned=True), StepSettings):
            raise ConfigError(f"the model {self.name} lacks settings for --tune-vectors: a subclass of StepSettings")

    @property
    def trained_here(self) -> bool:
        """Whether ``train`` makes such models."""
        return not issubclass(self.settings, ImportedSettings)

    def settings_class(self, *, tuned: bool = False) -> type[ModelSettings]:
        """Return the class of its settings; ``tuned`` where words are tuned."""
        return self.tuned if tuned and self.tuned is not None else self.settings

    def build(self, settings: ModelSettings, dim: int, classes: int) -> "nn.Module":
        """Build the network with fresh weights."""
        make = named_object(self.network) if isinstance(self.network, str) else self.network
        built: nn.Module = make(dim, classes, settings)
        return built

    def weight_shapes(self, settings: ModelSettings, dim: int, classes: int) -> Mapping[str, tuple[int, ...]]:
        """Return the shape of each weight that is stored, without taking memory for one."""
        if self.shapes is not None:
            return self.shapes(settings, dim, classes)
        import torch  # only for a kind that does not say its shapes

        with torch.device("meta"):
            state = self.build(settings, dim, classes).state_dict()
        return {name: tuple(value.shape) for name, value in state.items()}

    def scoring_head(self, settings: ModelSettings, weights: "Mapping[str, npt.NDArray[Any]]") -> "Head | None":
        """Make what scores by compiled kernels, or return None if torch has to score."""
        if self.head is None:
            return None
        make = named_object(self.head) if isinstance(self.head, str) else self.head
        made: Head = make(weights, settings)
        return made

    def told_evidence(self, settings: ModelSettings, weights: "Mapping[str, npt.NDArray[Any]]") -> "Evidence | None":
        """Make what tells the words that decided about a text, or return None if the kind has none."""
        if self.evidence is None:
            return None
        make = named_object(self.evidence) if isinstance(self.evidence, str) else self.evidence
        made: Evidence = make(weights, settings)
        return made


def named_object(reference: str) -> Any:
    """Import what ``module:Name`` names.

    Raises:
        ImportError: the module is not there, or holds no such name.
    """
    module, _, name = reference.partition(":")
    try:
        return getattr(import_module(module), name)
    except (AttributeError, ValueError) as error:
        raise ImportError(f"{reference!r} is not the MODULE:NAME of an object") from error
