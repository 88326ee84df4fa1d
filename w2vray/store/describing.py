"""Files described by other processes, which a damaged one may end: then it is known, and this process goes on.

They are started once, more of them for more files, and serve until this one ends. Requests and answers are JSON, a
line each, over pipes: where files are may be secret, and arguments of a process are not.
"""

import atexit
import gc
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, replace
from typing import IO, Any

from w2vray.errors import FileError, W2vrayError
from w2vray.other_process import OtherProcess, answers_to, serving, start
from w2vray.places.uris import open_store
from w2vray.schema import FileReason
from w2vray.store.corpus import Corpus, SourceFile
from w2vray.store.description import ANY, Description, ReadAs
from w2vray.store.failures import Failure
from w2vray.store.formats import describe_file
from w2vray.store.table import Table

__all__ = ["Answers", "Read", "describe_files", "read_here", "reading_by"]

Answers = dict[int, Description | Failure]
"""What is said of files, by their place in what was asked for."""

Read = Callable[[Sequence[str], Sequence[SourceFile], Mapping[str, Any]], Answers]
"""Given the roots of a store, files of it, and what is asked of them."""

_THREADS = 16
"""Files that one of the other processes opens at once: most of the time of a file in an object store is waiting."""

_AT_ONCE = 10_000
"""Files that are asked for together."""

_FILES_A_READER, _MOST_READERS = 2_000, 16
"""For how many files one more process is started, which takes a second, and how many there are at most."""

_OF_STORES = re.compile("AWS_|AZURE_|GOOGLE_|CLOUDSDK_|HADOOP_|CLASSPATH$|HOME$|(HTTPS?|NO|ALL)_PROXY$", re.IGNORECASE)
"""Variables by which the filesystems of Arrow find stores, and the keys to them."""

_UNUSED = "--delimiter is for CSV and is not used: the file is"

PROGRAM = serving(__name__)


def describe_files(
    corpus: Corpus, files: Iterable[SourceFile], columns: Sequence[str], read_as: ReadAs = ANY
) -> tuple[list[Description], dict[SourceFile, Failure]]:
    """Describe files, many at a time; those that can be used and the others, each in the order asked for.

    Args:
        corpus: that the files are of.
        files: of it.
        columns: that will be read.
        read_as: what somebody says of the files.
    """
    files = list(files)
    for table in corpus.tables.values():
        table.require_columns(columns)
    found = _answers(corpus, [(file, _guess(corpus, file, columns)) for file in files], read_as)
    again = {}
    for file, answer in found.items():
        if isinstance(answer, Description) and file.root in corpus.tables:
            found[file] = seen = _seen(answer, corpus.tables[file.root], columns)
            stored = _stored(seen, columns)
            if isinstance(seen, Description) and {*stored} != {*_guess(corpus, file, columns)} & {*answer.schema.names}:
                again[file] = stored
    for file, answer in _answers(corpus, again.items(), read_as).items():
        before = found[file]
        if isinstance(answer, Description) and isinstance(before, Description):
            found[file] = replace(before, stretches=answer.stretches)
        else:
            found[file] = answer
    results = [(file, found[file]) for file in files]
    described = [result for _, result in results if isinstance(result, Description)]
    if read_as.delimiter is not None:
        described = [
            item if item.format == "csv" else replace(item, notes=(*item.notes, f"{_UNUSED} {item.format}"))
            for item in described
        ]
    bad = {file: result for file, result in results if isinstance(result, Failure)}
    for file, failure in list(bad.items()):
        somebody_says_data = file in corpus.named or file.root in corpus.tables
        if somebody_says_data and failure.reason == FileReason.NOT_DATA:
            bad[file] = replace(failure, reason=FileReason.UNKNOWN_FORMAT)
    return described, bad


def _guess(corpus: Corpus, file: SourceFile, columns: Sequence[str]) -> list[str]:
    """Return what columns are called in a file, as far as that is known before it is opened."""
    return corpus.tables[file.root].guess(columns) if file.root in corpus.tables else list(columns)


