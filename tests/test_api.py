"""What the package offers in Python: the same verbs, options and summaries as the command line."""

import ast
import inspect
import json
import pkgutil
import re
import subprocess
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import w2vray
from w2vray.cli import run as run_command
from w2vray.errors import ConfigError, RunError
from w2vray.models.kinds import names
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import EvaluateRunSettings, ReportSettings, SampleSettings, StatusSettings, VerifySettings
from w2vray.settings.explaining import ExplainSettings
from w2vray.settings.forecasts import PlanSettings
from w2vray.settings.labelled import CalibrateSettings, EvaluateSettings
from w2vray.settings.models import ImportModelSettings
from w2vray.settings.vectors import FitVectorsSettings, ImportSettings, JoinVectorsSettings
from w2vray.training.settings import TrainSettings
from w2vray.verbs import Names, Place, Places

ROOT = Path(w2vray.__file__).parent

FUNCTIONS: dict[str, type[Any]] = {
    "calibrate": CalibrateSettings,
    "evaluate": EvaluateSettings,
    "evaluate_run": EvaluateRunSettings,
    "import_model": ImportModelSettings,
    "explain": ExplainSettings,
    "import_vectors": ImportSettings,
    "join_vectors": JoinVectorsSettings,
    "plan": PlanSettings,
    "report": ReportSettings,
    "sample": SampleSettings,
    "score": ScoreSettings,
    "status": StatusSettings,
    "train": TrainSettings,
    "train_vectors": FitVectorsSettings,
    "verify": VerifySettings,
}
BESIDE = {"address", "progress", "note", "model_options"}
"""Parameters that are no settings."""
PLACES = {"corpus", "labelled", "model", "output", "path", "plan", "run", "scratch", "source", "validation", "vectors"}

MakeStore = Callable[..., Path]
MakeModel = Callable[..., Path]


