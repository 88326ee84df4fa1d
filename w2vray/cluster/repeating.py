"""A training repeated from what a model directory tells of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from w2vray.artefacts import read_json
from w2vray.bundle import ModelConfig
from w2vray.config import TrainSettings
from w2vray.errors import BundleError, ConfigError, CorpusError

__all__ = ["Origin", "repeated"]

_CONFIG = "config.json"


@dataclass(frozen=True)
class Origin:
    """What a training that is repeated was given: the fingerprints of its data and of its vectors."""

    file: Path
    data: tuple[str, ...]
    vectors: str

    def require(self, settings: TrainSettings, data: Sequence[str], vectors: str) -> None:
        """Refuse to call another training a repetition.

        Raises:
            CorpusError: the labelled data is not that of the first training.
            BundleError: the vectors are not.
        """
        places = [("LABELLED", settings.labelled), ("--validation", settings.validation)][: len(data)]
        if len(data) != len(self.data):
            raise CorpusError(f"{self.file} tells of {len(self.data)} labelled stores, and there are {len(data)}")
        for (option, place), found, expected in zip(places, data, self.data, strict=True):
            if found != expected:
                raise CorpusError(
                    f"{', '.join(place)} is not what {self.file} tells of: fingerprint {found[:16]}, expected "
                    f"{expected[:16]}; name the data of that training as {option}, or leave out --from"
                )
        if vectors != self.vectors:
            raise BundleError(
                f"{settings.vectors} holds other vectors than {self.file} tells of: fingerprint {vectors[:16]}, "
                f"expected {self.vectors[:16]}; name the right ones with --vectors, or leave out --from"
            )


def repeated(path: str | Path, given: Mapping[str, Any]) -> tuple[TrainSettings, Origin]:
    """Return the settings of a model's training, and what they were used on.

    Args:
        path: the model's config.json, or the model directory.
        given: settings that count instead of the stored ones; ``output`` is among them. The stored options of a model
            are left out where another model is given.

    Raises:
        BundleError: the file does not tell how the model was trained.
        ConfigError: the settings given do not go with the stored ones.
    """
    file = Path(path)
    file = file / _CONFIG if file.is_dir() else file
    try:
        config = ModelConfig.from_dict(read_json(file.parent, file.name, BundleError))
    except BundleError as error:
        raise BundleError(f"--from {file} is not the config.json of a model: {error}") from error
    stored, data = config.training.get("settings"), config.training.get("data")
    known = {item.name for item in fields(TrainSettings)}
    if not isinstance(stored, dict) or not isinstance(data, list) or not stored.keys() <= known:
        raise BundleError(f"{file} does not tell how its model was trained; name LABELLED and --vectors instead")
    other_model = given.get("model", config.model) != config.model
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
    try:
        options = {} if other_model else dict(values.get("model_settings", {}))
        model_options = {**options, **given.get("model_settings", {})}
        settings = TrainSettings(**{**values, **given, "model_settings": model_options})
    except (TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{file} holds settings that cannot be used ({error})") from error
    except ConfigError as error:
        raise ConfigError(f"{error} (with what {file} tells)") from error
    return settings, Origin(file, tuple(map(str, data)), config.vectors_fingerprint)
