"""The parts that had been committed of each assembly at one moment."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cached_property

from lakebatch.assembly.record import Assembly
from lakebatch.errors import DamageError


class CommittedParts:
    """The parts that had been committed of each assembly at one moment; read once for all unfinished ones.

    Parameters
    ----------
    unfinished : callable
        Returns the assemblies that were not completed.
    find_parts : callable
        Returns the parts of some assemblies in the results table at the moment, as pairs of id and key.
    """

    def __init__(
        self,
        unfinished: Callable[[], Sequence[Assembly]],
        find_parts: Callable[[Collection[str]], Collection[tuple[str, str]]],
    ) -> None:
        self._unfinished = unfinished
        self._find_parts = find_parts

    def look_up(self, each: Assembly) -> list[str]:
        """Return the parts of one assembly, read again, in the order of the plan."""
        return _planned(each, self._find_parts([each.assembly_id]))

    def of_unfinished(self, assembly_id: str) -> list[str]:
        """Return the parts of an assembly that was not completed, in the order of the plan.

        Raises
        ------
        DamageError
            If they cannot be read.
        """
        found = self._found[assembly_id]
        if isinstance(found, DamageError):
            raise found
        return found

    @cached_property
    def _found(self) -> dict[str, list[str] | DamageError]:
        """The parts of each unfinished assembly, or why they cannot be read."""
        unfinished = self._unfinished()
        try:
            pairs = set(self._find_parts([each.assembly_id for each in unfinished])) if unfinished else set()
        except DamageError:
            return {each.assembly_id: self._parts_or_error(each) for each in unfinished}
        return {each.assembly_id: _planned(each, pairs) for each in unfinished}

    def _parts_or_error(self, each: Assembly) -> list[str] | DamageError:
        try:
            return self.look_up(each)
        except DamageError as error:
            return error


def _planned(each: Assembly, pairs: Collection[tuple[str, str]]) -> list[str]:
    """Return the planned parts of an assembly that are among pairs of id and key, in the order of the plan."""
    return [part for part in each.parts if (each.assembly_id, part) in pairs]
