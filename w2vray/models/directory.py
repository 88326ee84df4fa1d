"""The model directory: everything a model is but its frozen vectors, which it names by their content.

::

    config.json            model, settings, labels, token rules, oov, which vectors, how it was trained; sizes
                           and digests of the other files of the model itself
    weights.safetensors    the model's weights and the overlay
    README.md              the same for a person: labels, data, options, accuracy
    trained_texts.safetensors   numbers that stand for the texts of the training: see trained_texts.py
    ngrams.json            of a model with n-grams: the words of the strongest ones
    vectors/               only with --with-vectors: a vectors directory, so that the model can be moved as one

Nothing in it is pickled: loading a model cannot run code. It is made beside its final name and renamed when complete.
"""

import hashlib
import json
import math
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_weights
from safetensors.numpy import save as save_weights

from w2vray.artefacts import no_path_because, plain_file, read_json
from w2vray.errors import BundleError, ConfigError
from w2vray.models.card import model_card
from w2vray.models.files import CARD, CONFIG, FILES, KIND, VECTORS, WEIGHTS, digests, require_files
from w2vray.models.kinds import MODELS_VARIABLE, Kind, ModelSettings, kind_named, known, model_settings
from w2vray.models.reading import Reading
from w2vray.models.thresholds import Thresholds
from w2vray.models.trained_texts import TRAINED_TEXTS, read_trained_texts, trained_texts_bytes
from w2vray.models.wide.named_runs import NAMED_RUNS, NamedRun, named_runs_bytes, read_named_runs
from w2vray.models.wide.settings import WideSettings
from w2vray.places.fetching import fetched_directory
from w2vray.places.uris import is_uri, shown, without_secrets
from w2vray.settings.choices import OOV_CHOICES
from w2vray.standing import instead
from w2vray.text.keys import TextSample
from w2vray.text.rules import TokenRules
from w2vray.vectors import Vectors

__all__ = ["Bundle", "ModelConfig", "save_bundle"]

FORMAT_VERSION = 2
CALIBRATED_VERSION = 3
"""Of a model with temperatures: a program that knows none of them would give other probabilities."""
THRESHOLDS_VERSION = 4
"""Of a model with thresholds: a program that knows none of them would keep more labels than were promised."""
WIDE_VERSION = 5
"""Of a model with a wide part: a program that knows none would answer from half of the model."""
_READ = range(FORMAT_VERSION, WIDE_VERSION + 1)

