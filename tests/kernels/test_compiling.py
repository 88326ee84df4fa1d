import errno
import fcntl
import os
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from w2vray.kernels import compiling, machine_code
from w2vray.kernels.compiling import CACHE_VARIABLE, cache_folder, read_only, why_no_kernels

pytestmark = pytest.mark.skipif(bool(why_no_kernels()), reason=why_no_kernels() or "kernels can be compiled")

SCRIPT = """
import numpy as np
from w2vray.models.average.adding import add_rows
add_rows(np.zeros(1, "i4"), 0, 1, np.array([0, 1]), 0, np.ones((1, 3), "f4"), np.zeros((1, 3)))
print(sum(add_rows.ready.stats.cache_hits.values()), sum(add_rows.ready.stats.cache_misses.values()))
"""


def run(folder: Path, code: Path, setting: str = "") -> str:
    """Run a kernel in a process of its own, with the code that lies at ``code`` and a setting of ``machine_code``."""
    environment = {**os.environ, CACHE_VARIABLE: str(folder), "PYTHONPATH": str(code)}
    before = f"from w2vray.kernels import machine_code\nmachine_code.{setting}\n" if setting else ""
    done = subprocess.run(
        [sys.executable, "-c", before + SCRIPT], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_second_process_loads_what_the_first_compiled_though_its_code_lies_elsewhere(tmp_path: Path) -> None:
    """Code that a job ships lies in another folder each time."""
    package = Path(compiling.__file__).parents[2]
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "w2vray").symlink_to(package / "w2vray")

    assert run(tmp_path / "cache", package) == "0 1"
    assert run(tmp_path / "cache", shipped) == "1 0"


def test_who_imports_kernels_makes_no_folder(tmp_path: Path) -> None:
    environment = {**os.environ, CACHE_VARIABLE: str(tmp_path / "cache")}
    subprocess.run(
        [sys.executable, "-c", "import w2vray.scoring.scorer, w2vray.models.folding"], env=environment, check=True
    )
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("module", ["w2vray.cluster.score", "w2vray.store.describing", "w2vray.cli.verbs"])
def test_numba_is_imported_for_who_calls_a_kernel_only(module: str) -> None:
    """It takes a quarter of a second."""
    program = f"import sys, {module}; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_without_a_safe_folder_kernels_are_compiled_in_each_process(tmp_path: Path) -> None:
    """Machine code is read as a pickle: never from a folder that others may write to."""
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    package = Path(compiling.__file__).parents[2]

    assert run(open_to_all, package).startswith("0 ")
    assert list(open_to_all.iterdir()) == []


@pytest.mark.long
def test_a_process_that_was_stopped_while_it_compiled_holds_up_others_for_a_while_only(tmp_path: Path) -> None:
    """Once for each kernel that is not there yet; what is there is loaded at once."""
    cache = tmp_path / "cache"
    package = Path(compiling.__file__).parents[2]
    assert run(cache, package) == "0 1"
    (folder,) = cache.iterdir()
    with (folder / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        assert run(cache, package) == "1 0"  # with a minute's patience for whoever compiles

        for made in folder.glob("*.nb*"):
            made.unlink()
        assert run(cache, package, "PATIENCE_SECONDS = 0.2") == "0 1"


def test_a_process_loses_patience_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not anew for each kernel."""
    monkeypatch.setattr(machine_code, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(machine_code, "PATIENCE_SECONDS", 0.0)
    turn = machine_code._Turn()
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        turn.take()
        monkeypatch.setattr(machine_code, "PATIENCE_SECONDS", 1e9)

        turn.take()

        assert turn._lock is None


@pytest.mark.long
def test_threads_that_need_the_same_kernel_do_not_close_each_others_files(tmp_path: Path) -> None:
    script = """
import threading
import numpy as np
from w2vray.models.average.adding import add_rows
failed = []
def call():
    try:
        add_rows(np.zeros(1, "i4"), 0, 1, np.array([0, 1]), 0, np.ones((1, 3), "f4"), np.zeros((1, 3)))
    except OSError as error:
        failed.append(error)
threads = [threading.Thread(target=call) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(failed)
"""
    environment = {**os.environ, CACHE_VARIABLE: str(tmp_path / "cache")}
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "[]"
        shutil.rmtree(tmp_path / "cache")


def test_the_turn_ends_where_compiling_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others need not wait for this process to end."""
    monkeypatch.setattr(machine_code, "cache_folder", lambda: tmp_path)
    turn = machine_code._Turn()

    def fails() -> None:
        turn.take()
        raise TypeError

    with pytest.raises(TypeError):
        turn.ended_by(fails)()
    with (tmp_path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.long
@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_damaged_machine_code_is_made_anew(tmp_path: Path, suffix: str) -> None:
    """As a power cut may leave it."""
    package = Path(compiling.__file__).parents[2]
    assert run(tmp_path / "cache", package) == "0 1"
    for made in tmp_path.glob(f"cache/*/*.{suffix}"):
        made.write_bytes(b"")

    assert run(tmp_path / "cache", package) == "0 1"
    assert run(tmp_path / "cache", package) == "1 0"


def test_without_room_for_machine_code_it_is_used_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("numba.core.caching.FunctionCache.save_overload", full)
    monkeypatch.setattr("numba.core.caching.FunctionCache.load_overload", lambda *_: None)

    @compiling.kernel
    def two() -> int:
        return 2

    assert two() == 2


def test_where_numba_is_told_not_to_compile_the_plain_models_do_the_work() -> None:
    """As is done to debug a kernel."""
    code = "from w2vray.kernels.compiling import why_no_kernels; print(why_no_kernels())"
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(Path(compiling.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "NUMBA_DISABLE_JIT tells numba not to compile"


def test_processes_that_need_the_same_kernel_compile_it_once(tmp_path: Path) -> None:
    """The second waits for the first, and loads."""
    package = Path(compiling.__file__).parents[2]
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda _: run(tmp_path / "cache", package), range(3)))
    assert sorted(found) == ["0 1", "1 0", "1 0"]


def test_the_folder_belongs_to_this_user_alone() -> None:
    """Nobody else may write to it."""
    folder = cache_folder()
    assert folder is not None
    for place in (folder, folder.parent):
        status = place.stat()
        assert status.st_uid == os.getuid()
        assert not stat.S_IMODE(status.st_mode) & 0o022


def test_inputs_are_seen_read_only_and_contiguous() -> None:
    """One kind of array, one compilation."""
    array = np.arange(6).reshape(2, 3)
    view = read_only(array.T)
    assert not view.flags.writeable
    assert view.flags.c_contiguous
    assert view.tolist() == array.T.tolist()
    assert array.flags.writeable
