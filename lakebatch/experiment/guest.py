"""Calls of code of other authors, such as estimators, without lasting effects on this process."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

from threadpoolctl import ThreadpoolController

THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)  # fmt: skip
"""Environment variables that libraries read when they are loaded."""
DESCRIPTORS = (1, 2)
MAX_BYTES = 2000
"""Number of bytes that are kept of the beginning, and of the end, of an output."""
FORKED = 70
"""Exit code of a process that the code has forked, and that came back from it."""


@dataclass
class Output:
    """Lines on standard output and error, complete once the block is left."""

    text: str = ""


@contextmanager
def contained(*, variables: bool = True) -> Iterator[Output]:
    """Run code of other authors in a block, on one thread, and collect what it prints.

    Libraries have one thread, also those that are loaded within the block. Lines of this thread are collected instead of
    printed; so are those of compiled code, unless the streams of Python write to the same descriptors. Environment
    variables and the working directory are put back. A process that the code forks ends with the block.

    Parameters
    ----------
    variables : bool
        Whether environment variables are put back; a module that is imported may set some for good.

    Examples
    --------
    >>> with contained() as output:
    ...     print("iteration 1")
    >>> output.text
    'iteration 1'
    """
    output, process = Output(), os.getpid()
    with _surroundings_kept(variables), thread_variables(), _collected(output), one_thread():
        try:
            yield output
        finally:
            if os.getpid() != process:
                os._exit(FORKED)


class _Pools:
    """The thread pools of the loaded libraries, and the count of loads when they were looked for."""

    controller: ThreadpoolController | None = None
    loads = 0


class _Library(ctypes.Structure):
    """What the loader of ELF systems says of a library (``struct dl_phdr_info``); ``loads`` counts those of the process."""

    _fields_ = (
        ("address", ctypes.c_void_p), ("name", ctypes.c_char_p), ("headers", ctypes.c_void_p), ("count", ctypes.c_uint16),
        ("loads", ctypes.c_ulonglong),
    )  # fmt: skip


NOTE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Library), ctypes.c_size_t, ctypes.c_void_p)


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit the libraries that are loaded to one thread: the order of a sum must not depend on the machine."""
    loads = _loads()
    if _Pools.controller is None or _Pools.loads != loads:
        _Pools.controller, _Pools.loads = ThreadpoolController(), loads
    with _Pools.controller.limit(limits=1):
        yield


def _loads() -> int:
    """Return a number that rises with every library that is loaded; looking for thread pools takes milliseconds."""
    found: list[int] = []

    def note(library: Any, size: int, data: Any) -> int:
        found.append(library.contents.loads)
        return 1  # the first library is enough

    try:
        ctypes.CDLL(None).dl_iterate_phdr(NOTE(note), None)
    except AttributeError:  # another system: most libraries come with a module
        return len(sys.modules)
    return found[0]


@contextmanager
def thread_variables() -> Iterator[None]:
    """Set the environment variables for one thread, and put them back.

    A thread of compiled code that reads the environment meanwhile can end the process. So this does nothing within
    another such block: one around a whole run changes them once, and not for each call in it.
    """
    before = {name: value for name in THREADS if (value := os.environ.get(name)) is not None}
    _set_variables(dict(os.environ) | dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        others = {name: value for name, value in os.environ.items() if name not in THREADS}
        _set_variables(others | before)


@contextmanager
def _surroundings_kept(variables: bool) -> Iterator[None]:
    """Put back the working directory and the environment variables."""
    before, folder = dict(os.environ), _folder()
    try:
        yield
    finally:
        if variables:
            _set_variables(before)
        if folder is not None and _folder() != folder:
            os.chdir(folder)


def _folder() -> str | None:
    with suppress(OSError):  # it has been removed
        return os.getcwd()
    return None


def _set_variables(variables: Mapping[str, str]) -> None:
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ.update({name: value for name, value in variables.items() if os.environ.get(name) != value})


@contextmanager
def _collected(output: Output) -> Iterator[None]:
    """Collect the lines that are printed."""
    before = sys.stdout, sys.stderr
    with tempfile.TemporaryFile(buffering=0) as file:
        sys.stdout, sys.stderr = (_Diverted(stream, file) for stream in before)
        try:
            with _descriptors_diverted(file, DESCRIPTORS if _are_free(before) else ()):
                yield
        finally:
            sys.stdout, sys.stderr = before
            output.text = _text(file)


class _Diverted:
    """A text stream that collects what this thread writes; other threads write to the stream below."""

    def __init__(self, below: Any, file: IO[bytes]) -> None:
        self._below = below
        self._file = file
        self._thread = threading.get_ident()

    def __getattr__(self, name: str) -> Any:
        if name == "buffer" and self._is_own():
            return self._file
        return getattr(self._below, name)

    def _is_own(self) -> bool:
        return threading.get_ident() == self._thread

    def write(self, text: str) -> int:
        """Write a text."""
        if self._is_own():
            self._file.write(text.encode("utf-8", "backslashreplace"))
        else:
            self._below.write(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write some texts."""
        self.write("".join(lines))

    def isatty(self) -> bool:
        """Return False: nobody looks at a file."""
        return not self._is_own() and self._below.isatty()


def _are_free(streams: tuple[Any, ...]) -> bool:
    """Whether no stream of Python writes to the descriptors, so that all that arrives there is from other code."""
    for stream in streams:
        with suppress(AttributeError, OSError, ValueError):
            if stream.fileno() in DESCRIPTORS:
                return False
    return True


@contextmanager
def _descriptors_diverted(file: IO[bytes], numbers: tuple[int, ...]) -> Iterator[None]:
    """Collect what compiled code and child processes write."""
    kept: list[tuple[int, int]] = []
    _flush()
    try:
        for number in numbers:
            with suppress(OSError):  # it is closed
                kept.append((number, os.dup(number)))
                os.dup2(file.fileno(), number)
        yield
    finally:
        _flush()
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)


def _flush() -> None:
    """Write what the C library holds back; it would appear after the block."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).fflush(None)


def _text(file: IO[bytes]) -> str:
    """Return the beginning and the end of a file."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size <= 2 * MAX_BYTES:
        return _decoded(file.read())
    first = file.read(MAX_BYTES)
    file.seek(size - MAX_BYTES)
    return f"{_decoded(first)}\n... {size - 2 * MAX_BYTES} bytes are left out ...\n{_decoded(file.read())}"


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "replace").strip()
