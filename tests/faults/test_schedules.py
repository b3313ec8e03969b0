"""Random schedules of appends, endings, decisions and upkeep: rows equal a plain model, past states never change."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lakebatch.assembly.part_writer import PartWriter
from lakebatch.assembly.record import EVERY_STATUS, Assembly, Plan
from lakebatch.errors import AssemblyError
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.legacy.frames.record import ensure, record
from lakebatch.maintenance import optimize
from lakebatch.storage import locate

FOLDER = "91_v1_toy"
MOST_ASSEMBLIES = 4
Rows = list[tuple[str, str, float]]
chances = st.booleans()


@dataclass
class Modelled:
    """An assembly in plain Python."""

    parts: tuple[str, ...]
    rows: dict[str, float] = field(default_factory=dict)
    status: str = "started"
    before: str = "started"
    """Its status before it was discarded."""


class Schedule(RuleBasedStateMachine):
    """A real experiment and a model of it; every rule is applied to both."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="lakebatch-schedule-"))
        self.model: dict[str, Modelled] = {}
        self.versions: dict[int, tuple[Rows, Rows]] = {}
        self.tags: dict[str, tuple[Rows, Rows]] = {}
        self.counter = 0
        self.reopen()
        ensure(self.stored)

    def teardown(self) -> None:
        """Read the whole past once more."""
        for version, expected in self.versions.items():
            assert self._read(version=version) == expected
        shutil.rmtree(self.folder)

    @rule()
    def reopen(self) -> None:
        """Go on as another process, without any cache."""
        self.stored = StoredExperiment(locate(str(self.folder / "lake")), FOLDER)
        self.writers: dict[str, PartWriter] = {}

    @precondition(lambda self: len(self.model) < MOST_ASSEMBLIES)
    @rule(target=ids, count=st.integers(1, 3))
    def start(self, count: int) -> str:
        """Start an assembly of some parts."""
        parts = tuple(f"part={index}" for index in range(count))
        plan = Plan({"count": count}, parts, 1, None, (), "0", {})
        begun = self.stored.log.start(plan, self.stored.results.version())
        self.stored.log.record(begun, "started")  # no process works on it, so it can be discarded
        self.model[begun.assembly_id] = Modelled(parts)
        return begun.assembly_id

    @rule(assembly_id=ids, index=st.integers(0, 2))
    def append(self, assembly_id: str, index: int) -> None:
        """Append a part, which may be stored already with other numbers."""
        modelled, part = self.model[assembly_id], f"part={index}"
        if modelled.status not in ("started", "failed") or part not in modelled.parts:
            return
        self.counter += 1
        rows = pl.DataFrame({"repeat": [0], "mse": [float(self.counter)]})
        writer = self.writers.setdefault(assembly_id, PartWriter(self.stored.results, assembly_id, {}))
        assert writer.append(part, rows, datetime.now(UTC)) == (part not in modelled.rows)
        modelled.rows.setdefault(part, float(self.counter))

    @rule(assembly_id=ids, all_parts=chances)
    def end(self, assembly_id: str, all_parts: bool) -> None:
        """Write all missing parts or none, and record the status, as a run does."""
        modelled = self.model[assembly_id]
        if modelled.status not in ("started", "failed"):
            return
        for index in range(len(modelled.parts) if all_parts else 0):
            self.append(assembly_id, index)
        whole = set(modelled.rows) == set(modelled.parts)
        if whole:
            optimize.compact_assembly(self.stored.results, self.stored.log.table, assembly_id)
        modelled.status = "completed" if whole else "failed"
        self._record(self.stored.log.get(assembly_id), modelled.status)

    @rule(assembly_id=ids)
    def resume(self, assembly_id: str) -> None:
        """Resume a failed assembly; a completed or discarded one stays so despite a late process."""
        assembly = self.stored.log.get(assembly_id)
        modelled = self.model[assembly_id]
        self.stored.log.record(assembly, "started")
        if modelled.status == "failed":
            modelled.status = "started"
        assert self.stored.log.get(assembly_id).status == modelled.status

    @rule(assembly_id=ids)
    def end_too_late(self, assembly_id: str) -> None:
        """Record a failure of an assembly completed or discarded meanwhile."""
        if self.model[assembly_id].status in ("completed", "discarded"):
            self._record(self.stored.log.get(assembly_id), "failed")

    @rule(assembly_id=ids)
    def discard(self, assembly_id: str) -> None:
        """Discard an assembly; a second time is refused."""
        modelled = self.model[assembly_id]
        if modelled.status == "discarded":
            return _refused(lambda: self.stored.discard(assembly_id, "again"))
        self.stored.discard(assembly_id, "an outlier")
        modelled.before, modelled.status = modelled.status, "discarded"
        return None

    @rule(assembly_id=ids)
    def restore(self, assembly_id: str) -> None:
        """Restore an assembly if it is discarded; else it is refused."""
        modelled = self.model[assembly_id]
        if modelled.status != "discarded":
            return _refused(lambda: self.stored.restore(assembly_id, "never gone"))
        self.stored.restore(assembly_id, "no outlier")
        modelled.status = modelled.before
        return None

    @rule()
    def compact(self) -> None:
        """Merge all small files."""
        self.stored.optimize()

    @rule()
    def vacuum(self) -> None:
        """Remove every file that nothing needs."""
        self.stored.vacuum(keep_days=0, dry_run=False)
        assert self.stored.vacuum(keep_days=0)["files"].sum() == 0

    @precondition(lambda self: len(self.tags) < 3)
    @rule()
    def tag(self) -> None:
        """Tag the state."""
        name = f"tag-{len(self.tags)}"
        self.stored.tag(name)
        self.tags[name] = self._expected()

    @invariant()
    def rows_are_those_of_the_model(self) -> None:
        """Compare the current rows, each key once; remember them if an event has recorded this version."""
        now = self._read()
        assert now == self._expected()
        assert len({row[:2] for row in now[1]}) == len(now[1])
        if self.model and self.stored.snapshot().version in self.stored.history()["version"]:
            version = self.stored.snapshot().version
            self.versions.setdefault(version, self._read(version=version))

    @invariant()
    def past_is_as_it_was(self) -> None:
        """Compare all tags, the last two versions and one other version."""
        for tag, expected in self.tags.items():
            assert self._read(tag=tag) == expected
        known = list(self.versions)
        for version in {*known[-2:], *known[self.counter % len(known) :][:1]} if known else ():
            assert self._read(version=version) == self.versions[version]

    def _record(self, assembly: Assembly, status: str) -> None:
        parts, done = self.model[assembly.assembly_id].parts, len(self.model[assembly.assembly_id].rows)
        record(self.stored, assembly, status, parts=parts, done=done, error=None)

    def _expected(self) -> tuple[Rows, Rows]:
        return self._rows(("completed",)), self._rows(EVERY_STATUS)

    def _rows(self, statuses: tuple[str, ...]) -> Rows:
        return sorted(
            (assembly_id, part, value)
            for assembly_id, each in self.model.items()
            if each.status in statuses
            for part, value in each.rows.items()
        )

    def _read(self, **moment: int | str) -> tuple[Rows, Rows]:
        pinned = self.stored.snapshot(on_mix="ignore", **moment)
        both = [pinned.reassemble(include, on_gap="ignore") for include in (("completed",), EVERY_STATUS)]
        completed, every = (sorted(rows.select("assembly_id", "part", "mse").iter_rows()) for rows in both)
        return completed, every


def test_any_schedule_keeps_rows_and_past_states() -> None:
    run_state_machine_as_test(
        Schedule,
        settings=settings(
            max_examples=8,
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def _refused(call: Callable[[], object]) -> None:
    with pytest.raises(AssemblyError):
        call()
