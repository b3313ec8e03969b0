"""Result of a run: the assembly as it ended, with its rows and pictures."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import polars as pl

from lakebatch import _html
from lakebatch.assembly import replica_sets
from lakebatch.assembly.record import Assembly
from lakebatch.assembly.tables import RESULTS
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    from lakebatch.analysis.plots import Picture
    from lakebatch.analysis.plots.options import Kind
    from lakebatch.analysis.report import Report

WAYS = (".reassemble()", ".snapshot", ".plot()", ".report()")


@dataclass(frozen=True, repr=False, eq=False)
class RunResult(Assembly):
    """An assembly as it ended, with the experiment that has its rows.

    Attributes
    ----------
    assemblies : tuple of Assembly
        The assembly; for a set of replicates, all of them.
    """

    stored: StoredExperiment | None = field(default=None, compare=False)
    assemblies: tuple[Assembly, ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, stored: StoredExperiment, ended: Assembly) -> RunResult:
        """Return the result of a run that ended with an assembly."""
        known = [ended]
        if place := ended.replicate:
            known = replica_sets.members(stored.log.latest(), place.set)
        return cls(
            **{each.name: getattr(ended, each.name) for each in fields(Assembly)},
            stored=stored,
            assemblies=tuple(known),
        )

    @property
    def decision(self) -> str | None:
        """Why a set of replicates has ended; None outside of a set, and for one with missing replicates."""
        return replica_sets.decision(self.assemblies)

    @property
    def snapshot(self) -> Snapshot:
        """The rows and statuses of the run alone, as they are now; of a set, those of its completed replicates."""
        ids = [each.assembly_id for each in self._read]
        return self._experiment.snapshot(assembly=ids, include=list({each.status for each in self._read}))

    def reassemble(self, *, table: str = RESULTS, on_gap: OnGap = "warn") -> pl.DataFrame:
        """Return the rows of the run as one frame; of a set, those of its completed replicates."""
        return self.snapshot.reassemble(table=table, on_gap=on_gap)

    def plot(self, kind: Kind = "levels", **options: Any) -> Picture:
        """Return a picture of the run, see `lakebatch.lake.experiment.StoredExperiment.plot`."""
        return self._experiment.plot(kind, **self._selection, **options)

    def report(self, **options: Any) -> Report:
        """Return a report on the run, see `lakebatch.lake.experiment.StoredExperiment.report`."""
        return self._experiment.report(**self._selection, **options)

    @property
    def _read(self) -> list[Assembly]:
        completed = [each for each in self.assemblies if each.status == "completed"]
        return completed or [self]

    @property
    def _selection(self) -> dict[str, Any]:
        ids = [each.assembly_id for each in self._read]
        return {"assembly": ids, "include": list({each.status for each in self._read})}

    @property
    def _experiment(self) -> StoredExperiment:
        assert self.stored is not None
        return self.stored

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Assembly) and _values(self) == _values(other)

    def __hash__(self) -> int:
        return hash((self.assembly_id, self.event))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a plain assembly, since the settings of the lake can hold secrets."""
        return Assembly, tuple(getattr(self, each.name) for each in fields(Assembly))

    def __repr__(self) -> str:
        what = f"{self.assembly_id} of {self._experiment.reference}: {self._summary()}"
        return _html.short(f"<RunResult {what}; see {', '.join(WAYS)}>")

    def _summary(self) -> str:
        if len(self.assemblies) > 1:
            done = sum(each.status == "completed" for each in self.assemblies)
            rows = sum(each.rows for each in self._read)
            ended = f"; {self.decision}" if self.decision else ""
            return f"{done} of {len(self.assemblies)} replicates completed, {rows} rows{ended}"
        return self.summary()

    def _repr_html_(self) -> str:
        rows = pl.DataFrame([each.row() for each in self.assemblies], infer_schema_length=None)
        table = _html.section(f"{self._experiment.reference}: {self._summary()}", rows, newest=True)
        return table + _html.ways("Its rows and pictures", WAYS)


class CheckResult(pl.DataFrame):
    """The promises of an experiment, one per row, with the fault of each that is broken."""

    def _repr_html_(self, **others: Any) -> str:
        kept = self["fault"].null_count()
        return _html.section(f"{kept} of {self.height} promises kept", pl.DataFrame(self), width=300)


def _values(assembly: Assembly) -> tuple[Any, ...]:
    return tuple(getattr(assembly, each.name) for each in fields(Assembly) if each.compare)
