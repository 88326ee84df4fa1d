"""Ray's private names stand behind one module, are there in the installed Ray, and can be missed."""

import ast
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
from ray.train.torch import TorchTrainer

from w2vray.cluster import ray_internals
from w2vray.cluster.evaluate import evaluate
from w2vray.cluster.ray_internals import INTERNALS, READER_PROCESS, TRAINER_PROCESS, find, lean, pool_has_no_cpus
from w2vray.cluster.score import score
from w2vray.cluster.train import train
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.labelled import EvaluateSettings
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors

ROOT = Path(__file__).parents[2]
NAMES = [internal.name for internal in INTERNALS]
WHILE_IT_RUNS = (".actor_table", ".print_to_stdstream")
BEFORE_A_START = [name for name in NAMES if name.startswith("ray._private.") and not name.endswith(WHILE_IT_RUNS)]
IN_A_RUN = [name for name in NAMES if name not in BEFORE_A_START]

ONE_BY_ONE = bool(os.environ.get("W2VRAY_PRIVATE_NAMES"))
"""Whether each name is taken away by itself, too: for an upgrade of Ray. It takes minutes."""

PRIVATE = re.compile(
    r"\bray(\.\w+)*\._\w+"  # ray._private.node, ray.train.v2._internal
    r"|\b(" + "|".join(re.escape(name.rpartition(".")[2]) for name in NAMES) + r"|MapWorker|RayTrainW\w*)\b"
    r"|checkpoint_manager_snapshot"
    r"|\b_(temp_dir|system_config|node_ip_address|metrics_export_port|redis_password|global_node)\b"
)


def last(name: str) -> str:
    """Return the last part of a full name."""
    return name.rpartition(".")[2]


def sources() -> Iterator[Path]:
    """Every file of the package, the jobs and the examples but the one that may."""
    for folder in ("w2vray", "jobs", "examples"):
        yield from (path for path in (ROOT / folder).rglob("*.py") if path.name != "ray_internals.py")


def private_names(source: str) -> set[str]:
    """Return what a source says of Ray's private names: in code, strings, comments and documentation."""
    found = {match.group() for match in PRIVATE.finditer(source)}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ray":
            found |= {alias.name for alias in node.names if alias.name.startswith("_")}
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("ray."):
            found |= {word.arg for word in node.keywords if word.arg and word.arg.startswith("_")}
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_installed_ray_has_each_private_name_that_we_use(name: str) -> None:
    """Where an upgrade has taken one away, look at what its record says, and at the module that holds it."""
    assert find(name) is not None


def test_the_module_tells_of_each_name_what_it_is_for_and_what_happens_without() -> None:
    told = str(ray_internals.__doc__)
    for internal in INTERNALS:
        assert re.search(rf"^    .*\b{last(internal.name)}\b", told, re.MULTILINE), internal.name
        assert internal.why
        assert internal.without
    assert len(set(NAMES)) == len(NAMES)
    looked_up = set(re.findall(r'"(ray\.[\w.]+\w)"', Path(str(ray_internals.__file__)).read_text(encoding="utf-8")))
    assert looked_up == set(NAMES)


def test_no_other_module_knows_a_private_name_of_ray() -> None:
    found = {str(path.relative_to(ROOT)): private_names(path.read_text(encoding="utf-8")) for path in sources()}
    assert len(found) > 100
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from ray._private import state", {"ray._private"}),
        ("import ray.train.v2._internal.callbacks as c", {"ray.train.v2._internal"}),
        ("from ray.train import _checkpoint", {"_checkpoint"}),
        ("ray.init(_redis_username='a')", {"_redis_username"}),
        ("options['_temp_dir'] = folder", {"_temp_dir"}),
        ("getattr(node, 'start_monitor')", {"start_monitor"}),
        ("name.startswith('MapWorker')", {"MapWorker"}),
        ("folder / 'checkpoint_manager_snapshot.json'", {"checkpoint_manager_snapshot"}),
        ("ray.init(address='local')\nself._temp = ray.get(x)._part", set()),
    ],
)
def test_the_search_for_private_names_finds_them(source: str, found: set[str]) -> None:
    assert private_names(source) == found


