"""Compiled functions, and where their machine code is kept between processes.

numba's own cache is found by the path of the source file, and code that a job ships lies in another folder each time.
Here it lies in a folder of this node and this user that is named by the kernels' source, so that every worker of a
node but the first one loads what that one compiled. Machine code is read back as a pickle: the folder is used only if
it belongs to this user and nobody else may write to it. numba keys it by processor, Python and its own version too.
"""

import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

try:
    import llvmlite.binding
    import numba
    from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
except (ImportError, OSError) as error:  # OSError: llvmlite without its library
    numba = None
    _WHY_NOT = f"numba cannot be imported ({error})"
    CompileResultCacheImpl = FunctionCache = _CacheLocator = object

__all__ = [
    "CACHE_VARIABLE",
    "cache_folder",
    "compiler",
    "compiling_once",
    "inlined",
    "kernel",
    "processor",
    "read_only",
    "usable",
]

CACHE_VARIABLE = "W2VRAY_KERNEL_CACHE"
"""Environment variable: folder for machine code, in place of one below the system's temporary folder."""

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile a function when it is first called, or load it; it runs without Python's global lock."""
    if numba is None:
        return function
    dispatcher: Any = numba.njit(nogil=True)(function)
    if cache_folder() is not None:
        dispatcher._cache = _KernelCache(function)
    return dispatcher


def inlined(function: F) -> F:
    """Let kernels call a function; it is compiled into them."""
    if numba is None:
        return function
    return numba.njit(nogil=True, inline="never")(function)


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """View an array as a kernel takes its inputs: a kernel is compiled for each kind, and this makes them one."""
    view = np.ascontiguousarray(array).view(np.ndarray)
    view = view[...]
    view.flags.writeable = False
    return view


@cache
def usable() -> str:
    """Return nothing where kernels can be compiled here, otherwise why not."""
    if numba is None:
        return _WHY_NOT
    try:
        compiled = _one()
    except Exception as error:  # noqa: BLE001 - whatever stops a compiler on some machine: the plain models do the work
        return f"numba cannot compile here ({type(error).__name__}: {error})"
    return "" if compiled == 1 else f"numba computes {compiled} for 1"


def compiler() -> str:
    """Return what kernels are compiled with here."""
    return "none" if usable() else f"numba {numba.__version__}"


def processor() -> str:
    """Return what LLVM calls the processor that kernels are compiled for here."""
    return str(llvmlite.binding.get_host_cpu_name())


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


def _sources_hash() -> str:
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def compiling_once() -> Iterator[None]:
    """Let one process of this node compile at a time, so that the others find what it has made."""
    folder = cache_folder()
    if folder is None:
        yield
        return
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
    _impl_class = _KernelCacheImpl


@kernel
def _one() -> int:
    return 1
