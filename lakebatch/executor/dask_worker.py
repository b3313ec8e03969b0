"""Work of the worker processes of a Dask cluster."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import polars as pl
from distributed import worker_client
from distributed.diagnostics.plugin import WorkerPlugin
from threadpoolctl import threadpool_limits

from lakebatch._text import RedactingStream
from lakebatch.errors import ClusterError
from lakebatch.executor import worker
from lakebatch.executor.worker import (
    Job,
    LogRecords,
    collect_frames,
    collect_records,
    open_streams,
    run_part,
    take_records,
)
from lakebatch.experiment import origin, provenance, registry
from lakebatch.experiment.config import from_record
from lakebatch.experiment.contract import Part
from lakebatch.experiment.guest import thread_variables
from lakebatch.experiment.registry import Source

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
TRIM_BYTES, MMAP_BYTES = 128 << 20, 32 << 20
# One computation at a time in a process, because thread limits and caught warnings are global in a process.
_computing = threading.Lock()


@dataclass(frozen=True)
class Preparation:
    """Preparation that all parts share, or the error that prevented it."""

    shared: Any = None
    error: str | None = None
    trace: str | None = None


@dataclass(frozen=True)
class ComputedPiece:
    """Frames of one piece by table name, or an error; ``killed`` if its workers died.

    ``versions`` are those of the worker that rows depend on, see `lakebatch.experiment.provenance.row_versions`.
    """

    frames: Mapping[str, Sequence[pl.DataFrame]] = field(default_factory=dict)
    error: str | None = None
    trace: str | None = None
    seconds: float = 0.0
    killed: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)
    records: LogRecords = ()


class ExperimentLoader(WorkerPlugin):
    """Loads the experiment in each worker, also in later ones, before its classes have to be unpickled."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def setup(self, worker: Any) -> None:
        """Load the experiment, and redact its output."""
        if not isinstance(sys.stdout, RedactingStream):
            open_streams()
            if worker.nanny is not None:  # else it can be a thread of the client's process, which has the log
                collect_records()
        _keep_memory()
        registry.load(self.source)


def environment(source: Source, version: str) -> dict[str, Any]:
    """Return the environment of this process, see `lakebatch.experiment.provenance`.

    Raises
    ------
    ClusterError
        If the source has changed since this process loaded it.
    """
    registry.load(source)
    if registry.is_stale(source):
        raise ClusterError("its code has changed since the worker loaded it; restart the workers")
    return origin.environment(source)


def prepare(job: Job) -> Preparation:
    """Compute the preparation that all parts share; the experiment may spread it over other workers."""
    try:
        experiment = job.load()
        with _computing, thread_variables(), threadpool_limits(limits=1):
            config = from_record(experiment.config_model, job.config)
            return Preparation(worker.prepare(experiment, config, job.seed, _spread))
    except (Exception, SystemExit) as error:  # noqa: BLE001
        return Preparation(error=_error_text(error), trace=traceback.format_exc())


def compute(job: Job, piece: Part, prepared: Preparation) -> ComputedPiece:
    """Compute one piece of a part; an exception of the experiment fails the part."""
    if prepared.error is not None:
        return ComputedPiece(error=prepared.error, trace=prepared.trace)
    with _computing, thread_variables(), threadpool_limits(limits=1):
        began = time.perf_counter()
        try:
            experiment = job.load()
            config = from_record(experiment.config_model, job.config)
            frames = collect_frames(run_part(experiment, piece, prepared.shared, config, job.seed))
        except (Exception, SystemExit) as error:  # noqa: BLE001
            seconds = time.perf_counter() - began
            return ComputedPiece(
                error=_error_text(error),
                trace=traceback.format_exc(),
                seconds=seconds,
                records=take_records(),
            )
        seconds, versions = time.perf_counter() - began, _versions(job.source)
        return ComputedPiece(frames, seconds=seconds, versions=versions, records=take_records())


@cache
def _versions(source: Source) -> dict[str, str]:
    return provenance.row_versions(origin.environment(source))


def _spread(function: Callable[[Any], Any], values: Sequence[Any]) -> Sequence[Any]:
    """Return the results of a function for each value, computed by all workers; this task does nothing else meanwhile."""
    _computing.release()
    try:
        with worker_client() as client:
            return list(client.gather([client.submit(_apply, function, each, pure=False) for each in values]))
    finally:
        _computing.acquire()


def _apply(function: Callable[[Any], Any], value: Any) -> Any:
    with _computing, thread_variables(), threadpool_limits(limits=1):
        return function(value)


def _error_text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _keep_memory() -> None:
    """Keep freed memory for the next step of a fit; by Dask's default workers return it, which costs a fifth of the time."""
    # with another C library than GNU's Dask changes nothing either
    with suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        library.mallopt(M_TRIM_THRESHOLD, TRIM_BYTES)
        library.mallopt(M_MMAP_THRESHOLD, MMAP_BYTES)