def python(code: str) -> str:
    """Run a program of its own, and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# The package


def test_the_public_names_are_pinned_and_there() -> None:
    assert w2vray.__all__ == [
        "Bundle",
        "CalibrationSummary",
        "EvaluationSummary",
        "Explanation",
        "Forecast",
        "Lookup",
        "ReportSummary",
        "RunEstimate",
        "RunStatus",
        "SampleSummary",
        "ScoreProgress",
        "ScoreSummary",
        "Scores",
        "TextScorer",
        "TrainSummary",
        "UnusableInputError",
        "Vectors",
        "VerifySummary",
        "W2vrayError",
        "__version__",
        *sorted({"connected", *FUNCTIONS}),
    ]
    for name in w2vray.__all__:
        found = getattr(w2vray, name)
        assert getattr(found, "__name__", name) == name
    assert set(w2vray.__all__) <= set(dir(w2vray))
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = w2vray.Nonsense


def test_no_submodule_takes_the_name_of_a_function() -> None:
    """Importing a submodule puts its name into the package, in place of a function of the same name."""
    submodules = {module.name for module in pkgutil.iter_modules([str(ROOT)])}
    assert "verbs" in submodules
    assert submodules.isdisjoint(w2vray.__all__)


def test_the_functions_are_there_without_anything_heavy() -> None:
    heavy = ("ray", "torch", "gensim", "numba", "pyarrow", "numpy")
    code = f"import sys, w2vray; {', '.join(f'w2vray.{name}' for name in FUNCTIONS)}"
    assert python(f"{code}; print([name for name in {heavy} if name in sys.modules])") == "[]"


def test_every_module_does_without_gensim_until_vectors_are_trained_or_its_files_read() -> None:
    modules = [module.name for module in pkgutil.walk_packages([str(ROOT)], "w2vray.")]
    modules.remove("w2vray.__main__")  # runs the command line
    assert len(modules) > 90
    blocked = "import sys, importlib; sys.modules['gensim'] = None\n"  # importing it is an ImportError
    assert python(f"{blocked}for name in {modules}: importlib.import_module(name)\nprint('all')") == "all"


def test_gensim_is_imported_where_vectors_are_trained_and_where_its_files_are_read() -> None:
    def imports_gensim(file: Path) -> bool:
        nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
        names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        return any(name.split(".")[0] == "gensim" for name in names)

    found = {str(file.relative_to(ROOT)) for file in ROOT.rglob("*.py") if imports_gensim(file)}
    assert found == {"vectors/gensim_training.py", "vectors/readers/gensim_pickle.py"}


def test_only_the_wing_of_models_knows_a_model_by_name() -> None:
    """So that a new one is a room and a row there, and no other file."""
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in ROOT.rglob("*.py")
        if "models" not in file.relative_to(ROOT).parts
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in names()
    ]
    assert len(names()) >= 4
    assert found == []


# The signatures


def settings_fields(function: str) -> dict[str, Field[Any]]:
    return {item.name: item for item in fields(FUNCTIONS[function]) if "help" in item.metadata}


def expected_type(name: str, hint: Any, *, place: bool) -> Any:
    """What a field's type is as an argument: places may be os.PathLike, and one value may stand for several."""
    several = typing.get_origin(hint) is tuple
    if not place:
        return Names if several else hint
    assert name in PLACES
    return Places if several else Place | None if type(None) in typing.get_args(hint) else Place


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_the_names_types_and_defaults_of_its_settings(function: str) -> None:
    named = getattr(w2vray, function)
    kind, items = FUNCTIONS[function], settings_fields(function)
    hints = typing.get_type_hints(kind)
    returned = SimpleNamespace(**{name: getattr(w2vray, name) for name in w2vray.__all__ if name[0].isupper()})
    types = typing.get_type_hints(named, localns=vars(returned))
    parameters = {
        name: parameter for name, parameter in inspect.signature(named).parameters.items() if name not in BESIDE
    }
    assert set(parameters) == set(items)
    for name, item in items.items():
        parameter = parameters[name]
        place = name in PLACES and not item.metadata["choices"]  # TrainSettings.model is a kind of model
        assert types[name] == expected_type(name, hints[name], place=place), name
        default = inspect.Parameter.empty if item.default is MISSING else item.default
        assert parameter.default == default, name
        assert type(parameter.default) is type(default), name
        positional = item.metadata["positional"]
        assert parameter.kind is (parameter.POSITIONAL_OR_KEYWORD if positional else parameter.KEYWORD_ONLY), name


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_docstring_says_what_it_raises_shows_an_example_and_has_the_help_of_each_option(function: str) -> None:
    text = inspect.getdoc(getattr(w2vray, function)) or ""
    assert text.splitlines()[0].endswith(".")
    assert "\nRaises:\n" in text
    assert re.search(rf"Examples:\n    ```python\n    .*w2vray\.{function}\(", text)
    for name, item in settings_fields(function).items():
        stated = item.metadata["help"]
        assert f"    {name}: {stated if isinstance(stated, str) else ''}" in text


