"""Directories that are made here and appear at a URI whole or not at all."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fixtures.buckets import SECRET, Bucket
from tests.places.conftest import Other
from w2vray.errors import BundleError, W2vrayError
from w2vray.places.sending import require_free, send, written_at

FILES = {"config.json": b"{}", "weights.safetensors": b"w" * 100, "vectors/table.bin": b"t"}


def make(folder: Path) -> None:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_file_that_makes_it_a_model_is_sent_last(other: Other) -> None:
    seen: list[str] = []
    other.before_writing = seen.append

    with written_at("other://b/m", "config.json", BundleError) as folder:
        make(folder)

    assert content(other.folder / "b" / "m") == FILES
    assert seen[-1] == "b/m/config.json"
    assert not folder.parent.exists()


def test_a_path_is_where_it_is_made(tmp_path: Path) -> None:
    with written_at(str(tmp_path / "m"), "config.json", BundleError) as folder:
        assert folder == tmp_path / "m"


def _sent(other: Other) -> None:
    make(other.folder / "b" / "m")


def _is_a_file(other: Other) -> None:
    (other.folder / "b").mkdir()
    (other.folder / "b" / "m").touch()


def _being_sent(other: Other) -> None:
    (other.folder / "b" / "m").mkdir(parents=True)
    (other.folder / "b" / "m" / "_sending-1").touch()


@pytest.mark.parametrize(
    ("before", "told"),
    [
        (_sent, r"other://b/m already exists: it holds .*; give another --output, or remove it first"),
        (_is_a_file, r"other://b/m already exists; give another --output"),
        (_being_sent, r"something is being sent to other://b/m, or was until it was cut off: _sending-1 is there"),
    ],
)
def test_what_is_there_is_refused_before_any_work(before: Callable[[Other], None], told: str, other: Other) -> None:
    before(other)
    there = content(other.folder)

    with pytest.raises(BundleError, match=told), written_at("other://b/m", "config.json", BundleError):
        pytest.fail("work was begun")
    assert content(other.folder) == there


def test_where_nothing_can_be_written_is_refused_before_any_work(other: Other) -> None:
    def broken(_: str) -> None:
        raise PermissionError("no key to it")

    other.before_writing = broken
    with pytest.raises(BundleError, match=r"other://b/m cannot be written \(no key to it\)"):
        require_free("other://b/m", BundleError)
    with pytest.raises(BundleError, match=r"oss://b/m cannot be opened: nothing here reads oss://"):
        require_free("oss://b/m", BundleError)
    with pytest.raises(BundleError, match=r"other://b is a whole bucket; name a folder in it"):
        require_free("other://b", BundleError)


@pytest.mark.parametrize("name", list(FILES))
def test_what_cannot_be_sent_stays_whole_here_and_nothing_of_it_there(name: str, other: Other, tmp_path: Path) -> None:
    def broken(path: str) -> None:
        if path.endswith(name):
            raise OSError("the line went dead")

    make(tmp_path / "made")
    other.before_writing = broken

    with pytest.raises(
        W2vrayError, match=r"other://b/m cannot be written \(the line went dead\); what was made is whole"
    ):
        send(tmp_path / "made", "other://b/m", "config.json")
    other.before_writing = lambda _: None

    assert content(other.folder) == {}
    assert content(tmp_path / "made") == FILES


def test_what_a_verb_made_is_kept_where_it_cannot_be_sent(other: Other) -> None:
    def broken(path: str) -> None:
        if "config.json" in path:
            raise OSError("the line went dead")

    other.before_writing = broken
    with (
        pytest.raises(W2vrayError, match=r"whole in (\S+): copy it from there") as told,
        written_at("other://b/m", "config.json", BundleError) as folder,
    ):
        make(folder)

    assert str(folder) in str(told.value)
    assert content(folder) == FILES


def test_of_two_who_send_at_once_at_most_one_is_there(other: Other, tmp_path: Path) -> None:
    make(tmp_path / "mine")
    make(tmp_path / "theirs")
    ends: list[str] = []

    def between(path: str) -> None:
        if "_sending-" not in path:  # the first one has put its mark
            other.before_writing = lambda _: None
            with pytest.raises(W2vrayError, match="somebody else makes a directory there"):
                send(tmp_path / "theirs", "other://b/m", "config.json")
            ends.append("theirs was refused")

    other.before_writing = between
    send(tmp_path / "mine", "other://b/m", "config.json")

    assert ends == ["theirs was refused"]
    assert content(other.folder / "b" / "m") == FILES


def test_a_directory_is_sent_to_a_bucket(bucket: Bucket, tmp_path: Path) -> None:
    place = bucket.place("models/m", secret=True)
    make(tmp_path / "made")

    require_free(place, BundleError)
    send(tmp_path / "made", place, "config.json")

    assert bucket.content("models/m") == FILES
    with pytest.raises(BundleError, match=rf"s3://{bucket.name}/models/m already exists: it holds") as refused:
        require_free(place, BundleError)
    assert SECRET not in str(refused.value)
    with pytest.raises(BundleError, match=r"s3://no-such-bucket/m cannot be written"):
        require_free(place.replace(bucket.name, "no-such-bucket").replace("models/m", "m"), BundleError)