def _answers(
    corpus: Corpus, asked: Iterable[tuple[SourceFile, Sequence[str]]], read_as: ReadAs
) -> dict[SourceFile, Description | Failure]:
    """Describe files, each with the columns of it that will be read."""
    answers: dict[SourceFile, Description | Failure] = {}
    read = _READ.get()
    by_columns: dict[tuple[str, ...], list[SourceFile]] = {}
    for file, columns in asked:
        if (failure := _other_than_logged(corpus, file)) is not None:
            answers[file] = failure
        else:
            by_columns.setdefault(tuple(columns), []).append(file)
    named = [[file.root, file.name] for file in corpus.named]
    for columns, files in by_columns.items():
        request = {"columns": list(columns), "read_as": asdict(read_as), "named": named}
        found = read(corpus.roots, files, request)
        answers |= {file: found[index] for index, file in enumerate(files)}
    return answers


def _other_than_logged(corpus: Corpus, file: SourceFile) -> Failure | None:
    """Say where a table's file is not the one that its log tells of."""
    table = corpus.tables.get(file.root)
    if table is None:
        return None
    if corpus.is_gone(file):
        detail = f"{file.name} is a file of {table}, and is not there any more: it has been removed (vacuumed) since"
        return Failure(reason=FileReason.VANISHED, detail=detail, file=file.name)
    if file.size != table.files[file.name].size:
        detail = f"it has {file.size:,} bytes; by the log of {table} it has {table.files[file.name].size:,}"
        return Failure(reason=FileReason.CHANGED, detail=detail, file=file.name)
    return None


def _seen(described: Description, table: Table, columns: Sequence[str]) -> Description | Failure:
    """See a described file as its table does."""
    file = described.file
    try:
        schema, view, absent = table.view(file.name, described.schema, columns)
    except FileError as error:
        return Failure(reason=FileReason(error.reason), detail=str(error), file=file.name)
    deleted_N = table.files[file.name].deleted_N
    return replace(described, schema=schema, view=view, absent=tuple(absent), deleted_N=deleted_N)


def _stored(seen: Description | Failure, columns: Sequence[str]) -> list[str]:
    """Return what columns are called in a file, those that it has."""
    names = seen.view.names if isinstance(seen, Description) and seen.view is not None else {}
    return [names[name] for name in columns if name in names]


