"""Parts on the workers of a Dask cluster, cut into pieces that keep all of them busy.

The cluster computes what all parts share once, as a task that the others depend on. Dask sends it to each worker that
needs it, and computes again, on another worker, whatever one that died had not handed over. Nothing of a
part goes into a table before all of its pieces are back here, in the process that writes.
"""

from __future__ import annotations

import logging
import pickle
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from distributed import CancelledError, Client
from distributed.client import ClosedClientError

from lakebatch._version import __version__
from lakebatch.errors import ClusterError, LakebatchError
from lakebatch.executor import dask_worker as remote
from lakebatch.executor.base import POLL_SECONDS
from lakebatch.executor.counters import Counters
from lakebatch.executor.dask_dispatch import Chunk, Dispatcher, cut
from lakebatch.executor.dask_worker import Computed
from lakebatch.executor.worker import Job, Outcome
from lakebatch.experiment import provenance, registry
from lakebatch.experiment.contract import Part
from lakebatch.experiment.registry import Source

logger = logging.getLogger(__name__)

RESPONSE_SECONDS = 60.0
"""How long a worker may take to say what it has installed."""
CACHE_SECONDS = 1.0
"""How long it is known which workers there are."""
LOST = (
    "The connection to the scheduler {} is lost, or it has forgotten this run. What was committed is safe; "
    "go on, when there is a cluster again, with: lakebatch resume"
)
CALL = "(lambda function, *arguments: function(*arguments))(*__import__('pickle').loads(payload))"
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
        self._asked_at = -CACHE_SECONDS

    def describe(self) -> str:
        """Return how many workers there are, and where the scheduler is."""
        return f"{len(self._workers())} workers of the Dask cluster at {self._address}"

    def check(self, source: Source) -> None:
        """Wait for a worker, and name what is installed otherwise there than here.

        Raises
        ------
        ClusterError
            If a worker cannot load the experiment, or has another version of it or of lakebatch.
        """
        with self._connection():
            if self._client.dashboard_link:
                self._announce(f"Dashboard of the cluster: {self._client.dashboard_link}")
            self._wait_for_a_worker()
            self._check_workers(source)

    def execute(self, job: Job, parts: Sequence[Part], stop: Callable[[], bool]) -> Iterator[Outcome]:
        """Yield the outcome of each part, see `Executor`."""
        experiment = registry.load(job.source)
        with Counters.open(job.scratch) as counters, self._connection(), self._loaded(job.source):
            desk = Dispatcher(self._client, job, cut(experiment, job, parts), experiment.tables)
            try:
                while desk.has_work(stop()):
                    desk.hand_out(len(self._workers()), self._at_least)
                    for piece, computed in desk.take_in():
                        _count(counters, piece, computed, experiment.tables[-1])
                        if outcome := desk.sort(piece, computed):
                            yield outcome
                    self._check_workers(job.source)
            finally:
                desk.clear()

    @contextmanager
    def _connection(self) -> Iterator[None]:
        """Say in one line that the scheduler is lost, whatever was asked of it; what fails on a worker is a result."""
        try:
            yield
        except LakebatchError:
            raise
        except (OSError, ClosedClientError, CancelledError) as error:
            raise ClusterError(LOST.format(self._address)) from error

    def _wait_for_a_worker(self) -> None:
        """Wait as long as it takes; where workers are started when there is work, there has to be some."""
        if self._workers():
            return
        self._announce(f"Waiting for a worker of the Dask cluster at {self._address}; Ctrl-C stops.")
        work = self._client.submit(time.time, pure=False)
        while not self._workers():
            with suppress(TimeoutError):
                self._client.wait_for_workers(1, timeout=POLL_SECONDS)
        work.release()

    @property
    def _address(self) -> str:
        return str(self._client.scheduler.address) if self._client.scheduler else "?"

    def _workers(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what the scheduler said of its workers a moment ago, by their addresses."""
        if time.monotonic() > self._asked_at + CACHE_SECONDS:
            self._require_connection()
            now = dict(self._client.scheduler_info(n_workers=-1)["workers"])
            if gone := sorted(self._known.keys() - now.keys()):
                logger.warning("Gone: %s. What it had not handed over is computed elsewhere.", _named(gone))
            self._known, self._asked_at = now, time.monotonic()
        return self._known

    def _require_connection(self) -> None:
        if self._client.status != "running":
            raise ClusterError(LOST.format(self._address))

    def _check_workers(self, source: Source) -> None:
        """Ask workers that have come since the last time what they have installed."""
        new = {address: about for address, about in self._workers().items() if address not in self._checked}
        if not new:
            return
        self._checked |= new.keys()
        experiment = registry.load(source)
        here = provenance.environment(registry.source_file(experiment), experiment.version)
        differing: dict[str, list[str]] = {}
        for address, there in self._environments(source, experiment.version, list(new)).items():
            if isinstance(there, str):
                raise ClusterError(f"The worker {address} cannot load {experiment.name}: {there}.")
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
        self, source: Source, version: str, addresses: Sequence[str]
    ) -> dict[str, dict[str, Any] | str]:
        """Return what each worker has installed, or what is wrong with it; nothing of one that goes away."""
        # As bytes, because a worker with another layout of lakebatch breaks off when it cannot read a message.
        payload = pickle.dumps((remote.environment, source, version))
        asked = {
            address: self._client.submit(
                eval, CALL, {"payload": payload}, workers=[address], pure=False, priority=1
            )
            for address in addresses
        }
        found: dict[str, dict[str, Any] | str] = {}
        for address, answer in asked.items():
            try:
                found[address] = answer.result(timeout=RESPONSE_SECONDS)
            except Exception as error:  # noqa: BLE001
                if address in self._workers():
                    found[address] = _reason(error)
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


def _reason(error: Exception) -> str:
    """Return why a worker cannot load an experiment, and what to do about it."""
    if isinstance(error, ClusterError):
        return str(error)
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, ImportError | AttributeError) and "lakebatch" in text:
        return f"it has another version of lakebatch, or none ({text}). Install lakebatch {__version__} there"
    return f"{text}. Expected the same packages, and the experiment's file at the same path, as here"


def _count(counters: Counters, piece: Chunk, computed: Computed, table: str) -> None:
    """Count the rows of a piece towards its part."""
    counters.add(piece.part, sum(frame.height for frame in computed.frames.get(table, [])))


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
