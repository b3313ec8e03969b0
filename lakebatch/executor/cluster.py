"""Executor for the workers of a Dask cluster, with parts split into pieces that keep all workers busy.

The preparation is one task, on which all pieces depend: Dask computes it once and sends it to each worker. It repeats
the unfinished tasks of a worker that died on another one. The rows of a part are committed by this process, after all
of its pieces have come back.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple
from typing import Any

from distributed import CancelledError, Client
from distributed.client import ClosedClientError

from lakebatch._version import __version__
from lakebatch.errors import ClusterError, LakebatchError
from lakebatch.executor import dask_worker
from lakebatch.executor.base import POLL_SECONDS
from lakebatch.executor.dask_dispatch import Dispatcher, PieceId, split
from lakebatch.executor.dask_worker import ComputedPiece
from lakebatch.executor.progress import Counters, PhaseFile
from lakebatch.executor.worker import Job, Outcome
from lakebatch.experiment import origin, registry
from lakebatch.experiment.contract import Part
from lakebatch.experiment.phases import Phase
from lakebatch.experiment.provenance import row_versions
from lakebatch.experiment.registry import Source

logger = logging.getLogger(__name__)

RESPONSE_SECONDS = 60.0
# for the answer of a worker to what it has installed
CACHE_SECONDS = 1.0
# for which the list of workers is reused
LOST = (
    "The connection to the scheduler {} is lost, or it has forgotten this run. What was committed is safe; "
    "go on, when there is a cluster again, with: lakebatch resume"
)
OTHER_PACKAGES = (
    "Workers of the cluster have other versions than this machine: {}. "
    "Install the same ones, or compute with both by accept_changes=True (--accept-changes)"
)
MUST_AGREE = ("lakebatch", "experiment_version", "source_hash")
# Differences here mean that other code would compute the rows than is recorded.


class Cluster:
    """The workers of one Dask cluster.

    Parameters
    ----------
    client : Client
        Connected to the cluster's scheduler; the caller closes it.
    announce : callable
        Called with messages for the user before anything is computed.
    at_least : int
        Min number of submitted pieces, so that a cluster that grows with its work has a reason to.
    """

    def __init__(
        self, client: Client, announce: Callable[[str], None] = logger.info, at_least: int = 1
    ) -> None:
        self._client = client
        self._announce = announce
        self._announced = ""  # the dashboard
        self._at_least = at_least
        self._checked: set[str] = set()
        self._here: dict[str, str] = {}
        self._accepted: list[dict[str, str]] = []
        self._known: Mapping[str, Mapping[str, Any]] = {}
        self._asked_at = -CACHE_SECONDS

    def describe(self) -> str:
        """Return the number of workers and the scheduler's address, for people."""
        return f"{len(self._workers())} workers of the Dask cluster at {self._address}"

    def check(self, source: Source, *, accept_changes: bool = False) -> list[dict[str, str]]:
        """Wait for a worker; return the different versions of the workers if any are not those of this process.

        A worker that joins later must have one of the returned sets or, without any, the versions of this process.

        Raises
        ------
        ClusterError
            If the scheduler has another version of lakebatch, or none; if a worker cannot load the experiment, or has
            another version of it or of lakebatch, or, unless changes are accepted, of a package that rows depend on.
        """
        with self._connection():
            self._check_scheduler()
            self._announce_dashboard()
            self._wait_for_a_worker()
            self._check_workers(source, accept=accept_changes)
        return self._accepted

    def _announce_dashboard(self) -> None:
        """Name the dashboard once, also if many assemblies are computed."""
        link = self._client.dashboard_link
        if link and link != self._announced:
            self._announce(f"Dashboard of the cluster: {link}")
            self._announced = link

    def execute(self, job: Job, parts: Sequence[Part], stop: Callable[[], bool]) -> Iterator[Outcome]:
        """Yield the outcome of each part, see `Executor`."""
        experiment = registry.load(job.source)
        with Counters.open(job.scratch) as counters, self._connection(), self._load_experiment(job.source):
            PhaseFile(job.scratch).write(Phase("preparing and computing the first parts on the cluster"))
            dispatcher = Dispatcher(self._client, job, split(experiment, job, parts))
            try:
                while dispatcher.has_work(stop()):
                    dispatcher.submit(len(self._workers()), self._at_least)
                    for piece, computed in dispatcher.completed():
                        self._check_versions(computed)
                        _count(counters, piece, computed, job.marker)
                        if outcome := dispatcher.accept(piece, computed):
                            yield outcome
                    self._check_workers(job.source)
            finally:
                dispatcher.cancel()

    @contextmanager
    def _connection(self) -> Iterator[None]:
        """Translate every sign of a lost scheduler into one error; failures on a worker are results."""
        try:
            yield
        except LakebatchError:
            raise
        except (OSError, ClosedClientError, CancelledError) as error:
            raise ClusterError(LOST.format(self._address)) from error

    def _check_scheduler(self) -> None:
        """Refuse a scheduler that cannot read the work that it hands on."""
        try:
            there = self._client.run_on_scheduler(_version_question())
        except ImportError as error:
            raise ClusterError(
                f"The scheduler {self._address} cannot hand on work: {_reason(error)}."
            ) from error
        if there != __version__:
            raise ClusterError(
                f"The scheduler {self._address} has lakebatch {there}, here it is {__version__}. "
                "Install the same one on the cluster."
            )

    def _wait_for_a_worker(self) -> None:
        """Wait without limit; a task is submitted meanwhile, because adaptive clusters start workers only for tasks."""
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
        """Return the scheduler's information on each worker by address, at most a moment old."""
        if time.monotonic() > self._asked_at + CACHE_SECONDS:
            self._require_connection()
            now = dict(self._client.scheduler_info(n_workers=-1)["workers"])
            if gone := sorted(self._known.keys() - now.keys()):
                logger.warning(
                    "Worker gone: %s. Its unfinished pieces are computed elsewhere.", _join_addresses(gone)
                )
            self._known, self._asked_at = now, time.monotonic()
        return self._known

    def _require_connection(self) -> None:
        if self._client.status != "running":
            raise ClusterError(LOST.format(self._address))

    def _check_workers(self, source: Source, *, accept: bool = False) -> None:
        """Check the environment of workers that have joined since the last check."""
        new = {address: about for address, about in self._workers().items() if address not in self._checked}
        if not new:
            return
        self._checked |= new.keys()
        experiment = registry.load(source)
        here = origin.environment(source)
        self._here = row_versions(here)
        differing: dict[str, list[str]] = {}
        found: dict[str, dict[str, str]] = {}
        for address, there in self._environments(source, experiment.version, list(new)).items():
            if isinstance(there, str):
                raise ClusterError(f"The worker {address} cannot load {experiment.name}: {there}.")
            _check_code(here, there)
            versions = row_versions(there)
            found.setdefault(repr(versions), versions)
            if versions not in self._allowed:
                differing.setdefault(_difference(self._here, versions), []).append(address)
        named = "; ".join(f"{what} on {_join_addresses(where)}" for what, where in differing.items())
        if named and not accept:
            raise ClusterError(OTHER_PACKAGES.format(named))
        if named:
            logger.warning("Other than here: %s.", named)
            self._accepted = list(found.values())
        several = [address for address, about in new.items() if about.get("nthreads", 1) > 1]
        if several:
            logger.warning(
                "%s may use several threads, and computes one piece at a time with one of them. "
                "Start workers with --nthreads 1 and as many as there are cores.",
                _join_addresses(several),
            )

    @property
    def _allowed(self) -> list[dict[str, str]]:
        return self._accepted or [self._here]

    def _check_versions(self, computed: ComputedPiece) -> None:
        """Refuse a piece from a worker that joined with other versions and has not been checked yet."""
        if computed.versions and computed.versions not in self._allowed:
            raise ClusterError(OTHER_PACKAGES.format(_difference(self._here, computed.versions)))

    def _environments(
        self, source: Source, version: str, addresses: Sequence[str]
    ) -> dict[str, dict[str, Any] | str]:
        """Return the environment of each worker, or why it has none; workers that leave meanwhile are left out."""
        ask, fields = _environment_question(), astuple(source)
        asked = {
            address: self._client.submit(ask, fields, version, workers=[address], pure=False, priority=1)
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
    def _load_experiment(self, source: Source) -> Iterator[None]:
        """Load the experiment in each worker, also in later ones, during the run."""
        name = f"lakebatch-{source.name}-{uuid.uuid4().hex}"
        self._client.register_plugin(dask_worker.ExperimentLoader(source), name=name)
        try:
            yield
        finally:
            if self._client.status == "running":
                self._client.unregister_worker_plugin(name)


def _version_question() -> Callable[[], str]:
    """Return a function that a scheduler with any lakebatch, or none, can receive; see `_environment_question`."""

    def version() -> str:
        from lakebatch._version import __version__

        return __version__

    return version


def _environment_question() -> Callable[[tuple[Any, ...], str], dict[str, Any]]:
    """Return a function that a worker with any layout of lakebatch can receive.

    A worker breaks off when it cannot import what a message names. Dask sends a nested function by value, so that the
    imports come when it is called, and the worker answers with their error.
    """

    def environment(fields: tuple[Any, ...], version: str) -> dict[str, Any]:
        from lakebatch.executor import dask_worker
        from lakebatch.experiment.registry import Source

        return dask_worker.environment(Source(*fields), version)

    return environment


def _reason(error: Exception) -> str:
    """Return why a worker cannot load an experiment, and what to do about it."""
    if isinstance(error, ClusterError):
        return str(error)
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, ImportError | AttributeError) and "lakebatch" in text:
        return f"it has another lakebatch, or none ({text}). Install lakebatch {__version__} there"
    return f"{text}. Expected the same packages, and the experiment's file at the same path, as here"


def _count(counters: Counters, piece: PieceId, computed: ComputedPiece, table: str) -> None:
    """Add the rows of a piece to the counter of its part."""
    counters.add(piece.part, sum(frame.height for frame in computed.frames.get(table, [])))


def _check_code(here: Mapping[str, Any], there: Mapping[str, Any]) -> None:
    """Raise if a worker has other code than is recorded."""
    for name in MUST_AGREE:
        if here[name] != there[name]:
            raise ClusterError(
                f"A worker has {name.replace('_', ' ')} {there[name]}, here it is {here[name]}. "
                "Install the same code on the cluster."
            )


def _difference(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    names = [name for name in {**here, **there} if here.get(name) != there.get(name)]
    return ", ".join(
        f"{name} {there.get(name, 'missing')} instead of {here.get(name, 'missing')}" for name in names
    )


def _join_addresses(addresses: Sequence[str]) -> str:
    first = ", ".join(addresses[:3])
    return first if len(addresses) <= 3 else f"{first} and {len(addresses) - 3} more workers"
