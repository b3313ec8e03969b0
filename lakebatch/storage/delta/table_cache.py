"""What a process keeps of the tables of one lake: their newest states, and what it has fetched of them from S3."""

from __future__ import annotations

from collections import defaultdict

from lakebatch.storage.delta.kept_rows import KeptRows
from lakebatch.storage.delta.log_files import LogFiles
from lakebatch.storage.delta.version import TableVersion
from lakebatch.storage.place import Validator


class TableCache:
    """Cache of the newest states of the tables of one lake, each valid while nothing has changed in the log of its table."""

    # To open a table of ten thousand commits takes a thousand times as long as to see that nothing was committed since,
    # and a notebook reads the same state again and again

    def __init__(self) -> None:
        self._states: dict[str, tuple[TableVersion, Validator]] = {}
        self.log_files = LogFiles()
        self.kept_rows: defaultdict[str, KeptRows] = defaultdict(KeptRows)

    def with_other_states(self) -> TableCache:
        """Return a cache of the same files for other states, such as those with the columns that an experiment declares."""
        other = TableCache()
        other.log_files, other.kept_rows = self.log_files, self.kept_rows
        return other

    def __reduce__(self) -> tuple[type[TableCache], tuple[()]]:
        """Pickle as an empty cache, since an engine's table cannot be pickled."""
        return TableCache, ()

    def get(self, table: str) -> tuple[TableVersion, Validator] | None:
        """Return the state of the table at a path, with the validator that its log had."""
        return self._states.get(table)

    def put(self, table: str, state: TableVersion, validator: Validator) -> None:
        """Keep the state of the table at a path."""
        self._states[table] = state, validator
