"""Try w2vray from beginning to end, on real text that any machine can have: ``make demo``.

The texts are the descriptions of services, operations and fields that the ``botocore`` package ships, about 300,000 of
them. They become a Parquet store; word2vec learns its words; a CNN learns from a tenth of the rows of the 20 largest
services which service a text is of; it is measured on other rows, then the whole store is scored on Ray on this
machine, and the result verified.

::

    python jobs/demo.py [--output DIR] [--json]
"""

import argparse
import gzip
import hashlib
import html
import json
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from rich.table import Table

from w2vray.cli.console import Output, Update, progress_bar, table
from w2vray.cli.scoring_shown import show_scoring
from w2vray.cluster.connecting import connected
from w2vray.cluster.evaluate import evaluate
from w2vray.cluster.score import score
from w2vray.cluster.train import train
from w2vray.errors import UnusableInputError, W2vrayError
from w2vray.run.verify import verify
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import VerifySettings
from w2vray.settings.labelled import EvaluateSettings
from w2vray.settings.vectors import FitVectorsSettings
from w2vray.store.corpus_texts import corpus_texts
from w2vray.training.settings import TrainSettings
from w2vray.vectors.gensim_training import fit_vectors

STORE_FILES = 8
ROW_GROUPS_PER_FILE = 4
LABELS = 20
TRAIN_PERCENT = 10
EVALUATION_PERCENT = 5
EXAMPLES = 5
CNN = {"widths": (1, 2, 3), "epochs": 15, "batch_size": 64, "learning_rate": 0.003, "averaging": 0.99}
"""Quicker than the defaults, and better for texts as short as these: half of them have no more than ten words."""

MARKER = "made-by-w2vray-demo.txt"


# The demo


def demo(output: Path) -> dict[str, Any]:
    """Go through all steps, most of them one call of the library, and return what came of them."""
    started = time.monotonic()
    steps: dict[str, float] = {}
    store, vectors, model, run = (str(output / name) for name in ("store", "vectors", "model", "run"))
    labelled, apart = str(output / "labelled" / "train.parquet"), str(output / "labelled" / "evaluation.parquet")

    with step("texts", steps):
        texts = read_descriptions(botocore_data())
        training, evaluation = split(texts, largest_services(texts))
        write_store(texts, Path(store))
        write_labelled(training, Path(labelled))
        write_labelled(evaluation, Path(apart))

    with step("vectors", steps) as update:
        fit = FitVectorsSettings(corpus=(store,), output=vectors, skip_gram=True, epochs=2)
        fit_vectors(fit, corpus_texts(fit.corpus, fit.text_column), update)

    with connected("local"):  # one Ray for all of these
        with step("train", steps) as update:
            learn = TrainSettings(labelled=(labelled,), vectors=vectors, output=model, model_settings=CNN)
            trained = train(learn, progress=update)

        with step("evaluate", steps):
            measured = evaluate(EvaluateSettings(labelled=(apart,), model=(model,)))

        with step("score", steps) as update:
            classify = ScoreSettings(corpus=(store,), model=model, output=run, keep=("service", "shape"))
            scored = score(classify, progress=lambda now: show_scoring(update, now))

    with step("verify", steps):
        verified = verify(VerifySettings(run=run))

    return {
        "rows": len(texts),
        "train": trained.as_dict(),
        "evaluate": measured.as_dict(),
        "score": scored.as_dict(),
        "verify": verified.as_dict(),
        "coverage": coverage(Path(run)),
        "examples": examples(evaluation, Path(run)),
        "output": str(output),
        "seconds": round(time.monotonic() - started, 1),
        "steps": steps,
    }


@contextmanager
def step(name: str, steps: dict[str, float]) -> Iterator[Update]:
    """Show a step's progress on stderr, then how many seconds it took, and note them."""
    started = time.monotonic()
    with progress_bar(name) as update:
        yield update
    steps[name] = round(time.monotonic() - started, 1)
    sys.stderr.write(f"{name}: {steps[name]} s\n")


# The texts


