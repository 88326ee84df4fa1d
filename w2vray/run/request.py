"""What a call of ``score`` asks for: its settings, understood and checked once, and handed down from there."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from w2vray.errors import ConfigError
from w2vray.models.directory import Bundle
from w2vray.places.uris import absolute
from w2vray.scoring.answers import RESERVED_COLUMNS, Answer
from w2vray.scoring.evidence import require_evidence
from w2vray.scoring.scorer import SCORING_VERSION
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.device import Device
from w2vray.store.description import ReadAs
from w2vray.store.filters import Where, parse_where
from w2vray.store.preflight import Columns
from w2vray.text.columns import TextLimits

__all__ = ["RUN_FORMAT", "Request", "kept_columns"]

RUN_FORMAT = 6

_READ_AS = ("format", "delimiter")
"""Settings that say how files are read. They are part of a run's identity where they are given: a run of an earlier
version was made without them."""

_OF_THE_ANSWER = ("threshold", "probabilities", "top_k")
"""Settings of the answer that are part of a run's identity whatever they are. Those that came later are part of it
where they ask for something: a run that was begun without them can be finished."""

_CHANGES_ANSWERS = (
    "text_column",
    "keep",
    "where",
    "limit",
    "table_version",
    "max_bytes",
    "truncate",
    "null_as_empty",
    "precision",
)
"""Settings that are part of a run's identity, beside those of the answer."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A call of ``score``, as every later step takes it.

    ``identity`` holds all that a row's answer depends on, but the row; ``fingerprint`` is one word for it.
    """

    corpus: tuple[str, ...]  # as it was named, in whole paths or URIs
    output: str
    text_columns: tuple[str, ...]
    kept: Mapping[str, str]  # name in the scores -> column of the store
    where: Where | None
    limits: TextLimits
    read_as: ReadAs
    answer: Answer
    limit: int | None  # rows of the store
    table_version: int | None  # of the only table that is named
    on_bad: str
    new_files: bool
    identity: Mapping[str, Any]
    fingerprint: str
    device: Device | None  # None for the compiled kernels
    threads: int  # that feed the device
    projection_cache: int

    @classmethod
    def of(cls, settings: ScoreSettings, bundle: Bundle) -> Self:
        """Understand the settings of a call.

        Raises:
            ConfigError: a condition or a kept column is not one, or the model cannot tell its evidence.
        """
        answer = Answer.asked(settings, multi_label=bundle.config.multi_label)
        text_columns = bundle.config.reading.with_options(settings).text_column
        if answer.evidence is not None:
            require_evidence(bundle, answer.explain_method)
        identity = _identity(settings, answer, text_columns, bundle)
        return cls(
            corpus=tuple(absolute(place) for place in settings.corpus),
            output=absolute(settings.output),
            text_columns=text_columns,
            kept=kept_columns(settings.keep),
            where=parse_where(settings.where) if settings.where is not None else None,
            limits=TextLimits(
                max_bytes=settings.max_bytes, truncate=settings.truncate, null_as_empty=settings.null_as_empty
            ),
            read_as=ReadAs.of(settings, text_columns),
            answer=answer,
            limit=settings.limit,
            table_version=settings.table_version,
            on_bad=settings.on_bad,
            new_files=settings.new_files,
            identity=identity,
            fingerprint=hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest(),
            device=_device(settings),
            threads=settings.cpus_per_gpu,
            projection_cache=settings.projection_cache,
        )

    @property
    def columns(self) -> Columns:
        """The columns that are read."""
        filtered = self.where.columns if self.where else ()
        return Columns(self.text_columns, tuple(self.kept.values()), filtered=filtered)


def _identity(settings: ScoreSettings, answer: Answer, text_columns: tuple[str, ...], bundle: Bundle) -> dict[str, Any]:
    options = {name: getattr(settings, name) for name in (*_OF_THE_ANSWER, *_CHANGES_ANSWERS)}
    options |= answer.asked_for(but=_OF_THE_ANSWER)
    options["text_column"] = text_columns  # those of the model, where none is given
    options |= {name: value for name in _READ_AS if (value := getattr(settings, name)) is not None}
    identity = {
        "format": RUN_FORMAT,
        "scoring_version": SCORING_VERSION,
        "model": bundle.fingerprint,
        "labels": bundle.config.labels,  # the order of a row's probabilities
        "vectors": bundle.config.vectors_fingerprint,
        "options": options,
    }
    return dict(json.loads(json.dumps(identity)))  # as it will be read back


def _device(settings: ScoreSettings) -> Device | None:
    if not settings.gpu:
        return None
    return Device(name="cuda", precision=settings.precision, batch_tokens=settings.batch_tokens)


def kept_columns(keep: Sequence[str]) -> dict[str, str]:
    """Parse ``--keep COLUMN`` and ``--keep OLD=NEW``; an ``=`` of a name is written twice.

    Returns:
        Output name -> name in the store.

    Raises:
        ConfigError: a name is one of ours, or comes twice.
    """
    names: dict[str, str] = {}
    for item in keep:
        old, new = _parted(item)
        name = new or old
        if name in RESERVED_COLUMNS:
            raise ConfigError(
                f"--keep {item}: {name!r} is a column of the scores; rename it, as --keep {old}={old}_in_store"
            )
        if name in names:
            raise ConfigError(f"--keep {item}: {name!r} is already kept; each name can be used once")
        names[name] = old
    return names


def _parted(item: str) -> tuple[str, str]:
    """Part ``OLD=NEW`` at its single ``=``.

    Example:
        >>> _parted("k==v=kv")
        ('k=v', 'kv')
    """
    old, _, new = item.replace("==", "\0").partition("=")
    return old.replace("\0", "="), new.replace("\0", "=")
