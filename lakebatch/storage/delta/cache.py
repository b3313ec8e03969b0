"""Keeps the newest state of each table that was read, for as long as nothing has changed in its log.

Opening a table of ten thousand commits takes a thousand times as long as seeing that nothing was committed since, and who
looks at a lake from a notebook reads the same state again and again.
"""

from __future__ import annotations

from collections.abc import Callable

from lakebatch.storage.delta.version import TableVersion
from lakebatch.storage.local import Validator


class TableCache:
    """The newest states that were read of the tables of one lake, as far as they may be kept."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[TableVersion, Validator]] = {}

    def __reduce__(self) -> tuple[type[TableCache], tuple[()]]:
        """Go to another process with nothing: an engine's table cannot."""
        return TableCache, ()

    def newest(
        self,
        table: str,
        stamp: Callable[[int], Validator | None],
        opened: Callable[[], tuple[TableVersion, bool]],
    ) -> TableVersion:
        """Return the newest state: the one that was read last if it still is that, else one that is opened now.

        Parameters
        ----------
        table : str
            Where in the lake the table is.
        stamp : callable
            Returns, of the number of a version, what is another when anything has changed; None if there is a later one.
        opened : callable
            Opens the newest state, and says whether it may be kept.
        """
        seen = self._seen.get(table)  # another thread may open one meanwhile
        if seen is not None and stamp(seen[0].number) == seen[1]:
            return seen[0]
        state, may_be_kept = opened()
        now = stamp(state.number) if may_be_kept else None
        if now is not None:
            self._seen[table] = state, now
        return state
