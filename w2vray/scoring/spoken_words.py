"""Which words speak for a label and which against it, by what a model weighs in a text of each word alone.

The words are those that were tuned with the model, where it has such: they are the words of its training. Otherwise
they are the first words of its vectors, which published vectors begin with the commonest ones.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.errors import ConfigError
from w2vray.models.checking import model_weights, require_fitting, tuned_rows
from w2vray.models.directory import OVERLAY, Bundle
from w2vray.models.evidence import Numbers, direction_of
from w2vray.models.folding import vectors_of
from w2vray.models.wide.named_runs import NamedRun
from w2vray.models.wide.part import WidePart
from w2vray.notebooks import as_html
from w2vray.places.uris import without_secrets
from w2vray.scoring.evidence import require_evidence, scales_of
from w2vray.settings.explaining import ExplainSettings
from w2vray.text.word_ngrams import hashes_of
from w2vray.vectors import Vectors

__all__ = ["Explanation", "LabelWords", "explain_model"]

MOST_WORDS = 20_000
_AT_ONCE = 2048


@dataclass(frozen=True, kw_only=True)
class LabelWords:
    """The words that speak most for a label, and most against it, with their weights in logits."""

    label: str
    words_for: list[tuple[str, float]]
    words_against: list[tuple[str, float]]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What words say to a model.

    A weight is in logits of the label against the mean of the others, or of the label's own logit where a text may
    have any number of labels. It is that of a text of the word alone, without what the model says of no word at all.
    """

    model: str
    kind: str
    words: int
    of: str
    labels: list[LabelWords]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        facts = {item.label: _told(item.words_for) + "; against: " + _told(item.words_against) for item in self.labels}
        return as_html(f"Model {self.model}: of {self.of}", facts)


def _told(words: list[tuple[str, float]]) -> str:
    return ", ".join(f"{word} {weight:+.2f}" for word, weight in words)


def explain_model(settings: ExplainSettings) -> Explanation:
    """Find the words that speak most for and against each label.

    Raises:
        BundleError: the model directory, or the vectors for it, cannot be used.
        ConfigError: the model has no such label, or does not tell what it weighs.
    """
    bundle = Bundle.load(settings.model)
    config = bundle.config
    require_evidence(bundle, "occlusion")
    if config.kind.evidence is None:
        raise ConfigError(
            f"the model {config.model} does not tell what it weighs word by word; of a text, `w2vray predict --explain "
            "3 --explain-method occlusion` tells which words decided"
        )
    for label in settings.label:
        if label not in config.labels:
            raise ConfigError(f"--label is {label!r}; the model's labels are {_some(config.labels)}")
    vectors = bundle.open_vectors(settings.vectors)
    require_fitting(bundle)
    rows, of = _chosen(bundle, vectors)
    logits_WC = np.concatenate(list(_logits(bundle, vectors, rows)))
    words = [vectors.vocabulary.word(row) for row in rows.tolist()]
    single = len(words)
    if config.wide is not None:
        wide = WidePart(config.wide, bundle.weights, kernels=False)
        logits_WC = config.wide.main * logits_WC + wide.of_words(hashes_of(words))
        if config.wide.longest > 1:
            runs = bundle.named_runs()
            logits_WC = np.concatenate([logits_WC, wide.of_buckets(np.array([run.bucket for run in runs], np.int64))])
            words += map(_as_told, runs)
            of += _runs_told(runs)
    scales_C = scales_of(bundle)
    found = []
    for label in settings.label or config.labels:
        direction_C = direction_of(config.labels.index(label), scales_C, multi_label=config.multi_label)
        found.append(_words_of(label, words, logits_WC @ direction_C, settings.top))
    return Explanation(model=without_secrets(settings.model), kind=config.model, words=single, of=of, labels=found)


def _as_told(run: NamedRun) -> str:
    """Spell a run; a plus says that other runs share its bucket."""
    return " ".join(run.words) + (" +" if run.share < 1 else "")


def _runs_told(runs: Sequence[NamedRun]) -> str:
    if not runs:
        return " (n-grams of several words are not listed: the model keeps their hashes, not the words)"
    shared = sum(run.share < 1 for run in runs)
    told = f", and {len(runs):,} of the strongest n-grams of several words, each by what the n-gram itself adds"
    return told + (f" ({shared:,} with a + share their bucket with other n-grams)" if shared else "")


def _some(labels: tuple[str, ...]) -> str:
    told = ", ".join(map(repr, labels[:20]))
    return told if len(labels) <= 20 else f"{told} and {len(labels) - 20:,} more"


def _chosen(bundle: Bundle, vectors: Vectors) -> tuple[npt.NDArray[np.int64], str]:
    """Return the rows of words that are looked at, and what these words are."""
    tuned = tuned_rows(bundle, vectors)
    if len(tuned):
        return tuned, f"the {len(tuned):,} words that were tuned in training"
    count = min(len(vectors), MOST_WORDS)
    which = f"the first {count:,} words" if count < len(vectors) else f"all {count:,} words"
    return np.arange(count), f"{which} of the vectors"


def _logits(bundle: Bundle, vectors: Vectors, rows: npt.NDArray[np.int64]) -> Iterator[Numbers]:
    """Yield logits_WC of words, without the intercept."""
    config = bundle.config
    evidence = config.kind.told_evidence(config.settings, model_weights(bundle))
    assert evidence is not None
    overlay_KD = bundle.weights[OVERLAY].astype(np.float32)
    none_MD = np.empty((0, vectors.dim), dtype=np.float32)
    tuned = len(bundle.replaced_rows)
    first_tuned = len(vectors) + len(overlay_KD) - tuned
    ids = np.arange(first_tuned, first_tuned + tuned) if tuned else rows
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE].astype(np.int32)
        yield evidence.of_words(vectors_of(some, vectors.table_VD, overlay_KD, none_MD))


def _words_of(label: str, words: list[str], weights_W: Numbers, most: int) -> LabelWords:
    order = np.argsort(-weights_W, kind="stable")
    heaviest = [(words[word], float(weights_W[word])) for word in order[:most] if weights_W[word] > 0]
    lightest = [(words[word], float(weights_W[word])) for word in order[::-1][:most] if weights_W[word] < 0]
    return LabelWords(label=label, words_for=heaviest, words_against=lightest)
