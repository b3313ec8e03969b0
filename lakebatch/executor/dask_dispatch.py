"""Submission of pieces of parts to a Dask cluster, and assembly of their results."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue

from distributed import Client, Future, KilledWorker

from lakebatch.executor import dask_worker
from lakebatch.executor.base import POLL_SECONDS
from lakebatch.executor.dask_worker import ComputedPiece
from lakebatch.executor.worker import Job, Outcome, log_again
from lakebatch.experiment.config import from_record
from lakebatch.experiment.contract import Part
from lakebatch.experiment.registry import AnyExperiment

SHORT_SECONDS = 0.5
# Shorter pieces are submitted two at a time per worker, so that no worker waits for its next piece. Longer ones are
# submitted one at a time, so that in the end no piece waits behind another while a worker is idle.
KILLED = (
    "WorkerDied: the piece {} took one worker after another down with it, often for want of memory. "
    "Give the workers more memory."
)


@dataclass
class PendingPart:
    """A part, its pieces and their results so far."""

    part: Part
    pieces: Sequence[Part]
    computed: dict[int, ComputedPiece] = field(default_factory=dict)
    has_begun: bool = False
    has_failed: bool = False


@dataclass(frozen=True)
class PieceId:
    """One piece: index of its part, and its index in the part."""

    part: int
    number: int


class Dispatcher:
    """Submits pieces to a cluster, and assembles their results.

    A piece whose workers died one after the other is a suspect: perhaps another piece killed them. It is computed once
    more, alone, after all others.
    """

    def __init__(self, client: Client, job: Job, parts: Sequence[PendingPart]) -> None:
        self._client = client
        self._job = job
        self._parts = parts
        self._pending = deque(_ordered_pieces(parts))
        self._suspects: deque[PieceId] = deque()
        self._tried: set[PieceId] = set()
        self._running: dict[Future, PieceId] = {}
        self._done: SimpleQueue[Future] = SimpleQueue()
        self._n_completed, self._seconds = 0, 0.0
        self._run = f"{job.assembly_id}-{uuid.uuid4().hex[:8]}"
        self._prepared = self._prepare()

    @property
    def _remote_job(self) -> Job:
        """The job without its folder, which is on this machine."""
        return replace(self._job, scratch=Path())

    def has_work(self, stopping: bool) -> bool:
        """Whether a piece is running or waiting; when stopping, only pieces of parts in progress count."""
        if stopping:
            self._pending = deque(each for each in self._pending if self._parts[each.part].has_begun)
        return bool(self._running or self._pending or self._suspects)

    def submit(self, workers: int, at_least: int) -> None:
        """Submit pieces until each worker has enough of them."""
        are_short = self._n_completed and self._seconds / self._n_completed < SHORT_SECONDS
        max_running = max(workers * 2 if are_short else workers, at_least)
        while self._pending and len(self._running) < max_running:
            self._submit(self._pending.popleft())
        if self._suspects and not self._running:
            if self._prepared.status == "error":
                self._prepared = self._prepare()
            self._submit(self._suspects.popleft())

    def _prepare(self) -> Future:
        key = f"prepare-{self._run}-{len(self._tried)}"
        return self._client.submit(dask_worker.prepare, self._remote_job, key=key, pure=False, priority=10)

    def _submit(self, piece: PieceId) -> None:
        entry = self._parts[piece.part]
        entry.has_begun = True
        future = self._client.submit(
            dask_worker.compute,
            self._remote_job,
            entry.pieces[piece.number],
            self._prepared,
            key=f"{entry.pieces[piece.number].key}-{piece.number}-{self._run}-{piece in self._tried:d}",
            pure=False,
        )
        self._running[future] = piece
        future.add_done_callback(self._done.put)

    def completed(self) -> Iterator[tuple[PieceId, ComputedPiece]]:
        """Yield results, after a short wait for the first one."""
        with suppress(Empty):
            future = self._done.get(timeout=POLL_SECONDS)
            while True:
                # "pending": its worker died, and the scheduler computes it again
                if future.status in ("pending", "lost"):
                    future.add_done_callback(self._done.put)
                elif piece := self._running.pop(future, None):
                    yield piece, _computed(future)
                    future.release()
                future = self._done.get_nowait()

    def accept(self, piece: PieceId, computed: ComputedPiece) -> Outcome | None:
        """Store the result of a piece; return the outcome of its part with the last piece, or with the first that failed."""
        self._n_completed, self._seconds = self._n_completed + 1, self._seconds + computed.seconds
        entry = self._parts[piece.part]
        if entry.has_failed:
            return None
        log_again(computed.records, entry.part)
        if computed.killed and piece not in self._tried:
            self._tried.add(piece)
            self._suspects.append(piece)
            return None
        entry.computed[piece.number] = computed
        if computed.error is not None:
            entry.has_failed = True
            self._cancel_pieces(piece.part)
            return Outcome(entry.part, error=computed.error, trace=computed.trace, seconds=_seconds(entry))
        if len(entry.computed) < len(entry.pieces):
            return None
        return self._assemble(piece.part)

    def cancel(self) -> None:
        """Cancel everything that is still running."""
        if self._client.status == "running":  # else the scheduler has dropped everything already
            self._client.cancel([*self._running, self._prepared])
        self._running.clear()

    def _assemble(self, number: int) -> Outcome:
        entry = self._parts[number]
        seconds = _seconds(entry)
        try:
            with self._job.spool(entry.part, number) as spool:
                for index in range(len(entry.pieces)):
                    for table, frames in entry.computed[index].frames.items():
                        for frame in frames:
                            spool.write({table: frame})
                tables = spool.finish()
        except Exception as error:  # noqa: BLE001
            return Outcome(entry.part, error=f"{type(error).__name__}: {error}", seconds=seconds)
        entry.computed.clear()
        return Outcome(entry.part, tables, seconds=seconds)

    def _cancel_pieces(self, number: int) -> None:
        """Cancel the other pieces of a part that has failed."""
        self._pending = deque(each for each in self._pending if each.part != number)
        self._suspects = deque(each for each in self._suspects if each.part != number)
        futures = [future for future, each in self._running.items() if each.part == number]
        for future in futures:
            del self._running[future]
        self._client.cancel(futures)


def split(experiment: AnyExperiment, job: Job, parts: Sequence[Part]) -> list[PendingPart]:
    """Return parts with the pieces that their experiment splits them into."""
    config = from_record(experiment.config_model, job.config)
    return [PendingPart(part, tuple(experiment.pieces(part, config))) for part in parts]


def _ordered_pieces(parts: Sequence[PendingPart]) -> list[PieceId]:
    """Return all pieces, those of one random stream together, because these often share intermediate results."""
    streams = list(dict.fromkeys(each.part.stream for each in parts))
    numbered = sorted(enumerate(parts), key=lambda each: streams.index(each[1].part.stream))
    return [PieceId(index, number) for index, each in numbered for number in range(len(each.pieces))]


def _computed(future: Future) -> ComputedPiece:
    """Return the result of a piece, or its failure if it took one worker after the other down.

    Dask raises `CancelledError` if the scheduler has dropped the piece, or if the result is lost on its way here.
    """
    if future.status != "error":
        result = future.result()
        assert isinstance(result, ComputedPiece)
        return result
    error = future.exception()
    if isinstance(error, KilledWorker):
        return ComputedPiece(error=KILLED.format(future.key), killed=True)
    return ComputedPiece(error=f"{type(error).__name__}: {error}")


def _seconds(entry: PendingPart) -> float:
    return sum(each.seconds for each in entry.computed.values())
