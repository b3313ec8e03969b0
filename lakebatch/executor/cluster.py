"""Parts on the workers of a Dask cluster, cut into pieces that keep all of them busy.

The cluster computes what all parts share once, as a task that the others depend on. Dask sends it to each worker that
needs it, and computes again, on another worker, whatever one that died had not handed over. Nothing of a
part goes into a table before all of its pieces are back here, in the process that writes.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from distributed import Client, Future, KilledWorker

from lakebatch import provenance, registry, worker
from lakebatch.config import from_record
from lakebatch.counters import Counters
from lakebatch.errors import ClusterError
from lakebatch.executor import remote
from lakebatch.executor.base import LISTEN_SECONDS
from lakebatch.executor.remote import Computed
from lakebatch.experiment import Part
from lakebatch.registry import AnyExperiment, Source
from lakebatch.worker import Job, Outcome

logger = logging.getLogger(__name__)

SHORT_SECONDS = 0.5
"""Pieces that take less on average are handed out two at a time to each worker, so that none waits for the next; longer
ones one at a time, so that none waits behind another in the end while a worker has nothing to do."""
ANSWER_SECONDS = 60.0
"""How long a worker may take to say what it has installed."""
FRESH_SECONDS = 1.0
"""How long it is known which workers there are."""
LOST = (
    "The connection to the scheduler {} is lost, or it has forgotten this run. What was committed is safe; "
    "go on, when there is a cluster again, with: lakebatch resume"
)
KILLED = (
    "WorkerDied: the piece {} took one worker after another down with it, often for want of memory. "
    "Give the workers more."
)
MUST_AGREE = ("lakebatch", "experiment_version", "source_hash")
"""Without which rows would be those of other code than was recorded."""


class Cluster:
    """The workers of one Dask cluster.

    Parameters
    ----------
    client : Client
        Connected to the cluster's scheduler; whoever opened it closes it.
    announce : callable
        Is told what is worth knowing before anything is computed.
    at_least : int
        How many pieces are handed out at least, so that a cluster that grows with its work sees that there is some.
    """

    def __init__(
        self, client: Client, announce: Callable[[str], None] = logger.info, at_least: int = 1
    ) -> None:
        self._client = client
        self._announce = announce
        self._at_least = at_least
        self._checked: set[str] = set()
        self._known: Mapping[str, Mapping[str, Any]] = {}
        self._asked_at = -FRESH_SECONDS

    def describe(self) -> str:
        """Return how many workers there are, and where the scheduler is."""
        return f"{len(self._workers())} workers of the Dask cluster at {self._address}"

    def check(self, source: Source, experiment: AnyExperiment) -> None:
        """Wait for a worker, and name what is installed otherwise there than here.

        Raises
        ------
        ClusterError
            If a worker cannot load the experiment, or has another version of it or of lakebatch.
        """
        if self._client.dashboard_link:
            self._announce(f"Dashboard of the cluster: {self._client.dashboard_link}")
        if not self._workers():
            self._announce(f"Waiting for a worker of the Dask cluster at {self._address}; Ctrl-C stops.")
            while not self._workers():
                with suppress(TimeoutError):
                    self._client.wait_for_workers(1, timeout=LISTEN_SECONDS)
        self._check_workers(source, experiment)

    def execute(self, job: Job, parts: Sequence[Part], stop: Callable[[], bool]) -> Iterator[Outcome]:
        """Yield the outcome of each part, see `Executor`."""
        experiment = registry.load(job.source)
        with self._loaded(job.source), Counters.open(job.scratch) as counters:
            desk = _Desk(self._client, job, _cut(experiment, job, parts))
            try:
                while desk.has_work(stop()):
                    desk.hand_out(len(self._workers()), self._at_least)
                    for piece, computed in desk.take_in():
                        _count(counters, piece, computed, experiment.tables[-1])
                        if outcome := desk.sort(piece, computed):
                            yield outcome
                    self._check_workers(job.source, experiment)
            finally:
                desk.clear()

    @property
    def _address(self) -> str:
        return str(self._client.scheduler.address) if self._client.scheduler else "?"

    def _workers(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what the scheduler said of its workers a moment ago, by their addresses."""
        if time.monotonic() > self._asked_at + FRESH_SECONDS:
            self._require_connection()
            try:
                now = dict(self._client.scheduler_info(n_workers=-1)["workers"])
            except OSError as error:
                raise ClusterError(LOST.format(self._address)) from error
            if gone := sorted(self._known.keys() - now.keys()):
                logger.warning("Gone: %s. What it had not handed over is computed elsewhere.", _named(gone))
            self._known, self._asked_at = now, time.monotonic()
        return self._known

    def _require_connection(self) -> None:
        if self._client.status != "running":
            raise ClusterError(LOST.format(self._address))

    def _check_workers(self, source: Source, experiment: AnyExperiment) -> None:
        """Ask workers that have come since the last time what they have installed."""
        new = {address: about for address, about in self._workers().items() if address not in self._checked}
        if not new:
            return
        self._checked |= new.keys()
        here = provenance.environment(registry.source_file(experiment), experiment.version)
        differing: dict[str, list[str]] = {}
        for address, there in self._environments(source, experiment, list(new)).items():
            if isinstance(there, str):
                raise ClusterError(
                    f"The worker {address} cannot load {experiment.name}: {there}. "
                    "Expected the same packages, and the experiment's file at the same path, as here."
                )
            for difference in _differences(here, there):
                differing.setdefault(difference, []).append(address)
        for difference, addresses in differing.items():
            logger.warning("Other than here, %s on %s.", difference, _named(addresses))
        several = [address for address, about in new.items() if about.get("nthreads", 1) > 1]
        if several:
            logger.warning(
                "%s may use several threads, and computes one piece at a time with one of them. "
                "Start workers with --nthreads 1 and as many as there are cores.",
                _named(several),
            )

    def _environments(
        self, source: Source, experiment: AnyExperiment, addresses: Sequence[str]
    ) -> dict[str, dict[str, Any] | str]:
        """Return what each worker has installed, or what is wrong with it; nothing of one that goes away."""
        asked = {
            address: self._client.submit(
                remote.environment,
                source,
                experiment.version,
                workers=[address],
                pure=False,
                priority=1,
            )
            for address in addresses
        }
        found: dict[str, dict[str, Any] | str] = {}
        for address, answer in asked.items():
            try:
                found[address] = answer.result(timeout=ANSWER_SECONDS)
            except Exception as error:  # noqa: BLE001
                if address in self._workers():
                    found[address] = (
                        str(error) if isinstance(error, ClusterError) else f"{type(error).__name__}: {error}"
                    )
            finally:
                answer.release()
        return found

    @contextmanager
    def _loaded(self, source: Source) -> Iterator[None]:
        """Have each worker know the experiment's classes for a while."""
        name = f"lakebatch-{source.name}-{uuid.uuid4().hex}"
        self._client.register_plugin(remote.Loader(source), name=name)
        try:
            yield
        finally:
            if self._client.status == "running":
                self._client.unregister_worker_plugin(name)


