"""Cache of the newest states of tables, each valid while nothing has changed in the log of its table."""

from __future__ import annotations

from lakebatch.storage.delta.version import TableVersion
from lakebatch.storage.place import Validator


class TableCache:
    """The newest states of the tables of one lake that were read, each with the validator of its log."""

    # To open a table of ten thousand commits takes a thousand times as long as to see that nothing was committed since,
    # and a notebook reads the same state again and again

    def __init__(self) -> None:
        self._states: dict[str, tuple[TableVersion, Validator]] = {}

    def __reduce__(self) -> tuple[type[TableCache], tuple[()]]:
        """Pickle as an empty cache, since an engine's table cannot be pickled."""
        return TableCache, ()

    def get(self, table: str) -> tuple[TableVersion, Validator] | None:
        """Return the state of the table at a path, with the validator that its log had."""
        return self._states.get(table)

    def put(self, table: str, state: TableVersion, validator: Validator) -> None:
        """Keep the state of the table at a path."""
        self._states[table] = state, validator
