"""The folder where a training keeps what it has done, until the model is written."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from w2vray.errors import ConfigError, UnusableInputError
from w2vray.places.cache import cache_folder
from w2vray.places.uris import absolute, is_uri, shown, without_secrets
from w2vray.run.leases import only_writer
from w2vray.run.wholefiles import WholeFiles
from w2vray.training.settings import TrainSettings

__all__ = ["name_of", "only_training", "storage_of"]


def storage_of(settings: TrainSettings) -> Path:
    """Return where checkpoints lie until the model is complete.

    Raises:
        ConfigError: its name would be too long.
    """
    name = name_of(settings)
    if settings.scratch is None and not is_uri(settings.output):
        storage = Path(settings.output).absolute().parent / f".{name}.training"
    else:
        parent = Path(settings.scratch).absolute() if settings.scratch else cache_folder() / "trainings"
        place = absolute(without_secrets(settings.output))
        storage = parent / f"{name}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:16]}.training"
    try:
        storage.exists()
    except OSError as error:
        raise ConfigError(f"--output {settings.output!r} cannot be checked ({error.strerror}); name another") from error
    return storage


def name_of(settings: TrainSettings) -> str:
    """Return the last name of the model's place."""
    return Path(shown(absolute(settings.output))).name


@contextmanager
def only_training(storage: Path) -> Iterator[None]:
    """Keep others out of a training's folder; what a refused one has made in it is removed, unless it went on there.

    Raises:
        RunError: another one trains there, or nothing can be written.
    """
    earlier = storage.exists()
    with only_writer(WholeFiles(str(storage))):
        try:
            yield
        except UnusableInputError:
            if not earlier:
                for place in storage.glob("examples-*"):
                    shutil.rmtree(place, ignore_errors=True)
            raise