# Arguments to settings


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Keep the settings that a verb is called with, in place of its work."""
    kept: dict[str, Any] = {}

    def keep(settings: Any, *others: Any, **options: Any) -> Any:
        kept.update(settings=settings, others=others, **options)
        raise w2vray.W2vrayError("enough")

    for place in (
        "cluster.train.train",
        "cluster.evaluate.evaluate",
        "cluster.calibrate.calibrate",
        "cluster.score.score",
        "run.forecast.forecast",
        "run.judging.evaluate_run",
        "run.sampling.sample_run",
        "run.verify.verify",
        "run.writing_reports.make_report",
        "vectors.importing.import_vectors",
        "vectors.import_vectors",
        "vectors.joining.join_vectors",
        "vectors.gensim_training.fit_vectors",
    ):
        monkeypatch.setattr(f"w2vray.{place}", keep)
    monkeypatch.setattr("w2vray.store.corpus_texts.corpus_texts", lambda *_, **__: None)
    return kept


def stated(settings: Any) -> dict[str, str]:
    """Spell each value out: 1 and 1.0 are equal, and would be two trainings. Workers may be 1 or "1"."""
    values = {**vars(settings), "model_settings": sorted(vars(settings).get("model_settings", {}).items())}
    return {name: str(value) if name == "workers" else repr(value) for name, value in values.items()}


COMMANDS: list[tuple[str, Callable[[], object]]] = [
    (
        "vectors import v.bin --output v --limit 10 --dtype float16",
        lambda: w2vray.import_vectors(Path("v.bin"), output=Path("v"), limit=np.int64(10), dtype="float16"),  # type: ignore[arg-type]
    ),
    (
        "vectors train a b --output v --text-column title --text-column body --dim 7 --skip-gram",
        lambda: w2vray.train_vectors(
            ["a", Path("b")], output="v", text_column=["title", "body"], dim=7, skip_gram=True
        ),
    ),
    ("vectors join a b --output both", lambda: w2vray.join_vectors(iter(["a", "b"]), output="both")),
    (
        "train a --vectors v --output m --class-weight rare=3 --workers 1:4 --model average --C 1 --seed 3",
        lambda: w2vray.train(
            "a", vectors="v", output="m", class_weight="rare=3", workers="1:4", model="average", C=1, seed=3
        ),
    ),
    (
        "train a b --vectors v --output m --widths 2 --widths 3 --learning-rate 1 --filters 9 --tune-vectors --refit",
        lambda: w2vray.train(
            ("a", "b"),
            vectors="v",
            output="m",
            widths=[2, 3],
            learning_rate=1,
            filters=9,
            tune_vectors=True,
            refit=True,
        ),
    ),
    (
        "calibrate a --model m --output n --target-precision 0.95 --per-label --confidence 0.9",
        lambda: w2vray.calibrate(
            "a", model="m", output=Path("n"), target_precision=0.95, per_label=True, confidence=0.9
        ),
    ),
    (
        "evaluate a --model m --output metrics --workers 2",
        lambda: w2vray.evaluate(labelled="a", model="m", output=Path("metrics"), workers=2),
    ),
    (
        "score s3://b/store --model m --output s3://b/run --keep id --top-k 3 --threshold 1 --limit 5",
        lambda: w2vray.score(
            corpus="s3://b/store", model=Path("m"), output="s3://b/run", keep="id", top_k=3, threshold=1, limit=5
        ),
    ),
    (
        "plan s --model m --sample 100 --price-per-core-hour 2 --workers 3 --threshold 1 --output f.json",
        lambda: w2vray.plan(
            "s", model="m", sample=100, price_per_core_hour=2, workers=3, threshold=1, output=Path("f.json")
        ),
    ),
    (
        "sample r --rows 9 --by label --seed 2 --corpus a --output c.csv",
        lambda: w2vray.sample("r", rows=9, by="label", seed=2, corpus="a", output=Path("c.csv")),
    ),
    ("report r --model m --corpus a", lambda: w2vray.report("r", model=Path("m"), corpus="a")),
    ("evaluate c.csv --of-run r", lambda: w2vray.evaluate_run(Path("c.csv"), run="r")),
    ("verify r --deep --corpus a", lambda: w2vray.verify("r", deep=True, corpus="a")),
]


@pytest.mark.parametrize(("command", "call"), COMMANDS, ids=[command for command, _ in COMMANDS])
def test_a_function_asks_for_what_the_command_asks_for(
    command: str, call: Callable[[], object], asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(w2vray.W2vrayError, match="enough"):
        call()
    in_python = stated(asked.pop("settings"))
    assert run_command(command.split()) == 1
    assert in_python == stated(asked.pop("settings"))


# mypy knows each wrong type, too: a `type: ignore` that is not needed is an error
REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: w2vray.score(5, model="m", output="r"), "corpus is 5; expected a path or a URI, as str or os.PathLike"),  # type: ignore[arg-type]
    (lambda: w2vray.score(b"s", model="m", output="r"), "corpus is b's'; give one value, or a list of them"),  # type: ignore[arg-type]
    (lambda: w2vray.score(["a", None], model="m", output="r"), "corpus is None; expected a path"),  # type: ignore[list-item]
    (lambda: w2vray.score(None, model="m", output="r"), "corpus is None; give one value"),  # type: ignore[arg-type]
    (lambda: w2vray.score([], model="m", output="r"), "corpus is empty; name at least one file"),
    (lambda: w2vray.score("", model="m", output="r"), "corpus is empty; give a path or a URI"),
    (lambda: w2vray.score("a", model=["m"], output="r"), r"model is \['m'\]; expected a path"),  # type: ignore[arg-type]
    (lambda: w2vray.score("a", model="m", output=Path("s3://b/r")), "output is .*lost a slash of the URI; .* as str"),
    (lambda: w2vray.score("a", model="m", output="r", limit="5"), "limit is '5'; expected a whole number, got str"),  # type: ignore[arg-type]
    (lambda: w2vray.score("a", model="m", output="r", limit=5.0), r"limit is 5\.0; expected a whole number"),  # type: ignore[arg-type]
    (lambda: w2vray.score("a", model="m", output="r", top_k=True), "top_k is True; expected a whole number, got bool"),
    (lambda: w2vray.score("a", model="m", output="r", gpu=1), "gpu is 1; expected True or False, got int"),  # type: ignore[arg-type]
    (lambda: w2vray.score("a", model="m", output="r", threshold="1"), "threshold is '1'; expected a number, got str"),  # type: ignore[arg-type]
    (lambda: w2vray.score("a", model="m", output="r", keep=[1]), "keep is 1; expected a string, got int"),  # type: ignore[list-item]
    (
        lambda: w2vray.score("a", model="m", output="r", where=Path("x")),  # type: ignore[arg-type]
        "where is .*; expected a string, got PosixPath",
    ),
    (lambda: w2vray.score("a", model="m", output="r", top_k=0), "--top-k is 0; allowed: a whole number above 0"),
    (lambda: w2vray.train("a", vectors="v", output="m", workers=1.5), r"workers is 1\.5; expected a whole number"),  # type: ignore[arg-type]
    (lambda: w2vray.train("a", vectors="v", output="m", model="svm"), "--model is 'svm'; allowed: "),
    (lambda: w2vray.train("a", vectors="v", output="m", C=1), "--C is not an option of the model cnn; .* average"),
    (lambda: w2vray.train("a", vectors="v", output="m", widths="3"), "widths is '3'; expected a whole number, got str"),
    (lambda: w2vray.train("a", vectors="v", output="m", filters=0), "--filters is 0; allowed: 1 to 100000"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_an_argument_of_another_type_is_refused_by_name_before_any_work(
    call: Callable[[], object], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        call()
    assert list(tmp_path.iterdir()) == []


def test_a_keyword_that_no_model_has_is_a_type_error_as_for_any_function() -> None:
    message = "unexpected keyword argument 'widht'; the model cnn has the options .*filters.* widths"
    with pytest.raises(TypeError, match=message):
        w2vray.train("a", vectors="v", output="m", widht=3)


# The work


def test_vectors_are_imported_joined_and_trained_and_come_back_opened(tmp_path: Path) -> None:
    (tmp_path / "tiny.txt").write_text("3 2\ngood 1 0\nbad 0 1\nfilm 1 1\n")
    told: list[tuple[int, int | None]] = []
    tiny = w2vray.import_vectors(
        tmp_path / "tiny.txt", output=tmp_path / "tiny", progress=lambda *done: told.append(done)
    )
    assert isinstance(tiny, w2vray.Vectors)
    assert (len(tiny), tiny.dim, told) == (3, 2, [(3, 3)])
    both = w2vray.join_vectors([tiny.path or "", tmp_path / "tiny"], output=tmp_path / "both")
    assert both.table_VD[both.vocabulary.rows(["bad"])].tolist() == [[0, 1, 0, 1]]

    pq.write_table(pa.table({"text": ["good film " * 20, "bad film " * 20, None]}), tmp_path / "texts.parquet")
    notes: list[str] = []
    learnt = w2vray.train_vectors(
        tmp_path / "texts.parquet", output=tmp_path / "learnt", dim=4, epochs=1, threads=1, note=notes.append
    )
    assert (len(learnt), learnt.dim) == (3, 4)
    assert notes == ["rows left out because they have no readable text: 1"]


@pytest.mark.usefixtures("in_process")
def test_a_run_made_in_python_is_the_one_that_the_command_makes(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, model = make_store(files=2, rows=50), make_model()
    told: list[w2vray.ScoreProgress] = []
    summary = w2vray.score(store, model=model, output=tmp_path / "ours", keep=["id"], progress=told.append)
    assert isinstance(summary, w2vray.ScoreSummary)
    assert (summary.rows_in, summary.rows_scored, summary.exit_code) == (100, 100, 0)
    last = told[-1]
    assert (last.units_done, last.units, last.rows, last.rows_left) == (summary.units, summary.units, 100, 0)

    command = [
        "score",
        str(store),
        "--model",
        str(model),
        "--output",
        str(tmp_path / "theirs"),
        "--keep",
        "id",
        "--json",
    ]
    assert run_command(command) == 0
    printed = json.loads(capsys.readouterr().out)
    own = {"run": str(tmp_path / "theirs"), "seconds": printed["seconds"]}
    assert {**summary.as_dict(), **own} == printed
    assert parts(tmp_path / "ours") == parts(tmp_path / "theirs")

    verified = w2vray.verify(tmp_path / "ours")
    assert isinstance(verified, w2vray.VerifySummary)
    assert (verified.ok, verified.rows_in, verified.problems) == (True, 100, [])


def parts(run: Path) -> Mapping[str, bytes]:
    return {file.name: file.read_bytes() for file in (run / "scores").iterdir()}


@pytest.mark.usefixtures("in_process")
def test_what_could_not_be_read_raises_nothing_and_is_in_the_summary(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path
) -> None:
    store = make_store(files=2, rows=50, words=11)
    damaged = store / "part-9.parquet"
    damaged.write_bytes(b"PAR1")
    summary = w2vray.score(corpus=[store], model=make_model(), output=tmp_path / "run")
    damaged.unlink()  # the store is every test's
    assert summary.exit_code == 3
    assert list(summary.left_out) == ["part-9.parquet"]
    assert w2vray.verify(tmp_path / "run").ok is False
    with pytest.raises(RunError, match="holds no run"):
        w2vray.verify(tmp_path)


@pytest.mark.usefixtures("in_process")
def test_after_ctrl_c_the_same_call_finishes_what_is_missing(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("w2vray.store.units.SMALLEST_UNIT", 1000)  # a row group is one
    store, model, run = make_store(files=2, rows=300), make_model(), tmp_path / "run"

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        w2vray.score(store, model=model, output=run, progress=interrupt)
    summary = w2vray.score(store, model=model, output=run)
    assert summary.units_skipped == 1
    assert (summary.units, summary.rows_scored, summary.exit_code) == (6, 600, 0)
    assert w2vray.verify(run).ok


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_a_model_is_trained_and_measured(make_store: MakeStore, word_vectors: w2vray.Vectors, tmp_path: Path) -> None:
    store = make_store(files=2, rows=100)
    told: list[tuple[int, int | None, str]] = []
    assert word_vectors.path is not None
    trained = w2vray.train(
        [store / "part-0.parquet"],
        vectors=word_vectors.path,
        output=tmp_path / "model",
        model="average",
        C=3,
        progress=lambda *done: told.append(done),
    )
    assert isinstance(trained, w2vray.TrainSummary)
    assert (trained.labels, trained.rows) == (("high", "low", "mid"), 100)
    assert told[:2] == [(1, 1, "units of labelled rows read"), (0, None, "epochs, 100 examples")]
    assert json.loads((tmp_path / "model" / "config.json").read_text())["settings"]["C"] == 3.0

    measured = w2vray.evaluate(store / "part-1.parquet", model=tmp_path / "model")
    assert isinstance(measured, w2vray.EvaluationSummary)
    assert measured.metrics.rows == 100
    assert measured.metrics.accuracy > 0.9