class Description(NamedTuple):
    """A text of a service's model, and where it stands in it."""

    service: str
    shape: str
    text: str


def botocore_data() -> Path:
    """Return the folder of service models that comes with botocore.

    Raises:
        UnusableInputError: botocore is not installed.
    """
    found = find_spec("botocore")
    if found is None or found.origin is None:
        raise UnusableInputError("the texts of the demo come with botocore; install it with w2vray's extra `demo`")
    return Path(found.origin).parent / "data"


def read_descriptions(data: Path) -> list[Description]:
    """Read the texts of every service, of its latest version only: folders SERVICE/VERSION/service-2.json[.gz]."""
    latest = {path.parent.parent.name: path for path in sorted(data.glob("*/*/service-2.json*"))}
    return [
        Description(service, shape, text)
        for service, path in latest.items()
        for shape, documentation in documentations(read_json(path))
        if (text := plain_text(documentation))
    ]


def read_json(path: Path) -> Any:
    """Read a JSON file, compressed or not."""
    data = path.read_bytes()
    return json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)


def documentations(node: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Walk a model and yield each ``documentation`` string, after the dotted path of what it describes."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        if key == "documentation" and isinstance(value, str):
            yield ".".join(place), value
        else:
            yield from documentations(value, (*place, str(key)))


_INLINE_TAG = re.compile(r"</?(?:a|b|code|em|i|strong|u)(?:\s[^<>]*)?>", re.IGNORECASE)
_TAG = re.compile(r"<(?:/?[a-z]|!--)[^<>]*>", re.IGNORECASE)


def plain_text(documentation: str) -> str:
    """Take a description's HTML away: tags inside a sentence leave nothing behind, other ones a space."""
    return " ".join(html.unescape(_TAG.sub(" ", _INLINE_TAG.sub("", documentation))).split())


# The store


def write_store(texts: Sequence[Description], folder: Path) -> None:
    """Write the texts as several Parquet files, every service spread over all of them, the same way every time."""
    folder.mkdir(parents=True)
    dealt = sorted(texts, key=lambda one: (one.service, stable_hash(one.shape), one.shape))
    for number in range(STORE_FILES):
        rows = sorted(dealt[number::STORE_FILES], key=lambda one: stable_hash(f"{one.service}.{one.shape}"))
        columns = {name: [getattr(row, name) for row in rows] for name in Description._fields}
        group_size = max(1, -(-len(rows) // ROW_GROUPS_PER_FILE))
        pq.write_table(pa.table(columns), folder / f"service-part-{number:02}.parquet", row_group_size=group_size)


def largest_services(texts: Iterable[Description]) -> set[str]:
    """Return the services with the most texts: the labels."""
    counts = Counter(one.service for one in texts)
    return set(sorted(counts, key=lambda service: (-counts[service], service))[:LABELS])


def split(texts: Iterable[Description], labels: set[str]) -> tuple[list[Description], list[Description]]:
    """Choose rows to train on and rows to evaluate on.

    Many fields are described by the same words. The choice depends on the words alone, so that none are in both.
    """
    training, evaluation = [], []
    for one in texts:
        if one.service not in labels:
            continue
        percent = stable_hash(" ".join(re.findall(r"\w+", one.text.lower()))) % 100
        if percent < TRAIN_PERCENT:
            training.append(one)
        elif percent < TRAIN_PERCENT + EVALUATION_PERCENT:
            evaluation.append(one)
    return training, evaluation


def write_labelled(texts: Sequence[Description], path: Path) -> None:
    """Write labelled rows: a text and, as its label, the service."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"text": [one.text for one in texts], "label": [one.service for one in texts]}), path)


def stable_hash(text: str) -> int:
    """Return a number that depends on the text alone: Python's own hash() is another one in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


# The result


def coverage(run: Path) -> float:
    """Return the share of the store's tokens that have a vector."""
    found = ds.dataset(run / "scores", format="parquet").to_table(columns=["token_count", "coverage"])
    with_vector = pc.sum(pc.multiply(found["token_count"], found["coverage"])).as_py()
    return float(with_vector / pc.sum(found["token_count"]).as_py())


def examples(evaluation: Sequence[Description], run: Path) -> list[dict[str, Any]]:
    """Return a few rows that were not trained on, evenly spread, with the answers that the run gave."""
    chosen = [evaluation[(2 * i + 1) * len(evaluation) // (2 * EXAMPLES)] for i in range(EXAMPLES)]
    shapes = ds.field("shape").isin([one.shape for one in chosen])
    columns = ["service", "shape", "label", "score"]
    rows = ds.dataset(run / "scores", format="parquet").to_table(columns=columns, filter=shapes).to_pylist()
    answers = {(row["service"], row["shape"]): row for row in rows}
    return [{"text": one.text, **answers[one.service, one.shape]} for one in chosen]


def tables(result: dict[str, Any]) -> list[Table | str]:
    """Return what a person is shown of the result."""
    measured, scored, verified = result["evaluate"], result["score"], result["verify"]
    facts = {
        "rows in the store": f"{result['rows']:,}",
        "scored": f"{scored['rows_scored']:,} ({scored['rows_abstained']:,} of them without a known word)",
        "rejected": f"{scored['rows_rejected']:,}",
        "scoring": f"{scored['seconds']:.1f} s, {scored['rows_in'] / scored['seconds']:,.0f} rows/s",
        "accuracy": f"{measured['accuracy']:.4f} on {measured['rows']:,} rows kept apart, {LABELS} services",
        "macro-F1": f"{measured['macro_f1']:.4f}",
        "tokens with a vector": f"{result['coverage']:.2%}",
        "verify": "; ".join(verified["problems"]) or "every row of the store is there once",
        "seconds in all": f"{result['seconds']:.1f}",
        "output": result["output"],
    }
    shown = table("demo", ["", ""], list(facts.items()))
    shown.show_header = False
    shown.columns[1].justify = "left"
    columns = ["text", "service", "predicted", "score"]
    rows = [(cut(one["text"]), one["service"], one["label"], f"{one['score'] or 0:.2f}") for one in result["examples"]]
    return [shown, table("rows that were not trained on", columns, rows), what_next(result["output"])]


def what_next(output: str) -> str:
    """Return commands to go on with."""
    return "\n".join(
        [
            "What next:",
            f"  .venv/bin/w2vray info {output}/model",
            f'  .venv/bin/w2vray predict --model {output}/model "The name of the bucket."',
            f"  .venv/bin/w2vray verify {output}/run --deep",
            "  docs/quickstart.md goes on with your own data.",
        ]
    )


def cut(text: str, length: int = 60) -> str:
    """Return the beginning of a text."""
    return text if len(text) <= length else text[: length - 1] + "…"


# The command


def fresh(output: Path) -> Path:
    """Make the folder for the output, or empty a former demo's.

    Raises:
        UnusableInputError: there is something else.
    """
    output = output.resolve()
    if output.exists() and not output.is_dir():
        raise UnusableInputError(f"{output} is a file; name another --output")
    output.mkdir(parents=True, exist_ok=True)
    former = [path for path in output.iterdir() if path.name != MARKER]
    marker = output / MARKER
    if former and not marker.is_file():
        raise UnusableInputError(
            f"{output} holds something else than a former demo ({former[0].name}); name another --output"
        )
    marker.write_text("The demo of w2vray removes all that is in this folder when it is started again.\n")
    for path in former:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    return output


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; return 0, 2 where the output cannot be used, 4 where verify found a problem."""
    parser = argparse.ArgumentParser(description="Try w2vray from beginning to end, on texts that botocore ships.")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), metavar="DIR", help="default: demo-output")
    parser.add_argument("--json", action="store_true", help="print one JSON object, and only that, on stdout")
    given = parser.parse_args(arguments)
    try:
        result = demo(fresh(given.output))
    except W2vrayError as error:
        sys.stderr.write(f"demo: {error}\n")
        return error.exit_code
    Output(given.json).result(result, *tables(result))
    return 0 if result["verify"]["ok"] else 4


if __name__ == "__main__":
    sys.exit(main())
