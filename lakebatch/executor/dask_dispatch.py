"""Hands pieces out to a Dask cluster, and puts what comes back together to parts."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue

from distributed import Client, Future, KilledWorker

from lakebatch.executor import dask_worker as remote
from lakebatch.executor.base import POLL_SECONDS
from lakebatch.executor.dask_worker import Computed
from lakebatch.executor.worker import Job, Outcome
from lakebatch.experiment.config import from_record
from lakebatch.experiment.contract import Part
from lakebatch.experiment.registry import AnyExperiment

SHORT_SECONDS = 0.5
"""Pieces that take less on average are handed out two at a time to each worker, so that none waits for the next; longer
ones one at a time, so that none waits behind another in the end while a worker has nothing to do."""
KILLED = (
    "WorkerDied: the piece {} took one worker after another down with it, often for want of memory. "
    "Give the workers more."
)


@dataclass
class PendingPart:
    """A part, its pieces, and what has come back of them."""

    part: Part
    pieces: Sequence[Part]
    computed: dict[int, Computed] = field(default_factory=dict)
    has_begun: bool = False
    has_failed: bool = False


@dataclass(frozen=True)
class Chunk:
    """One piece, by the number of its part and its own."""

    part: int
    number: int


class Dispatcher:
    """Hands pieces out to a cluster, and puts what comes back together.

    A piece whose workers died one after the other may have been there when another one killed them: it is computed once
    more, after everything else and alone.
    """

    def __init__(self, client: Client, job: Job, parts: Sequence[PendingPart], tables: Sequence[str]) -> None:
        self._client = client
        self._job = job
        self._parts = parts
        self._tables = tables
        self._waiting = deque(_in_order(parts))
        self._suspects: deque[Chunk] = deque()
        self._tried: set[Chunk] = set()
        self._running: dict[Future, Chunk] = {}
        self._done: SimpleQueue[Future] = SimpleQueue()
        self._taken, self._seconds = 0, 0.0
        self._run = f"{job.assembly_id}-{uuid.uuid4().hex[:8]}"
        self._prepared = self._prepare()

    @property
    def _sent(self) -> Job:
        """The job without the folder of this machine."""
        return replace(self._job, scratch=Path())

    def has_work(self, stopping: bool) -> bool:
        """Whether a piece is still out, or to be handed out."""
        if stopping:
            self._waiting = deque(each for each in self._waiting if self._parts[each.part].has_begun)
        return bool(self._running or self._waiting or self._suspects)

    def hand_out(self, workers: int, at_least: int) -> None:
        """Hand out pieces until each worker has enough to do."""
        short = self._taken and self._seconds / self._taken < SHORT_SECONDS
        most = max(workers * 2 if short else workers, at_least)
        while self._waiting and len(self._running) < most:
            self._hand_out(self._waiting.popleft())
        if self._suspects and not self._running:
            if self._prepared.status == "error":
                self._prepared = self._prepare()
            self._hand_out(self._suspects.popleft())

    def _prepare(self) -> Future:
        key = f"prepare-{self._run}-{len(self._tried)}"
        return self._client.submit(remote.prepare, self._sent, key=key, pure=False, priority=10)

    def _hand_out(self, piece: Chunk) -> None:
        of = self._parts[piece.part]
        of.has_begun = True
        future = self._client.submit(
            remote.compute,
            self._sent,
            of.pieces[piece.number],
            self._prepared,
            key=f"{of.pieces[piece.number].key}-{piece.number}-{self._run}-{piece in self._tried:d}",
            pure=False,
        )
        self._running[future] = piece
        future.add_done_callback(self._done.put)

    def take_in(self) -> Iterator[tuple[Chunk, Computed]]:
        """Yield what has come back, after waiting for it a little."""
        with suppress(Empty):
            future = self._done.get(timeout=POLL_SECONDS)
            while True:
                if future.status in ("pending", "lost"):  # its worker died, and it is computed again
                    future.add_done_callback(self._done.put)
                elif piece := self._running.pop(future, None):
                    yield piece, _computed(future)
                    future.release()
                future = self._done.get_nowait()

    def sort(self, piece: Chunk, computed: Computed) -> Outcome | None:
        """Put a piece to the others of its part; return the part's outcome with the last one, or the first that failed."""
        self._taken, self._seconds = self._taken + 1, self._seconds + computed.seconds
        of = self._parts[piece.part]
        if of.has_failed:
            return None
        if computed.killed and piece not in self._tried:
            self._tried.add(piece)
            self._suspects.append(piece)
            return None
        of.computed[piece.number] = computed
        if computed.error is not None:
            of.has_failed = True
            self._drop(piece.part)
            return Outcome(of.part, error=computed.error, trace=computed.trace, seconds=_seconds(of))
        if len(of.computed) < len(of.pieces):
            return None
        return self._put_together(piece.part)

    def clear(self) -> None:
        """Have the cluster forget what is still out."""
        if self._client.status == "running":  # else the cluster has forgotten everything
            self._client.cancel([*self._running, self._prepared])
        self._running.clear()

    def _put_together(self, number: int) -> Outcome:
        of = self._parts[number]
        seconds = _seconds(of)
        try:
            with self._job.spool(of.part, number, self._tables) as spool:
                for index in range(len(of.pieces)):
                    for table, frames in of.computed[index].frames.items():
                        for frame in frames:
                            spool.write({table: frame})
                tables = spool.finish()
        except Exception as error:  # noqa: BLE001
            return Outcome(of.part, error=f"{type(error).__name__}: {error}", seconds=seconds)
        of.computed.clear()
        return Outcome(of.part, tables, seconds=seconds)

    def _drop(self, number: int) -> None:
        """Forget the other pieces of a part that has failed."""
        self._waiting = deque(each for each in self._waiting if each.part != number)
        self._suspects = deque(each for each in self._suspects if each.part != number)
        out = [future for future, each in self._running.items() if each.part == number]
        for future in out:
            del self._running[future]
        self._client.cancel(out)


def cut(experiment: AnyExperiment, job: Job, parts: Sequence[Part]) -> list[PendingPart]:
    """Return parts as their experiment cuts them."""
    config = from_record(experiment.config_model, job.config)
    return [PendingPart(part, tuple(experiment.pieces(part, config))) for part in parts]


def _in_order(parts: Sequence[PendingPart]) -> list[Chunk]:
    """Return all pieces, those of one random stream together: they often share what is computed first."""
    streams = list(dict.fromkeys(each.part.stream for each in parts))
    numbered = sorted(enumerate(parts), key=lambda each: streams.index(each[1].part.stream))
    return [Chunk(index, number) for index, each in numbered for number in range(len(each.pieces))]


def _computed(future: Future) -> Computed:
    """Return what came back, or the failure of a piece that took one worker after the other down with it.

    One that the scheduler has forgotten raises Dask's `CancelledError`, as it does where it is lost on its way here.
    """
    if future.status != "error":
        result = future.result()
        assert isinstance(result, Computed)
        return result
    error = future.exception()
    if isinstance(error, KilledWorker):
        return Computed(error=KILLED.format(future.key), killed=True)
    return Computed(error=f"{type(error).__name__}: {error}")


def _seconds(of: PendingPart) -> float:
    return sum(each.seconds for each in of.computed.values())
