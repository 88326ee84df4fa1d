"""``report.html`` and ``report.json`` of a run or a model: written when it is finished, and again by ``report``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from w2vray.artefacts import read_json
from w2vray.errors import BundleError, ConfigError, CorpusError, RunError
from w2vray.models.directory import Bundle, ModelConfig
from w2vray.places.fetching import made_there
from w2vray.places.uris import absolute, is_uri, shown
from w2vray.run.answers import FinishedRun
from w2vray.run.directory import RunDirectory
from w2vray.run.leases import only_writer
from w2vray.run.reporting import examples, run_data, training_facts
from w2vray.settings.checks import ReportSettings
from w2vray.standing import RUN_KIND, made_by_us
from w2vray.store.corpus import Corpus

__all__ = [
    "DATA",
    "PAGE",
    "SUSPECTS",
    "ReportSummary",
    "make_report",
    "told_before",
    "write_model_report",
    "write_run_report",
]

PAGE, DATA = "report.html", "report.json"
_TOLD = ("timing", "missing_words")
SUSPECTS = "training_suspects"


@dataclass(frozen=True, kw_only=True)
class ReportSummary:
    """The page that was made again."""

    page: str
    drifted: list[str]  # in what a run's store is not like the training set

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON can hold it."""
        return {"page": self.page, "drifted": self.drifted}


def write_run_report(
    run: RunDirectory,
    finished: FinishedRun,
    corpus: Corpus | None,
    counted: Mapping[str, Any],
    told: Mapping[str, Any],
) -> ReportSummary:
    """Write both files.

    Args:
        run: with drafts, from which files are published.
        finished: the same, read.
        corpus: the store; None where it cannot be read any more: then the page has no examples.
        counted: of ``run_data``.
        told: what nobody can count again from the run alone: what the last call that scored rows took (``timing``), and
            the words without a vector (``missing_words``).

    Raises:
        RunError: a part cannot be read, or the files cannot be written.
    """
    from w2vray.pages.run_page import run_page  # noqa: PLC0415 - matplotlib takes a second to import

    data = {
        **counted,
        **{name: told.get(name) for name in _TOLD},
        "examples": [] if corpus is None else _some(finished, corpus),
    }
    page = run_page(data, made=_made()).render()
    run.write_json(data, DATA)
    run.write(page.encode(), PAGE)
    return ReportSummary(page=f"{run.name}/{PAGE}", drifted=[item["what"] for item in data["drift"] if item["drifted"]])


def _some(finished: FinishedRun, corpus: Corpus) -> list[dict[str, Any]]:
    try:
        return examples(finished, corpus)
    except CorpusError:  # a file has changed since: the counts stand without it
        return []


def _made() -> dict[str, str]:
    return {"w2vray": version("w2vray")}


def write_model_report(folder: Path, config: ModelConfig, told: Mapping[str, Any]) -> None:
    """Write both files into a model directory.

    Args:
        folder: of the model.
        config: what it is.
        told: of ``evaluation_data``, on the rows kept for the test, nothing of it where there were none; and rows of
            the training whose label looks wrong (``training_suspects``), where somebody looked for them.

    Raises:
        OSError: they cannot be written.
    """
    from w2vray.pages.model_page import model_page  # noqa: PLC0415 - as above

    tested = told if "metrics" in told else None
    page = model_page(config, tested, suspects=told.get(SUSPECTS), name=folder.name, made=_made()).render()
    if told:
        (folder / DATA).write_text(json.dumps(dict(told), ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / PAGE).write_text(page, encoding="utf-8")


def make_report(settings: ReportSettings) -> ReportSummary:
    """Make the page of a run or a model again.

    Raises:
        UnusableInputError: there is neither, or it cannot be read or written.
    """
    kind = made_there(settings.path) if is_uri(settings.path) else made_by_us(settings.path)
    if kind not in {"", RUN_KIND} and is_uri(settings.path):
        raise ConfigError(f"{shown(settings.path)} is {kind}; a page is made for a run, or for a model on this machine")
    if kind == "a model directory":
        return _again_for_model(settings)
    if kind not in {"", RUN_KIND}:
        raise ConfigError(f"{settings.path} is {kind}; name a run or a model")
    place = absolute(settings.path)
    finished = FinishedRun.open(settings.path)
    before = told_before(finished.directory)
    training = before.get("training")
    if settings.model is not None:
        bundle = Bundle.load(settings.model)
        if bundle.fingerprint != finished.identity.get("model"):
            raise ConfigError(
                f"--model {settings.model} is not the model of {finished.name}; name the one that scored it"
            )
        training = training_facts(bundle.config)
    try:
        corpus = finished.store(settings.corpus)
    except CorpusError:
        if settings.corpus:
            raise
        corpus = None  # it was moved, or its keys are not known: the page has no examples then
    with only_writer(finished.directory), finished.directory.drafting() as drafts:
        return write_run_report(RunDirectory(place, drafts), finished, corpus, run_data(finished, training), before)


def told_before(run: RunDirectory) -> dict[str, Any]:
    """Return what the last page was made of; nothing where there is none, or it is damaged."""
    try:
        return run.read_json(DATA) if run.exists(DATA) else {}
    except RunError:
        return {}


def _again_for_model(settings: ReportSettings) -> ReportSummary:
    if settings.model is not None or settings.corpus:
        raise ConfigError("--model and --corpus are for the page of a run; leave them out")
    folder = Path(settings.path)
    config = Bundle.load(folder).config
    told = read_json(folder, DATA, BundleError) if (folder / DATA).exists() else {}
    if (folder / DATA).exists() and not {"metrics", SUSPECTS} & set(told):
        raise BundleError(f"{folder / DATA} holds nothing that a training has found; remove it")
    try:
        write_model_report(folder, config, told)
    except OSError as error:
        raise BundleError(f"{folder / PAGE} cannot be written ({error.strerror or error})") from error
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{folder / DATA} cannot be used ({error!r}); remove it") from error
    return ReportSummary(page=str(folder / PAGE), drifted=[])