OVERLAY = "words.overlay_KD"
REPLACED = "words.replaced_rows"


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """What a model is, apart from its weights. ``training`` tells how it came to be and changes no answer.

    ``reading`` is how its training read rows, which other verbs do too. A model that was made before models remembered
    it has the defaults.

    ``kind`` is looked up once, by the model's name, and goes with the configuration to other processes, which need not
    know the kind otherwise.
    """

    model: str
    settings: ModelSettings
    tuned_vectors: bool = False  # the overlay holds words of the training set, tuned with the model
    labels: tuple[str, ...]
    multi_label: bool = False  # a text may have any number of the labels, or none
    rules: TokenRules
    oov: str
    dim: int
    vectors_fingerprint: str
    vectors_path: str
    temperatures: tuple[float, ...] = ()  # what logits are divided by: one for all, one a label, or not calibrated
    wide: WideSettings | None = None  # what is read beside vectors: runs of words
    thresholds: Thresholds | None = None  # that a label's probability has to reach
    reading: Reading = field(default_factory=Reading)
    training: Mapping[str, Any] = field(default_factory=dict)
    kind: Kind = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", kind_named(self.model))

    @property
    def _format_version(self) -> int:
        if self.wide:
            return WIDE_VERSION
        if self.thresholds:
            return THRESHOLDS_VERSION
        return CALIBRATED_VERSION if self.temperatures else FORMAT_VERSION

    def as_dict(self) -> dict[str, Any]:
        """Return the content of config.json."""
        return {
            "format_version": self._format_version,
            "model": self.model,
            "settings": {name: value for name, value in asdict(self.settings).items() if value is not None},
            "tuned_vectors": self.tuned_vectors,
            "labels": list(self.labels),
            "multi_label": self.multi_label,
            "tokens": self.rules.as_dict(),
            "oov": self.oov,
            **({"ngrams": self.wide.as_dict()} if self.wide else {}),
            **({"temperatures": list(self.temperatures)} if self.temperatures else {}),
            **({"thresholds": self.thresholds.as_dict()} if self.thresholds else {}),
            "vectors": {"fingerprint": self.vectors_fingerprint, "path": self.vectors_path, "dim": self.dim},
            "reading": self.reading.as_dict(),
            "training": dict(self.training),
        }

    @classmethod
    def from_dict(cls, stored: Any) -> Self:
        """Rebuild from the content of config.json.

        Raises:
            BundleError: something is missing or of another kind.
        """
        found = stored.get("format_version") if isinstance(stored, dict) else None
        if found not in _READ:
            newer = isinstance(found, int) and found > WIDE_VERSION
            remedy = (
                "install the version of w2vray that made it"
                if newer
                else "train the model again, by `w2vray train --from MODEL/config.json --output NEW`"
            )
            raise BundleError(
                f"format version {found!r}; this version of w2vray reads {FORMAT_VERSION} to {THRESHOLDS_VERSION}: "
                f"{remedy}"
            )
        try:
            model, labels, vectors, oov = (
                stored["model"],
                stored["labels"],
                stored["vectors"],
                stored["oov"],
            )
            if model not in known():
                raise BundleError(
                    f"model {model!r}; this version of w2vray knows {', '.join(known())}; name a model of your "
                    f"own in {MODELS_VARIABLE}"
                )
            if oov not in OOV_CHOICES:
                raise BundleError(f"oov {oov!r}; this version of w2vray knows {', '.join(OOV_CHOICES)}")
            multi_label, tuned = stored["multi_label"], stored["tuned_vectors"]
            for name, value in (("multi_label", multi_label), ("tuned_vectors", tuned)):
                if not isinstance(value, bool):
                    raise BundleError(f"{name} is {value!r}; expected true or false")
            least = 1 if multi_label else 2
            if not isinstance(labels, list) or len(labels) < least or not all(isinstance(item, str) for item in labels):
                raise BundleError(f"labels are {labels!r}; expected a list of at least {least} strings")
            dim = vectors["dim"]
            if not isinstance(dim, int) or not 1 <= dim <= 100_000:
                raise BundleError(f"vectors.dim is {dim!r}; expected 1 to 100000")
            return cls(
                model=model,
                settings=model_settings(model, dict(stored["settings"]), tuned=tuned),
                tuned_vectors=tuned,
                labels=tuple(labels),
                multi_label=multi_label,
                rules=TokenRules.from_dict(stored["tokens"]),
                oov=oov,
                dim=dim,
                vectors_fingerprint=str(vectors["fingerprint"]),
                vectors_path=str(vectors["path"]),
                temperatures=_temperatures(stored.get("temperatures", []), len(labels) if multi_label else 1),
                wide=WideSettings.from_dict(stored["ngrams"]) if "ngrams" in stored else None,
                thresholds=_thresholds(stored.get("thresholds"), len(labels), multi_label=multi_label),
                reading=Reading.from_dict(stored.get("reading", {})),
                training=dict(stored.get("training", {})),
            )
        except (KeyError, TypeError, ValueError, ConfigError) as error:
            raise BundleError(f"{type(error).__name__}: {error}") from error


def _thresholds(stored: Any, labels: int, *, multi_label: bool) -> Thresholds | None:
    return None if stored is None else Thresholds.from_dict(stored, labels, multi_label=multi_label)


