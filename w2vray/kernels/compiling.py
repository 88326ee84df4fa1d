"""Compiled functions, and where their machine code is kept between processes.

numba is imported when the first of them is called, and not before: it takes a quarter of a second, and most processes
call none. ``machine_code.py`` is what knows it.

numba's own cache is found by the path of the source file, and code that a job ships lies in another folder each time.
Here it lies in a folder of this node and this user that is named by the kernels' source, so that every worker of a
node but the first one loads what that one compiled. Machine code is read back as a pickle: the folder is used only if
it belongs to this user and nobody else may write to it. numba keys it by processor, Python and its own version too.
"""

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Callable, Mapping
from functools import cache, cached_property, update_wrapper
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

try:
    import llvmlite.binding as llvm
except (ImportError, OSError):  # OSError: without its library
    llvm = None

__all__ = [
    "CACHE_VARIABLE",
    "Compiled",
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
    "sources_hash",
    "unordered",
    "why_no_kernels",
]

CACHE_VARIABLE = "W2VRAY_KERNEL_CACHE"
"""Environment variable: folder for machine code, in place of one below the system's temporary folder."""

_PACKAGE = Path(__file__).parents[1]
_COMPILED = re.compile(rb"^@(kernel|inlined|arithmetic|unordered|intrinsic)\b", re.MULTILINE)


F = TypeVar("F", bound=Callable[..., Any])


class Compiled:
    """A function that is compiled, or loaded, when it is first called, or another one that calls it is."""

    def __init__(self, function: Callable[..., Any], how: str, options: Mapping[str, Any] | None = None) -> None:
        update_wrapper(self, function)
        self._function = function
        self._how, self._options = how, options or {}

    @cached_property
    def ready(self) -> Callable[..., Any]:
        """What numba has made of it; the function itself where there is no numba."""
        if _numba() is None:
            return self._function
        make = getattr(import_module("w2vray.kernels.machine_code"), self._how)
        return cast("Callable[..., Any]", make(self._function, **self._options))

    def __call__(self, *arguments: Any) -> Any:
        """Call it."""
        return self.ready(*arguments)


@cache
def _numba() -> Any:
    """Return numba; None where it cannot be imported."""
    try:
        return import_module("numba")
    except (ImportError, OSError):  # OSError: llvmlite without its library
        return None


def kernel(function: F) -> F:
    """Compile a function; it runs without Python's global lock, and its machine code is kept."""
    return cast("F", Compiled(function, "kernel"))


def inlined(function: F) -> F:
    """Let kernels call a function; it is compiled into them."""
    return cast("F", Compiled(function, "part"))


def arithmetic(function: F) -> F:
    """Let kernels call a function of floats only, whose loops are compiled to vector instructions.

    A division by zero gives infinity: numba's check for it, as Python has, keeps a loop from being one of vectors. A
    product and the sum it goes into may be rounded once.
    """
    return cast("F", Compiled(function, "part", {"error_model": "numpy", "fastmath": {"contract"}}))


def unordered(function: F) -> F:
    """Do what ``arithmetic`` does, with sums added up in whatever order is the fastest."""
    options = {"error_model": "numpy", "fastmath": {"contract", "reassoc"}}
    return cast("F", Compiled(function, "part", options))


def intrinsic(function: Callable[..., Any]) -> Any:
    """Let kernels call what a function writes in LLVM's own language."""
    return Compiled(function, "intrinsic")


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """View an array as a kernel takes its inputs: a kernel is compiled for each kind, and this makes them one."""
    view = np.ascontiguousarray(array).view(np.ndarray)
    view = view[...]
    view.flags.writeable = False
    return view


@cache
def why_no_kernels() -> str:
    """Return why kernels cannot be compiled here; empty where they can."""
    try:
        import numba  # noqa: PLC0415 - the module says why
    except (ImportError, OSError) as error:
        return f"numba cannot be imported ({error})"
    if numba.config.DISABLE_JIT:
        return "NUMBA_DISABLE_JIT tells numba not to compile"
    try:
        compiled = _one()
    except Exception as error:  # noqa: BLE001 - whatever stops a compiler on some machine: the plain models do the work
        return f"numba cannot compile here ({type(error).__name__}: {error})"
    return "" if compiled == 1 else f"numba computes {compiled} for 1"


def compiler() -> str:
    """Return what kernels are compiled with here."""
    return "none" if why_no_kernels() else f"numba {_numba().__version__}"


def processor() -> str:
    """Return what LLVM calls the processor that kernels are compiled for here."""
    return str(llvm.get_host_cpu_name())


@cache
def lanes() -> int:
    """Return how many float32 a vector instruction of this processor takes: 16 with AVX-512, otherwise 8."""
    return 16 if llvm is not None and llvm.get_host_cpu_features().get("avx512f") else 8


@cache
def cache_folder() -> Path | None:
    """Return the folder for machine code, made if it was not there; None where no folder is safe to use."""
    named = os.environ.get(CACHE_VARIABLE)
    parent = Path(named) if named else Path(tempfile.gettempdir()) / f"w2vray-kernels-{os.getuid()}"
    for folder in (parent, parent / sources_hash()):
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
def sources_hash() -> str:
    """Return one word for all of them."""
    digest = hashlib.sha256()
    for source in kernel_sources():
        digest.update(source.relative_to(_PACKAGE).as_posix().encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


@kernel
def _one() -> int:
    return 1
