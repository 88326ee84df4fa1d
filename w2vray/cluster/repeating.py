"""A training repeated from what a model directory tells of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from w2vray.artefacts import read_json
from w2vray.errors import BundleError, ConfigError, CorpusError
from w2vray.models.directory import ModelConfig
from w2vray.models.files import CONFIG, KIND, VECTORS
from w2vray.models.kinds import AUTO, DEFAULT, settings_class
from w2vray.places.fetching import fetched_directory
from w2vray.places.uris import is_uri
from w2vray.training.settings import TrainSettings

__all__ = ["READ", "Origin", "repeated"]

READ = ("text_column", "label_column", "label_strip", "label_separator", "unlabelled", "where", "format", "delimiter")
"""Settings by which the labelled rows are read: with others, they are other rows."""


@dataclass(frozen=True)
class Origin:
    """What a training that is repeated was given: hashes of its data, how that was read, and of its vectors."""

    file: Path
    data: tuple[str, ...]
    read: Mapping[str, Any]
    vectors: str

    def require_vectors(self, settings: TrainSettings, vectors: str) -> None:
        """Refuse to call a training with other vectors a repetition.

        Raises:
            BundleError: they are not those of the first training.
        """
        if vectors != self.vectors:
            raise BundleError(
                f"{settings.vectors} holds other vectors than {self.file} names: fingerprint {vectors[:16]}, "
                f"expected {self.vectors[:16]}; name the right ones with --vectors, or leave out --from"
            )

    def require_data(self, settings: TrainSettings, data: Sequence[str]) -> None:
        """Refuse to call a training on other data a repetition, where it is read by the same columns and condition.

        Raises:
            CorpusError: the labelled data is not that of the first training.
        """
        if any(getattr(settings, name) != self.read[name] for name in READ):
            return
        places = [("LABELLED", settings.labelled), ("--validation", settings.validation)]
        for (option, place), found, expected in zip(places, data, self.data, strict=False):  # as far as both have one
            if found != expected:
                raise CorpusError(
                    f"{', '.join(place)} is not the data that {self.file} names: its rows, file names and row groups "
                    f"have the hash {found[:16]}, expected {expected[:16]}; name the data of that training as "
                    f"{option}, or leave out --from"
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
    file = fetched_directory(str(path).removesuffix(f"/{CONFIG}"), KIND) if is_uri(str(path)) else Path(path)
    file = file / CONFIG if file.is_dir() else file
    try:
        config = ModelConfig.from_dict(read_json(file.parent, file.name, BundleError))
    except BundleError as error:
        raise BundleError(f"--from {file} is not the config.json of a model: {error}") from error
    stored, data = config.training.get("settings"), config.training.get("data")
    known = {item.name for item in fields(TrainSettings)}
    if not isinstance(stored, dict) or not isinstance(data, list) or not stored.keys() <= known:
        raise BundleError(f"{file} does not say how its model was trained; name LABELLED and --vectors instead")
    stored = {"calibrate": False, **stored}  # a model that tells nothing of it was made before there was any
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
    }
    for name, other in (("validation", "validation_fraction"), ("validation_fraction", "validation")):
        if given.get(name):
            values.pop(other, None)
    elsewhere = str(values.get("vectors"))
    if (
        "vectors" not in given
        and not is_uri(elsewhere)
        and not Path(elsewhere).exists()
        and (file.parent / VECTORS).exists()
    ):
        values["vectors"] = str(file.parent / VECTORS)
    try:
        # as the options came to be, and not only those that were typed: a default may be another by now
        options = asdict(config.settings) if given.get("model", config.model) == config.model else {}
        plain = TrainSettings(**{**values, **given, "model_settings": {}})
        options = {} if plain.model == AUTO else options  # it chooses anew, among the defaults
        kind = DEFAULT if plain.model == AUTO else plain.model
        own = {item.name for item in fields(settings_class(kind, tuned=plain.tune_vectors))}
        kept = {name: value for name, value in options.items() if name in own}
        settings = replace(plain, model_settings={**kept, **given.get("model_settings", {})})
        first = TrainSettings(**values)
    except (TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{file} holds settings that cannot be used ({error})") from error
    except ConfigError as error:
        raise ConfigError(f"{error} (from {file})") from error
    read = {name: getattr(first, name) for name in READ}
    return settings, Origin(file, tuple(map(str, data)), read, config.vectors_fingerprint)
