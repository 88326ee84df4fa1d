"""What numba makes of the functions of ``compiling.py``, and where it keeps their machine code."""

import fcntl
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

import numba
import numba.extending
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from w2vray.kernels.compiling import Compiled, cache_folder, sources_hash

__all__ = ["PATIENCE_SECONDS", "intrinsic", "kernel", "part"]

PATIENCE_SECONDS = 60.0
"""So long a process waits for another one to compile, before it compiles by itself."""

_LOOK_SECONDS = 0.05


@numba.extending.typeof_impl.register(Compiled)  # type: ignore[untyped-decorator]
def _(value: Compiled, _: Any) -> Any:
    """Let a kernel call another one, which nobody need have called before."""
    ready = value.ready
    cpu_target.typing_context.refresh()  # of an intrinsic that was made just now
    cpu_target.target_context.refresh()
    return cpu_target.typing_context.resolve_value_type(ready)


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


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called, or load it."""
    if numba.config.DISABLE_JIT:
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


def part(function: Callable[..., Any], **options: Any) -> Any:
    """Let kernels call a function; it is compiled into them."""
    return numba.njit(nogil=True, inline="never", **options)(function)


def intrinsic(function: Callable[..., Any]) -> Any:
    """Let kernels call what a function writes in LLVM's own language."""
    return numba.extending.intrinsic(function)


class _NodeLocator(_CacheLocator):  # type: ignore[misc]
    """Tells numba where a function's machine code lies; the folder's name says which sources it was made of."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._py_file = function.__code__.co_filename  # numba names it in a warning

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return sources_hash()

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
