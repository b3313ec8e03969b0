"""The record of a repair: an event of each healed assembly, a commit to each healed table without partitions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

from lakebatch.assembly.decisions import note
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.errors import LakebatchError
from lakebatch.maintenance.repair.outcome import Outcome
from lakebatch.maintenance.tables import RECORDS
from lakebatch.storage.delta.foreign import EVENT, REPAIRED

METADATA = {EVENT: REPAIRED}


class History:
    """The outcomes so far."""

    def __init__(self, stored: ExperimentTables) -> None:
        self._stored = stored
        self._outcomes: list[Outcome] = []

    def collect(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """Yield outcomes and remember them."""
        for each in outcomes:
            self._outcomes.append(each)
            yield each

    def has_planned(self, places: Collection[str]) -> bool:
        """Whether a dry run would heal all of some files."""
        return set(places) <= {each.where for each in self._outcomes if each.state == "can be healed"}

    def record(self) -> Iterator[Outcome]:
        """Record the healed damage, and yield the fault that prevents it."""
        healed: dict[str | None, list[Outcome]] = defaultdict(list)
        for each in self._outcomes:
            if each.state == "healed":
                healed[each.assembly_id].append(each)
        try:
            known = set(self._stored.log.events()["assembly_id"]) if healed.keys() - {None} else set()
            for assembly_id in sorted(known & healed.keys()):
                self._record(assembly_id, healed.pop(assembly_id))
            known_tables = {*self._stored.data_tables(), *RECORDS}
            for name in sorted(
                {_table(each) for outcomes in healed.values() for each in outcomes} & known_tables
            ):
                self._stored.table(name).mark(METADATA)
        except LakebatchError as error:
            what = "The repair could not be recorded"
            yield Outcome("stays damaged", self._stored.folder, what, str(error))

    def _record(self, assembly_id: str, outcomes: Sequence[Outcome]) -> None:
        """Record an event; if the newest one counted doubled rows, with the new row count."""
        counts = Counter(map(_table, outcomes))
        named = ", ".join(f"{count} of {name}" for name, count in sorted(counts.items()))
        assembly = self._stored.log.get(assembly_id)
        changes = {}
        for each in outcomes:
            if each.rows == assembly.rows:
                changes["rows"] = self._stored.table(_table(each)).at().rows_by_assembly[assembly_id]
        note(self._stored, assembly, f"repaired: {named}", **changes)


def _table(outcome: Outcome) -> str:
    return outcome.subject.partition("/")[2]