class _Readers:
    """The other processes: one, and for many files one for each CPU."""

    def __init__(self) -> None:
        self.all = [_Reader()]

    def read(self, roots: Sequence[str], files: Sequence[SourceFile], asked: Mapping[str, Any]) -> Answers:
        """Read all files, each of them in one of the processes."""
        several = max(1, min(len(os.sched_getaffinity(0)), _MOST_READERS, len(files) // _FILES_A_READER))
        if several == 1:
            return self.all[0].read(roots, files, asked)
        while len(self.all) < several:
            self.all.append(_Reader())
        used = self.all[:several]
        with ThreadPoolExecutor(several) as pool:
            shares = [pool.submit(one.read, roots, files[k::several], asked) for k, one in enumerate(used)]
            try:
                found = [share.result() for share in shares]
            except BaseException:
                for one in used:
                    one.stop()
                raise
        return {index * several + k: answer for k, answers in enumerate(found) for index, answer in answers.items()}


class _Reader:
    """One of them, started when it is first needed."""

    def __init__(self) -> None:
        self._process: OtherProcess | None = None
        self._access: dict[str, str] = {}
        self._lock = threading.Lock()
        self._stopped = False

    def read(self, roots: Sequence[str], files: Sequence[SourceFile], asked: Mapping[str, Any]) -> Answers:
        """Read all files: after a death the unanswered ones in halves, until the one that is to blame is alone."""
        answers: Answers = {}
        waiting = [list(range(first, min(first + _AT_ONCE, len(files)))) for first in range(0, len(files), _AT_ONCE)]
        suspects: set[int] = set()
        with self._lock, self._whole_answers():
            self._stopped = False
            while waiting:
                if self._stopped:
                    raise W2vrayError("the files were not described to the end")
                now = waiting.pop()
                for index, value in self._ask(roots, [files[index] for index in now], asked):
                    answers[now[index]] = _from_json(files[now[index]], value)
                left = [index for index in now if index not in answers]
                if len(left) == 1 and left[0] in suspects:
                    answers[left[0]] = Failure(
                        reason=FileReason.DAMAGED_FOOTER,
                        detail="parsing its footer crashes the process",
                        file=files[left[0]].name,
                    )
                elif len(left) == 1:
                    suspects.add(left[0])  # the process may have been ended by something else
                    waiting.append(left)
                elif left:
                    half = (len(left) + 1) // 2
                    waiting += [left[half:], left[:half]]
        return answers

    @property
    def is_running(self) -> bool:
        """Tell whether there is a process."""
        return self._process is not None

    def stop(self) -> None:
        """Have another thread, which reads, stop at once."""
        self._stopped = True
        if (process := self._process) is not None:  # that thread may take it away
            process.kill()

    @contextmanager
    def _whole_answers(self) -> Iterator[None]:
        """End the other process where it is not asked to the end: its next answers would be those to this question."""
        try:
            yield
        except BaseException:
            if self._process is not None:
                self._process.kill()
            self.close()
            raise

    def _ask(
        self, roots: Sequence[str], files: list[SourceFile], asked: Mapping[str, Any]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield answers as they come, until all are there or the process has died."""
        process = self._running()
        request = {**asked, "roots": roots, "files": [[f.root, f.name, f.size, f.mtime_ns] for f in files]}
        try:
            process.stream.write(json.dumps(request).encode() + b"\n")
            process.stream.flush()
        except OSError:
            self.close()
            return
        for _ in files:
            line = _line_of(process)
            if not line.endswith(b"\n"):
                self.close()
                return
            index, value = json.loads(line)
            yield index, value

    def _running(self) -> OtherProcess:
        access = {name: value for name, value in os.environ.items() if _OF_STORES.match(name)}
        if self._process is None or not self._process.is_running or access != self._access:
            self.close()  # the keys of an object store may have been set, or changed, since
            self._access = access
            atexit.register(self.close)
            self._process = start(PROGRAM)  # before it is waited for: another thread may have to stop it
            if not self._process.is_ready():
                raise W2vrayError(f"the process that describes files cannot start ({sys.executable})")
        return self._process

    def close(self) -> None:
        """End the other process."""
        atexit.unregister(self.close)
        if self._process is not None:
            self._process.close()
            self._process = None


def _line_of(process: OtherProcess) -> bytes:
    """Return the next line of a process, less than one where it ends."""
    try:
        return bytes(process.stream.readline())
    except OSError:
        return b""


_READERS = _Readers()


def read_here(roots: Sequence[str], files: Sequence[SourceFile], asked: Mapping[str, Any]) -> Answers:
    """Describe files by the processes of this machine."""
    return _READERS.read(roots, files, asked)


_READ: ContextVar[Read] = ContextVar("read", default=read_here)


@contextmanager
def reading_by(read: Read) -> Iterator[None]:
    """Have files described by something else for a while, say by the machines of a cluster."""
    token = _READ.set(read)
    try:
        yield
    finally:
        _READ.reset(token)


def _from_json(file: SourceFile, value: dict[str, Any]) -> Description | Failure:
    if "reason" in value:
        return Failure(reason=FileReason(value["reason"]), detail=value["detail"], file=file.name)
    return Description.from_json(file, value)


def serve() -> None:
    """Answer requests until their end; what this runs in is the other process."""
    gc.enable()
    output = answers_to()
    for line in sys.stdin.buffer:
        _answer(json.loads(line), output)


def _answer(request: dict[str, Any], output: IO[bytes]) -> None:
    stores = [open_store(root) for root in request["roots"]]
    files = [SourceFile(*file) for file in request["files"]]
    read_as, named = ReadAs(**request["read_as"]), {(root, name) for root, name in request["named"]}

    def read(index: int) -> tuple[int, dict[str, Any]]:
        file = files[index]
        alone = (file.root, file.name) in named
        found = describe_file(*stores[file.root], file, request["columns"], read_as, alone=alone)
        if isinstance(found, Failure):
            return index, {"reason": found.reason, "detail": found.detail}
        return index, found.as_json()

    def found() -> Iterator[tuple[int, dict[str, Any]]]:
        left = dict.fromkeys(range(len(files)))
        try:
            with ThreadPoolExecutor(_THREADS) as pool:
                for future in as_completed([pool.submit(read, index) for index in left]):
                    index, value = future.result()
                    del left[index]
                    yield index, value
        except RuntimeError:  # there is no room for so many threads
            yield from map(read, list(left))

    for answer in found():
        output.write(json.dumps(answer).encode() + b"\n")
        output.flush()
