"""Workers without Ray begin as copies of one process, which imports, and makes the worker, once for all of them.

A copy (``fork``) takes milliseconds, and shares the memory of the first one as long as neither writes there: tables of
the look-up, machine code, and whatever a worker holds are there once, however many workers there are.

    this process           the first one                        a copy of it
    worker, arguments  ->  makes the worker
                       <-  why it cannot, or nothing
    a socket           ->  copies itself                   ->   says that it is there
    unit               ------------------------------------->   works
                       <-------------------------------------   row, or error

All that goes to and fro has its length before it. A process cannot be copied with several threads, or with something
open: copies would share a connection, and the place in a file. Neither can any that is not on Linux, where libraries of
the system start threads. Then a worker is a process from the start, and makes the worker by itself.
"""

import gc
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from io import BufferedRWPair
from pathlib import Path
from typing import IO, Any, NoReturn

from w2vray.errors import W2vrayError
from w2vray.other_process import READY, OtherProcess, answers_to, command, serving, start
from w2vray.run.attempts import MOST_ATTEMPTS
from w2vray.store.units import Unit

__all__ = ["Copy", "First", "serve"]

PROGRAM = serving(__name__)

_LENGTH = struct.Struct("<Q")
_A_COPY = b"+"  # asks for one; its socket comes with it
_DEATHS = MOST_ATTEMPTS + 1
_OF_THE_ALLOCATOR = "jemalloc_bg_thd"


class Copy:
    """A worker's process, which has said that it is there."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._stream = link.makefile("rwb")

    def has_come_up(self) -> bool:
        """Wait until it is there; False where it has ended before."""
        with suppress(OSError, ValueError):  # it was closed meanwhile
            return self._stream.readline() == READY
        return False

    def answer_to(self, unit: Unit) -> bytes | None:
        """Return what it makes of a unit, pickled; None where it ends before."""
        with suppress(OSError, ValueError):
            _write(self._stream, unit.as_json().encode())
            return _read(self._stream)
        return None

    def close(self) -> None:
        """Wait for no answer any more: whoever does gets none."""
        with suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)
        with suppress(OSError, ValueError):
            self._stream.close()
        self._link.close()


class First:
    """The process that makes the worker, and is copied; started when the first copy is asked for."""

    def __init__(self, sent: bytes) -> None:
        self._sent = sent  # worker, arguments
        self._process: OtherProcess | None = None
        self._failure: Exception | None = None
        self._is_loaded = self._has_ended = False
        self._asking = threading.Lock()
        self._changing = threading.Lock()  # nothing is started behind the back of who ends all

    def copy(self) -> Copy | None:
        """Return a new copy; None where it has ended before it was there.

        Raises:
            W2vrayError: what the making of the worker raised; or the process dies of it.
        """
        with self._asking:
            if self._failure is not None:
                raise self._failure
            here, theirs = socket.socketpair()
            with theirs, ExitStack() as closing:
                closing.callback(here.close)
                self._send(theirs)
                closing.pop_all()
        copy = Copy(here)
        if copy.has_come_up():
            return copy
        copy.close()
        return None

    def _send(self, theirs: socket.socket) -> None:
        """Ask for a copy that serves a socket, of a process that is started where there is none."""
        for _ in range(_DEATHS):
            if self._process is None:
                self._load()
            if self._process is not None and _ask(self._process, theirs):
                return
            self._forget()
        raise W2vrayError(
            f"the process that works on the units cannot start: it died {_DEATHS} times while it loaded what it needs "
            f"({sys.executable}); is there memory for it?"
        )

    def _load(self) -> None:
        """Start the process, and have the worker made; leave none where it dies of that."""
        with self._changing:
            if self._has_ended:
                raise W2vrayError("the work has ended")
            process = self._process = start(PROGRAM)
        answer = None
        if process.is_ready():
            with suppress(OSError, ValueError):
                _write(process.stream, self._sent)
                answer = _read(process.stream)
        if answer is None:
            self._forget()
        elif (error := pickle.loads(answer)) is not None:  # noqa: S301 - the process that this one started made it
            self._failure = error
            raise error
        else:
            self._is_loaded = True

    def _forget(self) -> None:
        """Let go of a process that has died."""
        with self._changing:
            process, self._process, self._is_loaded = self._process, None, False
        if process is not None:
            process.kill()
            process.close()

    def end(self) -> None:
        """End the process and all its copies, at once and for ever."""
        with self._changing:
            self._has_ended = True
            process, self._process = self._process, None
        if process is not None:
            if not self._is_loaded:  # it looks at nothing else until it is; there are no copies yet
                process.kill()
            process.close()


def _ask(process: OtherProcess, theirs: socket.socket) -> bool:
    """Ask for a copy that serves a socket; tell whether there was somebody to ask."""
    try:
        return process.is_running and socket.send_fds(process.link, [_A_COPY], [theirs.fileno()]) == len(_A_COPY)
    except OSError:
        return False


def _write(stream: BufferedRWPair | IO[bytes], data: bytes) -> None:
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def _read(stream: BufferedRWPair) -> bytes | None:
    """Read what has its length before it; None where the stream ends first."""
    head = stream.read(_LENGTH.size)
    if len(head) == _LENGTH.size:
        (length,) = _LENGTH.unpack(head)
        data = stream.read(length)
        return data if len(data) == length else None
    return None


def serve() -> None:
    """Make the worker, then a copy of this process for each socket that comes; what this runs in is the first one."""
    output = answers_to()
    link = socket.socket(fileno=os.dup(0))
    _import_ahead()
    sent = _received(link)
    if sent is None:
        return
    open_before = _open_files() if _system_copies() else {}
    worker, failure = _made(sent) if _system_copies() else (None, None)
    _write(output, pickle.dumps(failure))
    may_fork = _system_copies() and _can_be_copied(open_before)
    if not may_fork:
        worker = None  # each process makes its own
    gc.freeze()  # a collection in a copy would write to all objects, which are shared until then
    gc.enable()
    children: dict[int, object] = {}
    while True:
        asked, sockets, _, _ = socket.recv_fds(link, len(_A_COPY), 1)
        if not asked:
            break
        _remove_dead(children)
        if not sockets:  # no more of them can be open here: whoever waits at it sees that it is closed
            continue
        (theirs,) = sockets
        with suppress(OSError):  # no room: whoever waits at the socket sees that it is closed
            if may_fork:
                children[_forked(worker, theirs, [link, output])] = None
            else:
                process = _started(sent, theirs)
                children[process.pid] = process
        os.close(theirs)
    for child in children:
        with suppress(OSError):
            os.kill(child, signal.SIGKILL)
    for child in children:
        with suppress(OSError):
            os.waitpid(child, 0)


def _import_ahead() -> None:
    """Import what most workers need, and load what every kernel does, while nobody asks for anything yet."""
    from w2vray.cluster import score_worker  # noqa: F401, PLC0415 - only the other process needs it
    from w2vray.kernels.compiling import why_no_kernels  # noqa: PLC0415

    why_no_kernels()


def _received(link: socket.socket) -> bytes | None:
    """Read what has its length before it, and not a byte more: sockets come with what follows."""
    with suppress(OSError):
        head = link.recv(_LENGTH.size, socket.MSG_WAITALL)
        if len(head) == _LENGTH.size:
            (length,) = _LENGTH.unpack(head)
            data = bytearray()
            while len(data) < length:
                data += (more := link.recv(min(length - len(data), 1 << 20)))
                if not more:
                    return None
            return bytes(data)
    return None


def _made(sent: bytes) -> tuple[Any, W2vrayError | None]:
    """Make the worker; or say why that cannot be."""
    try:
        kind, arguments = pickle.loads(sent)  # noqa: S301 - the process that started this one made it
        return kind(**arguments), None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is raised where somebody sees it
        return None, _told(error)


def _told(error: BaseException) -> W2vrayError:
    """Return an error as another process can have it."""
    if not isinstance(error, W2vrayError):
        return W2vrayError(f"a worker failed: {type(error).__name__}: {error}")
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - it was made here
    except Exception:  # noqa: BLE001 - whatever a class of somebody's own does
        return W2vrayError(str(error))
    return error


def _system_copies() -> bool:
    return sys.platform == "linux"


def _open_files() -> dict[int, Path]:
    """Return what this process has open, by its descriptors."""
    found = {}
    for file in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # that of the folder itself is closed by now
            found[int(file.name)] = file.readlink()
    return found


def _can_be_copied(open_before: Mapping[int, Path]) -> bool:
    """Tell whether this process has one thread, and whether making the worker has left nothing open.

    A lock that another thread holds would be held in a copy for ever, and two that read from one file or connection
    would take what is the other's. Files that are mapped into memory do not count, nor does the thread of Arrow's
    allocator: jemalloc gives up its locks in a copy.
    """
    threads = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
    mapped = {line.split(maxsplit=5)[-1] for line in Path("/proc/self/maps").read_text().splitlines()}
    left_open = [file for each, file in _open_files().items() if open_before.get(each) != file]
    return len(threads) - threads.count(_OF_THE_ALLOCATOR) == 1 and {str(file) for file in left_open} <= mapped


def _forked(worker: Any, theirs: int, ours: list[socket.socket | IO[bytes]]) -> int:
    """Copy this process; return the copy's number. The copy does not come back from here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python counts the allocator's thread
        child = os.fork()
    if child:
        return child
    try:
        for each in ours:  # a copy holds none of them open
            each.close()
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        _work(lambda: worker, theirs)
    finally:
        os._exit(0)