def test_what_has_no_such_name_is_not_found() -> None:
    assert find("ray.nothing") is None
    assert find("ray._private.nothing.at.all") is None
    assert find("ray.train.torch.TorchTrainer.nothing") is None
    assert find("nothing_at_all.ray") is None


def test_processes_are_called_by_the_first_letters_of_rays_names() -> None:
    """Linux keeps 15 of them."""
    kinds = {last(name).lstrip("_") for name in NAMES}
    for process in (READER_PROCESS, TRAINER_PROCESS):
        assert len(process) <= 15
        assert any(kind.startswith(process.removeprefix("ray::")) for kind in kinds), process


# Without one of them


@pytest.fixture
def take_away(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have a name looked for in vain; Ray itself, which uses it too, keeps it."""

    def take(name: str) -> None:
        monkeypatch.setattr(ray_internals, "find", lambda asked: None if asked.startswith(name) else find(asked))

    return take


@pytest.mark.parametrize("name", BEFORE_A_START)
def test_a_start_changes_nothing_of_ray_that_it_does_not_find(name: str, take_away: Callable[[str], None]) -> None:
    """And all else it puts back."""
    before = {name: find(name) for name in BEFORE_A_START}
    take_away(name)
    with ray_internals.keeping_sigterm(), ray_internals.listening_on_loopback():
        with ray_internals.starting_few_processes(), ray_internals.starting_in_a_group_of_its_own():
            during = {name: find(name) for name in BEFORE_A_START}
        ray_internals.clear_failed_start(RuntimeError("late"))
    assert during[name] == before[name]
    assert {name: find(name) for name in BEFORE_A_START} == before
    changed = {last(name) for name in BEFORE_A_START if during[name] != before[name]}
    assert changed == {last(name) for name in BEFORE_A_START} - {last(name), "kill_all_processes"}


COMMAND = """
from contextlib import suppress
from w2vray.cli import main

with suppress(SystemExit):
    main(["--version"])
from w2vray.cluster.ray_internals import find, _LOOPBACK

print(find(_LOOPBACK))
"""


@pytest.mark.parametrize(("stated", "reachable"), [({}, "False"), ({"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"}, "True")])
def test_the_command_line_asks_ray_for_the_loopback_unless_the_user_has_asked_for_more(
    stated: dict[str, str], reachable: str
) -> None:
    """By a variable that Ray reads when it is imported: no private name is needed for it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | stated
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *sys.path])
    told = subprocess.run([sys.executable, "-c", COMMAND], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.split()[-1] == reachable


@pytest.mark.parametrize(
    "table",
    [
        lambda job: {job: {}},  # asked in another way
        lambda *_: {"a": {"State": "ALIVE"}},  # answers in another way
        lambda *_: None,
        None,
    ],
)
def test_a_pool_of_which_ray_does_not_say_what_it_waits_for_is_not_said_to_wait(
    table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray.get_runtime_context", lambda: SimpleNamespace(get_job_id=lambda: "01000000"))
    monkeypatch.setattr(ray_internals, "find", lambda name: table if name.endswith("table") else find(name))
    assert not pool_has_no_cpus()


def test_what_raylets_say_is_heard_and_what_others_say_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[Any] = []
    monkeypatch.setattr("ray._private.worker.print_to_stdstream", lambda data, **_: printed.append(data))
    heard: list[str] = []
    worker: Any = find("ray._private.worker")
    with ray_internals.hearing(heard.append):
        worker.print_to_stdstream({"lines": ["one", "two"], "pid": "raylet", "is_err": False}, ignore_prefix=False)
        worker.print_to_stdstream({"lines": ["three"], "pid": 17, "is_err": False}, ignore_prefix=False)
        worker.print_to_stdstream("of another Ray", ignore_prefix=False)
    worker.print_to_stdstream({"lines": ["four"], "pid": "raylet"}, ignore_prefix=False)
    assert heard == ["one\ntwo"]
    assert [data if isinstance(data, str) else data["lines"] for data in printed] == [
        ["three"],
        "of another Ray",
        ["four"],
    ]


class Trained(Exception):  # noqa: N818 - it is no error
    """Says in which thread."""


def test_a_trainer_that_answers_interrupts_in_a_way_we_do_not_know_trains_in_a_thread_of_its_own(
    take_away: Callable[[str], None],
) -> None:
    """There it does not answer any. What it comes to, or raises, comes to the caller."""

    class Ray:
        def fit(self) -> bool:
            return threading.current_thread() is threading.main_thread()

    class Failing(Ray):
        def fit(self) -> bool:
            raise Trained(threading.current_thread() is threading.main_thread())

    assert lean(Ray)().fit() is True
    take_away("ray.train.torch.TorchTrainer._register_sigint_handler")
    assert lean(Ray)().fit() is False
    with pytest.raises(Trained, match="False"):
        lean(Failing)().fit()


def test_a_training_in_a_thread_of_its_own_is_interrupted_at_once(take_away: Callable[[str], None]) -> None:
    """The thread ends with the program, or with Ray."""
    over = threading.Event()

    class Ray:
        def fit(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            over.wait(60)

    take_away("ray.train.torch.TorchTrainer._register_sigint_handler")
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        lean(Ray)().fit()
    assert time.monotonic() - began < 30
    over.set()


def test_a_trainer_without_a_known_list_of_callbacks_keeps_them(take_away: Callable[[str], None]) -> None:
    take_away("ray.train.torch.TorchTrainer._create_default_callbacks")
    of: Any = TorchTrainer
    assert lean(of)._create_default_callbacks is of._create_default_callbacks


def run_verbs(store: Path, vectors: str, folder: Path) -> None:
    """Train, evaluate and score on the Ray of this process, and look at what came of it."""
    options = {"filters": 4, "epochs": 1, "widths": (2,), "batch_size": 16}
    labelled = (str(store),)
    train(
        TrainSettings(labelled=labelled, vectors=vectors, output=str(folder / "model"), model_settings=options, seed=1)
    )
    found = evaluate(EvaluateSettings(labelled=labelled, model=(str(folder / "model"),)))
    scored = score(ScoreSettings(corpus=labelled, model=str(folder / "model"), output=str(folder / "run")))
    rows = pq.read_table(store).num_rows
    assert (found.metrics.rows, scored.rows_in, scored.rows_scored) == (rows, rows, rows)


@pytest.mark.ray
@pytest.mark.long
@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize(
    "gone",
    [pytest.param(IN_A_RUN, id="all"), *(pytest.param([name], id=last(name)) for name in IN_A_RUN if ONE_BY_ONE)],
)
def test_runs_end_well_without_a_private_name(
    gone: list[str],
    take_away: Callable[[str], None],
    make_store: Callable[..., Path],
    word_vectors: Vectors,
    tmp_path: Path,
) -> None:
    for name in gone:
        take_away(name)
    run_verbs(make_store(files=1, rows=60), str(word_vectors.path), tmp_path)


PROGRAM = """
import sys
from pathlib import Path
from tests.cluster.test_ray_internals import find, run_verbs
from w2vray.cluster import ray_internals
from w2vray.cluster.connecting import connected

store, vectors, folder, *gone = sys.argv[1:]
ray_internals.find = lambda name: None if name in gone else find(name)
with connected():
    run_verbs(Path(store), vectors, Path(folder))
"""


@pytest.mark.ray
@pytest.mark.long
@pytest.mark.parametrize(
    "gone",
    [pytest.param(NAMES, id="all"), *(pytest.param([name], id=last(name)) for name in BEFORE_A_START if ONE_BY_ONE)],
)
def test_a_ray_starts_and_runs_end_well_without_private_names(
    gone: list[str], make_store: Callable[..., Path], word_vectors: Vectors, tmp_path: Path
) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *sys.path])
    store = make_store(files=1, rows=60)
    places = [str(store), str(word_vectors.path), str(tmp_path)]

    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *places, *gone],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