@dataclass
class _Part:
    """A part, its pieces, and what has come back of them."""

    part: Part
    pieces: Sequence[Part]
    computed: dict[int, Computed] = field(default_factory=dict)
    has_begun: bool = False
    has_failed: bool = False


@dataclass(frozen=True)
class _Piece:
    """One piece, by the number of its part and its own."""

    part: int
    number: int


class _Desk:
    """Hands pieces out to a cluster, and puts what comes back together."""

    def __init__(self, client: Client, job: Job, parts: Sequence[_Part]) -> None:
        self._client = client
        self._job = job
        self._parts = parts
        self._waiting = deque(_in_order(parts))
        self._running: dict[Future, _Piece] = {}
        self._done: SimpleQueue[Future] = SimpleQueue()
        self._taken, self._seconds = 0, 0.0
        self._run = f"{job.assembly_id}-{uuid.uuid4().hex[:8]}"
        self._prepared = client.submit(
            remote.prepare, self._sent, key=f"prepare-{self._run}", pure=False, priority=10
        )

    @property
    def _sent(self) -> Job:
        """The job without the folder of this machine."""
        return replace(self._job, scratch=Path())

    def has_work(self, stopping: bool) -> bool:
        """Whether a piece is still out, or to be handed out."""
        if stopping:
            self._waiting = deque(each for each in self._waiting if self._parts[each.part].has_begun)
        return bool(self._running or self._waiting)

    def hand_out(self, workers: int, at_least: int) -> None:
        """Hand out pieces until each worker has enough to do."""
        short = self._taken and self._seconds / self._taken < SHORT_SECONDS
        most = max(workers * 2 if short else workers, at_least)
        while self._waiting and len(self._running) < most:
            piece = self._waiting.popleft()
            of = self._parts[piece.part]
            of.has_begun = True
            future = self._client.submit(
                remote.compute,
                self._sent,
                of.pieces[piece.number],
                self._prepared,
                key=f"{of.pieces[piece.number].key}-{piece.number}-{self._run}",
                pure=False,
            )
            self._running[future] = piece
            future.add_done_callback(self._done.put)

    def take_in(self) -> Iterator[tuple[_Piece, Computed]]:
        """Yield what has come back, after waiting for it a little."""
        with suppress(Empty):
            future = self._done.get(timeout=LISTEN_SECONDS)
            while True:
                if future.status in ("pending", "lost"):  # its worker died, and it is computed again
                    future.add_done_callback(self._done.put)
                elif piece := self._running.pop(future, None):
                    yield piece, _computed(future)
                    future.release()
                future = self._done.get_nowait()

    def sort(self, piece: _Piece, computed: Computed) -> Outcome | None:
        """Put a piece to the others of its part; return the part's outcome with the last one, or the first that failed."""
        self._taken, self._seconds = self._taken + 1, self._seconds + computed.seconds
        of = self._parts[piece.part]
        if of.has_failed:
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
        frames = (
            {table: frame}
            for index in range(len(of.pieces))
            for table, each in of.computed[index].frames.items()
            for frame in each
        )
        seconds = _seconds(of)
        try:
            tables = worker.spool(frames, self._job.scratch / f"part{number}", lambda table, frame: None)
        except Exception as error:  # noqa: BLE001
            return Outcome(of.part, error=f"{type(error).__name__}: {error}", seconds=seconds)
        of.computed.clear()
        return Outcome(of.part, tables, seconds=seconds)

    def _drop(self, number: int) -> None:
        """Forget the other pieces of a part that has failed."""
        self._waiting = deque(each for each in self._waiting if each.part != number)
        out = [future for future, each in self._running.items() if each.part == number]
        for future in out:
            del self._running[future]
        self._client.cancel(out)