def _started(sent: bytes, theirs: int) -> "subprocess.Popen[bytes]":
    """Start a process that makes a worker by itself."""
    process = subprocess.Popen(  # noqa: S603 - this interpreter, and code of ours
        command(f"from {__name__} import serve_uncopied; serve_uncopied({theirs})"),
        stdin=subprocess.PIPE,
        pass_fds=[theirs],
    )
    assert process.stdin is not None
    with process.stdin, suppress(BrokenPipeError):
        process.stdin.write(sent)
    return process


def serve_uncopied(theirs: int) -> NoReturn:
    """Make a worker, and serve a socket; what this runs in is a process that is no copy."""
    _import_ahead()
    gc.enable()
    sent = sys.stdin.buffer.read()

    def make() -> Any:
        worker, failure = _made(sent)
        if failure is not None:
            raise failure
        return worker

    _work(make, theirs)
    sys.exit()


def _work(make: Callable[[], Any], theirs: int) -> None:
    """Hand a worker each unit that comes over a socket, until its end."""
    worker = None
    with socket.socket(fileno=theirs) as link, link.makefile("rwb") as stream:
        stream.write(READY)
        stream.flush()
        while (unit := _read(stream)) is not None:
            try:
                worker = make() if worker is None else worker
                answer = pickle.dumps((worker(Unit.from_json(unit.decode())), None))
            except (Exception, SystemExit) as error:  # noqa: BLE001 - it is raised where somebody sees it
                answer = pickle.dumps((None, _told(error)))
            _write(stream, answer)


def _remove_dead(children: dict[int, object]) -> None:
    """Let the system forget copies that have died."""
    for child in list(children):
        with suppress(ChildProcessError):
            if os.waitpid(child, os.WNOHANG) == (0, 0):
                continue
        del children[child]
