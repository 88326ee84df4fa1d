"""Copies that replace nothing: what is made of a store's answers, and what a store is asked before it is believed."""

import re
from pathlib import Path

import pytest
from pyarrow import fs

from w2vray.store import conditional
from w2vray.store.conditional import ConditionalCopies

NO_ANSWER = 0


class Answers:
    """A client that gives one answer after the other."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str]] = []

    def ask(self, source: str, target: str) -> tuple[int, str]:
        self.asked.append((source, target))
        status = self.answers.pop(0)
        return status, f"C{status}"


@pytest.fixture
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Answers:
    """A client that gives the answers of a test's parameter, and no pause between them."""
    monkeypatch.setattr(conditional, "_PAUSE", 0.0)
    return Answers(*request.param)


@pytest.mark.parametrize(
    ("client", "copied"),
    [((200,), True), ((412,), False), ((409, 200), True), ((409, 409, 409, 412), False)],
    indirect=["client"],
)
def test_a_copy_is_made_where_there_is_none(client: Answers, copied: bool) -> None:
    count = len(client.answers)
    assert ConditionalCopies(client).copy("bucket/a/b c", "bucket/d") is copied
    assert client.asked == [("bucket/a/b c", "bucket/d")] * count


@pytest.mark.parametrize(
    ("client", "kind", "told"),
    [
        ((404,), FileNotFoundError, "C404"),
        ((403,), OSError, "C403"),
        ((500,), OSError, "C500"),
        ((NO_ANSWER,), OSError, "C0"),
        ((409,) * 4, OSError, "C409"),
    ],
    indirect=["client"],
)
def test_other_answers_are_errors(client: Answers, kind: type[Exception], told: str) -> None:
    with pytest.raises(kind, match=told):
        ConditionalCopies(client).copy("bucket/a", "bucket/b")


@pytest.fixture
def store(tmp_path: Path) -> fs.FileSystem:
    """A filesystem with the folder that a store is tried in."""
    (tmp_path / "bucket/run/_temporary").mkdir(parents=True)
    return fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())


@pytest.mark.parametrize(
    ("client", "told"),
    [
        ((200, 412), None),
        ((412, 412), None),  # the first one was asked for twice, as its answer was lost
        ((200, 200), "^the store copies, and does not heed the condition"),
        ((501,), "^the store does not copy on the condition .*C501"),
        ((400,), "^the store does not copy on the condition .*C400"),
        ((404,), "^the store does not copy on the condition .*C404"),  # the library looks for it elsewhere
        ((200, 501), "^the store does not copy on the condition .*C501"),
        ((403,), "^the store does not copy on the condition .*C403"),
        ((NO_ANSWER,), "^the store does not copy on the condition .*C0"),
    ],
    indirect=["client"],
)
def test_a_store_is_tried_before_it_is_believed(
    client: Answers, told: str | None, store: fs.FileSystem, tmp_path: Path
) -> None:
    folder, ask = "bucket/run/_temporary", client.ask
    there: list[bool] = []

    def look(source: str, target: str) -> tuple[int, str]:
        there.append((tmp_path / source).is_file())
        return ask(source, target)

    client.ask = look  # type: ignore[method-assign]
    found = ConditionalCopies(client).trouble(store, folder)
    assert (found is None) if told is None else (found is not None and re.search(told, found))
    assert all(there)
    assert {path.rpartition("/")[0] for asked in client.asked for path in asked} == {folder}
    assert len({path for asked in client.asked for path in asked}) == 2
    assert list((tmp_path / folder).iterdir()) == []


@pytest.mark.parametrize("client", [()], indirect=True)
def test_a_store_that_takes_no_object_is_told(client: Answers, store: fs.FileSystem) -> None:
    found = ConditionalCopies(client).trouble(store, "bucket/none")
    assert found is not None
    assert found.startswith("the condition cannot be tried there (")
