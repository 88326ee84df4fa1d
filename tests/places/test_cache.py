"""The folder of what was fetched: whole entries, two processes at once, damage, and its bound."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from w2vray.errors import ConfigError
from w2vray.places import cache
from w2vray.places.cache import BYTES_VARIABLE, CACHE_VARIABLE, cache_folder, keep


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "fetched"


class Fetch:
    """Writes two files, and counts how often."""

    def __init__(self, content: bytes = b"abc") -> None:
        self.content, self.times = content, 0

    def __call__(self, to: Path) -> None:
        self.times += 1
        (to / "inside").mkdir()
        (to / "a").write_bytes(self.content)
        (to / "inside" / "b").write_bytes(b"x")


def test_what_is_there_is_not_fetched_again(folder: Path) -> None:
    fetch = Fetch()

    first, second = (keep("k", 4, fetch, name="s3://b/m") for _ in range(2))

    assert (first, fetch.times) == (second, 1)
    assert first == folder / "k" / "content"
    assert (second / "a").read_bytes() == b"abc"


def _flip(entry: Path) -> None:
    file = entry / "content" / "a"
    before = file.stat()
    file.write_bytes(b"abd")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a byte is another, at the same time": _flip,
    "a file is shorter": lambda entry: (entry / "content" / "a").write_bytes(b"ab"),
    "a file is gone": lambda entry: (entry / "content" / "inside" / "b").unlink(),
    "a file is there too many": lambda entry: (entry / "content" / "c").write_bytes(b""),
    "the digests are gone": lambda entry: (entry / "digests.json").unlink(),
    "the digests are cut": lambda entry: (entry / "digests.json").write_text('{"a": [3,'),
    "the digests are none": lambda entry: (entry / "digests.json").write_text("[]"),
    "the lock is gone": lambda entry: (entry / "lock").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_copy_is_fetched_anew(damage: Callable[[Path], object], folder: Path) -> None:
    fetch = Fetch()
    keep("k", 4, fetch, name="m")
    damage(folder / "k")

    kept = keep("k", 4, fetch, name="m")

    assert fetch.times == 2
    assert ((kept / "a").read_bytes(), (kept / "inside" / "b").read_bytes()) == (b"abc", b"x")
    assert [path.name for path in folder.iterdir()] == ["k"]


def test_a_fetch_that_fails_leaves_nothing(folder: Path) -> None:
    def fetch(to: Path) -> None:
        (to / "a").write_bytes(b"half")
        raise OSError("the line went dead")

    with pytest.raises(OSError, match="the line went dead"):
        keep("k", 4, fetch, name="m")

    assert list(folder.iterdir()) == []


def test_of_two_that_fetch_at_once_both_get_a_whole_copy(folder: Path) -> None:
    others: list[Path] = []

    def slow(to: Path) -> None:
        Fetch(b"mine")(to)
        others.append(keep("k", 4, Fetch(b"abc"), name="m"))

    kept = keep("k", 4, slow, name="m")

    assert [kept] == others
    assert (kept / "a").read_bytes() == b"abc"
    assert [path.name for path in folder.iterdir()] == ["k"]


def test_the_oldest_make_room_but_what_a_process_uses_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys; from tests.places.test_cache import Fetch; from w2vray.places.cache import keep\n"
    code += "[keep(key, 4, Fetch(), name=key) for key in sys.argv[1:]]"
    subprocess.run([sys.executable, "-c", code, "old", "new"], check=True)
    keep("held", 4, Fetch(), name="held")
    for age, name in enumerate(["new", "old", "held"]):
        os.utime(folder / name / "lock", (1000 - age, 1000 - age))
    room = sum(file.stat().st_size for file in (folder / "new").rglob("*") if file.is_file())
    monkeypatch.setenv(BYTES_VARIABLE, str(2 * room + 4))

    keep("one more", 4, Fetch(), name="m")

    assert sorted(path.name for path in folder.iterdir()) == ["held", "new", "one more"]


def test_what_dead_processes_left_is_removed_and_what_is_being_fetched_is_not(folder: Path) -> None:
    keep("k", 4, Fetch(), name="m")
    for name in ("partial-dead", "partial-just-made", "partial-long-ago", "partial-busy"):
        (folder / name).mkdir()
    (folder / "partial-dead" / "lock").touch()
    (folder / "partial-busy" / "lock").touch()
    os.utime(folder / "partial-long-ago", (1000, 1000))
    with (folder / "partial-busy" / "lock").open() as busy:
        fcntl.flock(busy, fcntl.LOCK_SH)
        keep("l", 4, Fetch(), name="m")

    assert sorted(path.name for path in folder.iterdir()) == ["k", "l", "partial-busy", "partial-just-made"]


def test_what_is_larger_than_the_bound_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BYTES_VARIABLE, "3")

    with pytest.raises(ConfigError, match=r"s3://b/m has 4 bytes, and at most 3 are kept .* raise W2VRAY_CACHE_BYTES"):
        keep("k", 4, Fetch(), name="s3://b/m")
    monkeypatch.setenv(BYTES_VARIABLE, "3G")
    with pytest.raises(ConfigError, match=r"W2VRAY_CACHE_BYTES is '3G'; expected a whole number of bytes"):
        keep("k", 4, Fetch(), name="s3://b/m")

    assert list(folder.iterdir()) == []


def test_what_the_disk_has_no_room_for_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "DEFAULT_BYTES", 1 << 62)

    with pytest.raises(ConfigError, match=r"m has 1,152,921,504,606,846,976 bytes, and .* has room for [0-9,]+; name"):
        keep("k", 1 << 60, Fetch(), name="m")

    assert list(folder.iterdir()) == []


def test_the_folder_is_the_one_of_the_user_s_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    by_xdg = cache_folder()
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    by_home = cache_folder()
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    spare = cache_folder()

    assert by_xdg == tmp_path / "xdg" / "w2vray"
    assert by_home == tmp_path / "home" / ".cache" / "w2vray"
    assert spare == tmp_path / f"w2vray-cache-{os.getuid()}"
    assert spare.stat().st_mode & 0o777 == 0o700


def test_a_folder_in_which_others_may_write_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "open"))

    with pytest.raises(ConfigError, match=r"W2VRAY_CACHE names .*open, which belongs to somebody else, or others may"):
        cache_folder()
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "open" / "file"))
    (tmp_path / "open" / "file").touch()
    with pytest.raises(ConfigError, match=r"W2VRAY_CACHE names .*file, which cannot be made"):
        cache_folder()