def _cut(experiment: AnyExperiment, job: Job, parts: Sequence[Part]) -> list[_Part]:
    config = from_record(experiment.config_model, job.config)
    return [_Part(part, tuple(experiment.pieces(part, config))) for part in parts]


def _in_order(parts: Sequence[_Part]) -> list[_Piece]:
    """Return all pieces, those of one random stream together: they often share what is computed first."""
    streams = list(dict.fromkeys(each.part.stream for each in parts))
    numbered = sorted(enumerate(parts), key=lambda each: streams.index(each[1].part.stream))
    return [_Piece(index, number) for index, each in numbered for number in range(len(each.pieces))]


def _computed(future: Future) -> Computed:
    """Return what came back, or the failure of a piece that took one worker after the other down with it."""
    if future.status == "finished":
        result = future.result()
        assert isinstance(result, Computed)
        return result
    if future.cancelled():
        raise ClusterError(LOST.format("of the cluster"))
    error = future.exception()
    killed = isinstance(error, KilledWorker)
    return Computed(error=KILLED.format(future.key) if killed else f"{type(error).__name__}: {error}")


def _count(counters: Counters, piece: _Piece, computed: Computed, table: str) -> None:
    """Count the rows of a piece towards its part."""
    counters.add(piece.part, sum(frame.height for frame in computed.frames.get(table, [])))


def _seconds(of: _Part) -> float:
    return sum(each.seconds for each in of.computed.values())


def _differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[str]:
    """Yield in words what a worker has otherwise; refuse what would make its rows those of other code."""
    for name in MUST_AGREE:
        if here[name] != there[name]:
            raise ClusterError(
                f"A worker has {name.replace('_', ' ')} {there[name]}, here it is {here[name]}. "
                "Install the same code on the cluster."
            )
    if here["python"] != there["python"]:
        yield f"Python is {there['python']}, not {here['python']},"
    for package in sorted(here["packages"].keys() | there["packages"].keys()):
        mine, other = here["packages"].get(package), there["packages"].get(package)
        if mine != other:
            yield f"{package} is {other or 'missing'}, not {mine or 'missing'},"


def _named(addresses: Sequence[str]) -> str:
    first = ", ".join(addresses[:3])
    return first if len(addresses) <= 3 else f"{first} and {len(addresses) - 3} more workers"
