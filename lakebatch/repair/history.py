"""The record of a repair in the lake: an event of each assembly, a commit to a table of no single one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator

from lakebatch.errors import LakebatchError
from lakebatch.repair.outcome import Outcome
from lakebatch.stored import StoredExperiment

EVENT = {"lakebatch.event": "repaired"}


class History:
    """What became of everything that is damaged, so far."""

    def __init__(self, stored: StoredExperiment) -> None:
        self._stored = stored
        self._outcomes: list[Outcome] = []

    def noted(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """Yield outcomes, and remember them."""
        for each in outcomes:
            self._outcomes.append(each)
            yield each

    def has_planned(self, places: Collection[str]) -> bool:
        """Whether all of some files would be healed."""
        return set(places) <= {each.where for each in self._outcomes if each.state == "can be healed"}

    def record(self) -> Iterator[Outcome]:
        """Record what was healed, and yield what kept it from being recorded."""
        healed: dict[str, Counter[str]] = defaultdict(Counter)
        others: set[str] = set()
        for each in self._outcomes:
            if each.state == "healed" and each.assembly_id is not None:
                healed[each.assembly_id][each.subject.partition("/")[2]] += 1
            elif each.state == "healed" and "/" in each.subject:
                others.add(each.subject.partition("/")[2])
        try:
            known = set(self._stored.log.events()["assembly_id"]) if healed else set()
            for assembly_id, tables in sorted(healed.items()):
                if assembly_id in known:
                    self._record(assembly_id, tables)
                else:
                    others |= tables.keys()
            for name in sorted(others & {"assemblies", "tags", "results", "samples", "trajectories"}):
                self._stored.table(name).mark(EVENT)
        except LakebatchError as error:
            what = "What was healed could not be recorded"
            yield Outcome("stays damaged", self._stored.folder, what, str(error))

    def _record(self, assembly_id: str, tables: Counter[str]) -> None:
        """Record an event; it counts the rows that there are now, since doubled ones were counted before."""
        named = ", ".join(f"{count} of {name}" for name, count in sorted(tables.items()))
        rows = self._stored.results.at().rows_by_assembly().get(assembly_id, 0)
        assembly = self._stored.log.get(assembly_id)
        self._stored.note(assembly, f"repaired: {named}", rows=rows)
