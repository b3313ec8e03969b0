"""Work of a worker process: the preparation, once, then parts."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from lakebatch._text import RedactingStream, escape_controls, learn, one_line, redact
from lakebatch.artifacts import ARTIFACTS
from lakebatch.assembly import artifact_rows
from lakebatch.assembly.log_capture import of_part
from lakebatch.assembly.seeds import PREPARATION, stream_generator
from lakebatch.assembly.spool import PartSpool, SpooledRows
from lakebatch.errors import ExperimentError
from lakebatch.executor.progress import Counters, PhaseFile
from lakebatch.experiment import registry
from lakebatch.experiment.config import from_record
from lakebatch.experiment.contract import Part, Rows, Spread
from lakebatch.experiment.phases import report_phase, reported_to
from lakebatch.experiment.registry import AnyExperiment, Source
from lakebatch.storage.delta.schema import TableSchema

PARENT_CHECK_SECONDS = 1.0
PACKAGE = "lakebatch"
LogRecords: TypeAlias = tuple[tuple[str, int, str], ...]
"""Records of a worker process for the log of its parent: the name of the logger, the level, the message."""


@dataclass(frozen=True)
class Job:
    """Input of a worker for any part of one assembly.

    Attributes
    ----------
    schemas : tuple of TableSchema
        The tables that parts write; the last one marks a part as done.
    source_hash : str, optional
        That of the code that began the assembly.
    """

    assembly_id: str
    source: Source
    config: Mapping[str, Any]
    seed: int
    scratch: Path
    schemas: tuple[TableSchema, ...]
    source_hash: str | None = None

    def load(self) -> AnyExperiment:
        """Return the experiment, unchanged since the run began.

        Raises
        ------
        ExperimentError
            If its source has changed, so that other code would compute this part than the others.
        """
        experiment = registry.load(self.source)
        if self.source_hash not in (None, registry.loaded_hash(self.source)):
            raise ExperimentError(
                f"{self.source.origin} or a file in a folder beside it has changed since the run began. "
                "Put it back and resume, or start a new run."
            )
        return experiment

    @property
    def marker(self) -> str:
        """The name of the table in which each part has rows."""
        return self.schemas[-1].table

    def spool(self, part: Part, index: int) -> PartSpool:
        """Return the files for the rows of a part until their commit."""
        return PartSpool(self.scratch / f"part{index}", self.schemas, self.assembly_id, part.key)


@dataclass(frozen=True)
class Outcome:
    """Outcome of one part: its rows by table name, or an error.

    Error and traceback quote the experiment, so secrets and control characters are removed from them. ``version`` is
    the table version that holds the rows, once they are committed.
    """

    part: Part
    tables: Mapping[str, SpooledRows] = field(default_factory=dict)
    error: str | None = None
    trace: str | None = None
    seconds: float = 0.0
    version: int | None = None
    records: LogRecords = ()

    def __post_init__(self) -> None:
        if self.error is not None:
            object.__setattr__(self, "error", one_line(redact(self.error)))
        if self.trace is not None:
            object.__setattr__(self, "trace", escape_controls(redact(self.trace)))


@dataclass(frozen=True)
class _Preparation:
    experiment: AnyExperiment
    config: Any
    shared: Any


_preparations: dict[str, _Preparation] = {}
# the preparation by assembly id; only that of the current assembly is kept


def compute(job: Job, part: Part, index: int) -> Outcome:
    """Compute one part; an exception of the experiment, or its end of the program, fails the part, not the run."""
    began = time.perf_counter()
    phase = PhaseFile(job.scratch)
    try:
        # one thread: parts fill the cores, and the order of a sum must not depend on their number
        with threadpool_limits(limits=1), of_part(part.key), reported_to(phase.write):
            tables = _tables(job, part, index)
    except (Exception, SystemExit) as error:  # noqa: BLE001
        reason = f"{type(error).__name__}: {error}"
        return Outcome(part, error=reason, trace=traceback.format_exc(), seconds=time.perf_counter() - began)
    return Outcome(part, tables, seconds=time.perf_counter() - began)


def compute_and_log(job: Job, part: Part, index: int) -> Outcome:
    """Compute one part in a worker process, and return the log records with the outcome."""
    outcome = compute(job, part, index)
    return replace(outcome, records=take_records())


class _Collector(logging.Handler):
    """Collects the log records of a worker process, whose parent has the log file."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[tuple[str, int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append((record.name, record.levelno, record.getMessage()))


