"""Compiled functions, and where their machine code is kept between processes.

numba's own cache is found by the path of the source file, and code that a job ships lies in another folder each time.
Here it lies in a folder of this node and this user that is named by the kernels' source, so that every worker of a
node but the first one loads what that one compiled. Machine code is read back as a pickle: the folder is used only if
it belongs to this user and nobody else may write to it. numba keys it by processor, Python and its own version too.
"""

import fcntl
import hashlib
import os
import re
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

try:
    import llvmlite.binding
    import numba
    import numba.extending
    from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
    from numba.core.compiler_lock import global_compiler_lock
except (ImportError, OSError) as error:  # OSError: llvmlite without its library
    numba = None
    _WHY_NOT = f"numba cannot be imported ({error})"
    CompileResultCacheImpl = FunctionCache = _CacheLocator = object

__all__ = [
    "CACHE_VARIABLE",
    "PATIENCE_SECONDS",
    "arithmetic",
    "cache_folder",
    "compiler",
    "inlined",
    "intrinsic",
    "kernel",
    "kernel_sources",
    "lanes",
    "processor",
    "read_only",
    "unordered",
    "why_no_kernels",
]

CACHE_VARIABLE = "W2VRAY_KERNEL_CACHE"
"""Environment variable: folder for machine code, in place of one below the system's temporary folder."""

PATIENCE_SECONDS = 60.0
"""So long a process waits for another one to compile, before it compiles by itself."""

_LOOK_SECONDS = 0.05

_PACKAGE = Path(__file__).parents[1]
_COMPILED = re.compile(rb"^@(kernel|inlined|arithmetic|unordered|intrinsic)\b", re.MULTILINE)

F = TypeVar("F", bound=Callable[..., Any])


class _Turn:
    """The turn to compile: one process of a node has it at a time, so that the others find what it has made.

    What has been compiled is loaded without it. A process that was stopped in its turn is waited for once, and no
    longer than ``PATIENCE_SECONDS``; machine code is written whole or not at all, so that two may compile the same.
    numba's global lock is held by whoever calls this.
    """

    def __init__(self) -> None:
        self._lock: int | None = None
        self._patient = True

    def take(self) -> None:
        """Wait for it."""
        folder = cache_folder()
        if self._lock is not None or folder is None or not self._patient:
            return
        with suppress(OSError):  # a filesystem without locks
            lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            until = time.monotonic() + PATIENCE_SECONDS
            while not _locked(lock):
                if time.monotonic() > until:
                    self._patient = False
                    os.close(lock)
                    return
                time.sleep(_LOOK_SECONDS)
            self._lock = lock

    def ended_by(self, compiled: Callable[..., Any]) -> Callable[..., Any]:
        """Let the next process have it when this has ended, well or not, and all that had it called."""

        def in_turn(*arguments: Any) -> Any:
            with global_compiler_lock:  # numba takes it too, and other threads wait here
                others = self._lock is not None  # a kernel that calls another has that compiled too
                try:
                    return compiled(*arguments)
                finally:
                    if self._lock is not None and not others:
                        os.close(self._lock)
                        self._lock = None

        return in_turn


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


_turn = _Turn()


def kernel(function: F) -> F:
    """Compile a function when it is first called, or load it; it runs without Python's global lock."""
    if numba is None or numba.config.DISABLE_JIT:
        return function
    dispatcher: Any = numba.njit(nogil=True)(function)
    compile_in_turn = _turn.ended_by(dispatcher.compile)

    def compile_or_load(*arguments: Any) -> Any:
        """Look for a folder only now: who imports a kernel need not use it."""
        if not isinstance(dispatcher._cache, _KernelCache) and cache_folder() is not None:
            dispatcher._cache = _KernelCache(function)
        return compile_in_turn(*arguments)

    dispatcher.compile = compile_or_load
    return dispatcher


def inlined(function: F) -> F:
    """Let kernels call a function; it is compiled into them."""
    if numba is None:
        return function
    return numba.njit(nogil=True, inline="never")(function)