def _temperatures(stored: Any, most: int) -> tuple[float, ...]:
    """Check them.

    Raises:
        BundleError: they are not positive numbers, or not as many as there may be.
    """
    right = isinstance(stored, list) and len(stored) in {0, 1, most}
    if not right or not all(type(item) in {int, float} and 0 < item < math.inf for item in stored):
        raise BundleError(f"temperatures are {stored!r}; expected one number above 0, or one for each label")
    return tuple(map(float, stored))


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model: its configuration and its weights, by the names torch gives them."""

    config: ModelConfig
    weights: Mapping[str, npt.NDArray[Any]]
    path: Path | None = None
    uri: str = ""  # where it was fetched from, without any key

    @property
    def place(self) -> str:
        """Where a person finds it: a URI, or a path."""
        return self.uri or (str(self.path) if self.path else "this model")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a model directory; one at a URI is fetched, once: see ``places/cache.py``.

        Raises:
            BundleError: it is not one, or a file of it is damaged.
        """
        if is_uri(str(path)):
            local = fetched_directory(str(path), KIND, require_files)
            try:
                return replace(cls.load(local), uri=without_secrets(str(path)))
            except BundleError as error:
                raise BundleError(str(error).replace(str(local), shown(str(path)))) from error
        path = Path(path)
        if not path.is_dir():
            if why := no_path_because(str(path)):
                raise BundleError(f"{path}: {why}")
            raise BundleError(f"{path} is not a model directory{instead(path)}; make one with `w2vray train`")
        file = path / CONFIG
        if not file.exists():
            raise BundleError(f"{path} is not a model directory: it has no {CONFIG}{instead(path)}")
        stored = read_json(path, CONFIG, BundleError)
        try:
            config = ModelConfig.from_dict(stored)
        except (ValueError, KeyError, BundleError) as error:
            raise BundleError(f"{file} cannot be used: {error}") from error
        file = plain_file(path, WEIGHTS, BundleError)
        try:
            weights = load_weights(file.read_bytes())
        except OSError as error:
            raise BundleError(f"{file} cannot be read ({error.strerror})") from error
        except (ValueError, KeyError, SafetensorError) as error:  # KeyError: a dtype that numpy has not
            raise BundleError(f"{file} cannot be used: {error}") from error
        return cls(config, weights, path.resolve())

    @property
    def replaced_rows(self) -> npt.NDArray[np.int64]:
        """The table rows that the overlay's last rows stand for, ascending; none where words are not tuned."""
        return np.asarray(self.weights.get(REPLACED, np.empty(0)), dtype=np.int64)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that a text's answer depends on: the configuration, the weights, the vectors.

        Neither the history is among it, nor which column the text is in.
        """
        stored = self.config.as_dict()
        del stored["training"], stored["reading"], stored["vectors"]["path"]
        digest = hashlib.sha256(json.dumps(stored, sort_keys=True).encode())
        for name in sorted(self.weights):
            array = np.ascontiguousarray(self.weights[name])
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()

    def trained_texts(self) -> TextSample | None:
        """Read which texts the training saw; None where the model does not tell.

        Raises:
            BundleError: the file that tells is damaged.
        """
        return None if self.path is None else read_trained_texts(self.path)

    def named_runs(self) -> list[NamedRun]:
        """Read the words of the wide part's strongest runs; none where the model does not tell.

        Raises:
            BundleError: the file that tells is damaged.
        """
        return [] if self.path is None else read_named_runs(self.path)

    def open_vectors(self, path: str | Path | None = None) -> Vectors:
        """Open the model's vectors: at ``path``, or inside the model directory, or where they were at training.

        Raises:
            BundleError: what is there has another content than the vectors the model was trained with.
            VectorsError: nothing is there.
        """
        inside = self.path / VECTORS if self.path else None
        if inside and inside.is_symlink():
            raise BundleError(f"{inside} is outside of the model directory; name the vectors with --vectors instead")
        inside = inside if inside and inside.is_dir() else None
        place = str(path or inside or self.config.vectors_path)
        if path is None and not is_uri(place) and not Path(place).exists():
            raise BundleError(f"the model's vectors are not at {place} any more; --vectors says where they are now")
        vectors = Vectors.open(place)
        place = f"{self.uri}/{VECTORS}" if self.uri and place == str(inside) else vectors.place
        if vectors.fingerprint != self.config.vectors_fingerprint:
            raise BundleError(
                f"{place} holds other vectors than the model was trained with: fingerprint {vectors.fingerprint[:16]}, "
                f"expected {self.config.vectors_fingerprint[:16]}; name the right ones with --vectors"
            )
        return vectors.for_oov(self.config.oov)


def save_bundle(
    output: str | Path,
    config: ModelConfig,
    weights: Mapping[str, npt.NDArray[Any]],
    *,
    with_vectors: Path | None = None,
    vectors: Path | None = None,
    beside: Path | None = None,
    trained: TextSample | None = None,
    runs: Sequence[NamedRun] = (),
) -> Bundle:
    """Write a model directory, whole or not at all.

    Args:
        output: where it is to be.
        config: what it is.
        weights: by the names torch gives them.
        with_vectors: a vectors directory that is copied into it.
        vectors: a vectors directory of the same filesystem, which is moved into it.
        beside: a folder of the same filesystem where it is made, and left where the process dies; the one that
            ``output`` lies in, where nothing is said.
        trained: the texts that the training saw.
        runs: the words of the wide part's strongest runs.

    Raises:
        BundleError: there is something at ``output`` already, or it cannot be written.
    """
    output = Path(output)
    if os.path.lexists(output):
        raise BundleError(f"{output} already exists; give another --output, or remove it first")
    unfinished = f"partial-{uuid.uuid4().hex[:8]}"
    partial = beside / unfinished if beside else output.parent / f".{output.name}.{unfinished}"
    try:
        partial.mkdir(parents=True)
        in_order = {name: np.asarray(array, order="C") for name, array in weights.items()}  # safetensors takes it as so
        (partial / WEIGHTS).write_bytes(save_weights(in_order))
        (partial / CARD).write_text(model_card(config), encoding="utf-8", errors="backslashreplace")
        if trained is not None:
            (partial / TRAINED_TEXTS).write_bytes(trained_texts_bytes(trained))
        if runs:
            (partial / NAMED_RUNS).write_bytes(named_runs_bytes(runs))
        described = {**config.as_dict(), FILES: digests(partial)}
        text = json.dumps(described, indent=2, ensure_ascii=False) + "\n"
        (partial / CONFIG).write_text(text, encoding="utf-8")
        if with_vectors is not None:
            shutil.copytree(with_vectors, partial / VECTORS)
        if vectors is not None:
            vectors.rename(partial / VECTORS)
        for file in partial.rglob("*"):
            if file.is_file():
                with file.open("rb") as handle:
                    os.fsync(handle.fileno())
        partial.rename(output)
    except OSError as error:
        raise BundleError(f"{output} cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Bundle.load(output)
