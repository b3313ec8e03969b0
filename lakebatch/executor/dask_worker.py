"""What happens in the worker processes of a cluster."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from distributed import worker_client
from distributed.diagnostics.plugin import WorkerPlugin
from threadpoolctl import threadpool_limits

from lakebatch._text import RedactingStream
from lakebatch.assembly.seeds import PREPARATION, stream_generator
from lakebatch.errors import ClusterError
from lakebatch.executor.worker import Job, gathered, run_part
from lakebatch.experiment import provenance, registry
from lakebatch.experiment.config import from_record
from lakebatch.experiment.contract import Part
from lakebatch.experiment.registry import Source

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES, LARGEST_KEPT = 128 << 20, 32 << 20
_alone = threading.Lock()
"""One computation at a time in a process: limits of threads and caught warnings are the process's own."""


@dataclass(frozen=True)
class Prepared:
    """What all parts share, or why there is none."""

    shared: Any = None
    error: str | None = None
    trace: str | None = None


@dataclass(frozen=True)
class Computed:
    """The frames of one piece by table name, or why there are none; ``killed`` if its workers died."""

    frames: Mapping[str, Sequence[pl.DataFrame]] = field(default_factory=dict)
    error: str | None = None
    trace: str | None = None
    seconds: float = 0.0
    killed: bool = False


class Loader(WorkerPlugin):
    """Has each worker, also one that comes later, know the experiment's classes before it is sent any of them."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def setup(self, worker: Any) -> None:
        """Load the experiment, and keep secrets out of what it prints."""
        if not isinstance(sys.stdout, RedactingStream):
            sys.stdout, sys.stderr = RedactingStream(sys.stdout), RedactingStream(sys.stderr)
        _keep_memory()
        registry.load(self.source)


def environment(source: Source, version: str) -> dict[str, Any]:
    """Return what results depend on in this process, as `lakebatch.experiment.provenance` does.

    Raises
    ------
    ClusterError
        If this process has loaded code that has changed since.
    """
    experiment = registry.load(source)
    if registry.is_stale(source):
        raise ClusterError("its code has changed since the worker loaded it; start the workers anew")
    return provenance.environment(registry.source_file(experiment), version)


def prepare(job: Job) -> Prepared:
    """Compute what all parts share, with the help of other workers where the experiment asks for it."""
    try:
        experiment = job.load()
        with _alone, threadpool_limits(limits=1):
            config = from_record(experiment.config_model, job.config)
            return Prepared(
                experiment.prepare_spread(config, stream_generator(job.seed, PREPARATION), _spread)
            )
    except Exception as error:  # noqa: BLE001
        return Prepared(error=_reason(error), trace=traceback.format_exc())


def compute(job: Job, piece: Part, prepared: Prepared) -> Computed:
    """Compute one piece of a part; whatever goes wrong in the experiment is the part's failure."""
    if prepared.error is not None:
        return Computed(error=prepared.error, trace=prepared.trace)
    with _alone, threadpool_limits(limits=1):
        began = time.perf_counter()
        try:
            experiment = job.load()
            config = from_record(experiment.config_model, job.config)
            frames = gathered(run_part(experiment, piece, prepared.shared, config, job.seed))
        except Exception as error:  # noqa: BLE001
            seconds = time.perf_counter() - began
            return Computed(error=_reason(error), trace=traceback.format_exc(), seconds=seconds)
        return Computed(frames, seconds=time.perf_counter() - began)


def _spread(function: Callable[[Any], Any], values: Sequence[Any]) -> Sequence[Any]:
    """Have other workers, and this one, call a function with each value; nothing else is computed here meanwhile."""
    _alone.release()
    try:
        with worker_client() as client:
            return list(client.gather([client.submit(_apply, function, each, pure=False) for each in values]))
    finally:
        _alone.acquire()


def _apply(function: Callable[[Any], Any], value: Any) -> Any:
    with _alone, threadpool_limits(limits=1):
        return function(value)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _keep_memory() -> None:
    """Have freed memory kept for the next step of a fit; Dask has workers hand it back, which takes a fifth of the time."""
    # where the C library is another than GNU's, Dask changes nothing either
    with suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        library.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