def arithmetic(function: F) -> F:
    """Let kernels call a function of floats only, whose loops are compiled to vector instructions.

    A division by zero gives infinity: numba's check for it, as Python has, keeps a loop from being one of vectors. A
    product and the sum it goes into may be rounded once.
    """
    if numba is None:
        return function
    return numba.njit(nogil=True, inline="never", error_model="numpy", fastmath={"contract"})(function)


def unordered(function: F) -> F:
    """Do what ``arithmetic`` does, with sums added up in whatever order is the fastest."""
    if numba is None:
        return function
    return numba.njit(nogil=True, inline="never", error_model="numpy", fastmath={"contract", "reassoc"})(function)


def intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let kernels call what a function writes in LLVM's own language."""
    return function if numba is None else numba.extending.intrinsic(function)


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """View an array as a kernel takes its inputs: a kernel is compiled for each kind, and this makes them one."""
    view = np.ascontiguousarray(array).view(np.ndarray)
    view = view[...]
    view.flags.writeable = False
    return view


@cache
def why_no_kernels() -> str:
    """Return why kernels cannot be compiled here; empty where they can."""
    if numba is None:
        return _WHY_NOT
    if numba.config.DISABLE_JIT:
        return "NUMBA_DISABLE_JIT tells numba not to compile"
    try:
        compiled = _one()
    except Exception as error:  # noqa: BLE001 - whatever stops a compiler on some machine: the plain models do the work
        return f"numba cannot compile here ({type(error).__name__}: {error})"
    return "" if compiled == 1 else f"numba computes {compiled} for 1"


def compiler() -> str:
    """Return what kernels are compiled with here."""
    return "none" if why_no_kernels() else f"numba {numba.__version__}"


def processor() -> str:
    """Return what LLVM calls the processor that kernels are compiled for here."""
    return str(llvmlite.binding.get_host_cpu_name())


@cache
def lanes() -> int:
    """Return how many float32 a vector instruction of this processor takes: 16 with AVX-512, otherwise 8."""
    return 16 if numba is not None and llvmlite.binding.get_host_cpu_features().get("avx512f") else 8


@cache
def cache_folder() -> Path | None:
    """Return the folder for machine code, made if it was not there; None where no folder is safe to use."""
    named = os.environ.get(CACHE_VARIABLE)
    parent = Path(named) if named else Path(tempfile.gettempdir()) / f"w2vray-kernels-{os.getuid()}"
    for folder in (parent, parent / _sources_hash()):
        try:
            folder.mkdir(mode=0o700, parents=folder is parent and bool(named), exist_ok=True)
            status = folder.lstat()
        except OSError:
            return None
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
            return None
    return folder if os.access(folder, os.W_OK) else None


@cache
def kernel_sources() -> tuple[Path, ...]:
    """Return every source file that machine code may be made from: all those in a folder where something is compiled.

    A kernel takes constants and functions from the files beside it, so one changed file renews its whole folder.
    """
    every = sorted(_PACKAGE.rglob("*.py"))
    folders = {source.parent for source in every if _COMPILED.search(source.read_bytes())}
    return tuple(source for source in every if source.parent in folders)


@cache
def _sources_hash() -> str:
    digest = hashlib.sha256()
    for source in kernel_sources():
        digest.update(source.relative_to(_PACKAGE).as_posix().encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


class _NodeLocator(_CacheLocator):  # type: ignore[misc]
    """Tells numba where a function's machine code lies; the folder's name says which sources it was made of."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._py_file = function.__code__.co_filename  # numba names it in a warning

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return _sources_hash()

    def get_disambiguator(self) -> str:
        return f"{self._function.__code__.co_firstlineno}"

    @classmethod
    def from_function(cls, function: Callable[..., Any], _: str) -> Self:
        return cls(function)


class _KernelCacheImpl(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_NodeLocator,)


class _KernelCache(FunctionCache):  # type: ignore[misc]
    """Machine code of a kernel."""

    _impl_class = _KernelCacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        loaded = self._loaded(sig, target_context)
        if loaded is None:
            _turn.take()
            loaded = self._loaded(sig, target_context)  # another process may have made it meanwhile
        return loaded

    def _loaded(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # noqa: BLE001 - whatever a damaged pickle raises: it is made anew
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):  # the disk is full: it is used all the same
            super().save_overload(sig, data)


@kernel
def _one() -> int:
    return 1