_collector = _Collector()


def collect_records() -> None:
    """Collect the log records of this process from now on."""
    logger = logging.getLogger(PACKAGE)
    logger.addHandler(_collector)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False


def take_records() -> LogRecords:
    """Return the log records since the last call; none if they are not collected in this process."""
    taken, _collector.records = tuple(_collector.records), []
    return taken


def log_again(records: LogRecords, part: Part) -> None:
    """Log the records that a worker process made while it computed a part."""
    with of_part(part.key):
        for name, level, message in records:
            logging.getLogger(name).log(level, "%s", message)


def initialize(parent: int, secrets: Sequence[tuple[str, str]]) -> None:
    """Ignore Ctrl-C, end with the parent, withhold the parent's secrets, and collect log records."""
    for name, value in secrets:
        learn(name, value)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    open_streams()
    collect_records()
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()


def open_streams() -> None:
    """Write what an experiment prints and warns straight to the parent's terminal, redacted.

    The streams get descriptors of their own, so that what estimators write to 1 and 2 can be told apart.
    """
    sys.stdout, sys.stderr = (RedactingStream(_on_own_descriptor(each)) for each in (sys.stdout, sys.stderr))


def _on_own_descriptor(stream: Any) -> Any:
    try:
        return open(os.dup(stream.fileno()), "w", 1, stream.encoding, stream.errors)
    except (AttributeError, OSError, ValueError):  # closed, or no file
        return stream


def forget() -> None:
    """Drop the preparation of this process."""
    _preparations.clear()


def _tables(job: Job, part: Part, index: int) -> dict[str, SpooledRows]:
    prepared = _prepare(job)
    report_phase(f"computing {part.key}")
    found = run_part(prepared.experiment, part, prepared.shared, prepared.config, job.seed)
    with job.spool(part, index) as spool, Counters.open(job.scratch) as counters:
        for frames in found:
            spool.write(frames)
            if job.marker in frames:
                counters.add(index, frames[job.marker].height)
        return spool.finish()


def _prepare(job: Job) -> _Preparation:
    if job.assembly_id not in _preparations:
        forget()
        report_phase("loading the experiment")
        experiment = job.load()
        config = from_record(experiment.config_model, job.config)
        report_phase("preparing")
        shared = prepare(experiment, config, job.seed)
        _preparations[job.assembly_id] = _Preparation(experiment, config, shared)
    return _preparations[job.assembly_id]


def prepare(experiment: AnyExperiment, config: Any, seed: int, spread: Spread | None = None) -> Any:
    """Return the data that all parts share, computed here or spread over a cluster."""
    generator = stream_generator(seed, PREPARATION)
    if spread is None:
        shared = experiment.prepare(config, generator)
    else:
        shared = experiment.prepare_spread(config, generator, spread)
    return experiment.complete(shared, config, lambda part: _part_generator(part, seed))


def run_part(
    experiment: AnyExperiment, part: Part, shared: Any, config: Any, seed: int
) -> Iterator[Mapping[str, pl.DataFrame]]:
    """Yield the frames of a part, or of a piece of one, computed with the random stream of the part."""
    found = experiment.run(part, shared, config, _part_generator(part, seed))
    for rows in [found] if isinstance(found, Mapping) else found:
        yield _with_artifacts(rows)


def _with_artifacts(rows: Mapping[str, Rows]) -> Mapping[str, pl.DataFrame]:
    """Return rows by table with a frame of the artifacts in place of their list."""
    if ARTIFACTS not in rows:
        return cast(Mapping[str, pl.DataFrame], rows)
    return {**cast(Mapping[str, pl.DataFrame], rows), ARTIFACTS: artifact_rows.to_frame(rows[ARTIFACTS])}


def _part_generator(part: Part, seed: int) -> np.random.Generator:
    return stream_generator(seed, f"part:{part.stream}")


def collect_frames(frames: Iterable[Mapping[str, pl.DataFrame]]) -> dict[str, list[pl.DataFrame]]:
    """Return the frames of a part by table, in order."""
    found: dict[str, list[pl.DataFrame]] = {}
    for piece in frames:
        for table, frame in piece.items():
            found.setdefault(table, []).append(frame)
    return found


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(1)
