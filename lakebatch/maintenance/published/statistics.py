"""Statistics of the columns of a file, as Delta keeps them: row count, min, max and number of NULLs."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

MAX_TEXT = 64
"""Length up to which a string is kept as min or max."""
KINDS = (int, float, str)
"""Types of which min and max are kept; booleans and times have none."""


def statistics(content: io.BytesIO, schema: pa.Schema) -> str:
    """Return the statistics of a Parquet file as JSON; of times and lists only the number of NULLs."""
    import pyarrow.parquet as pq

    about = pq.ParquetFile(content).metadata
    found: dict[str, Any] = {"numRecords": about.num_rows, "minValues": {}, "maxValues": {}, "nullCount": {}}
    for name in schema.names:
        columns = [_column(about.row_group(index), name) for index in range(about.num_row_groups)]
        if any(each is None or not each.has_null_count for each in columns):
            continue
        found["nullCount"][name] = sum(each.null_count for each in columns)
        valued = [each for each in columns if each.num_values]
        if valued and all(each.has_min_max and _is_kept(each.min, each.max) for each in valued):
            found["minValues"][name] = min(each.min for each in valued)
            found["maxValues"][name] = max(each.max for each in valued)
    return json.dumps(found)


def _column(group: Any, name: str) -> Any:
    """Return the statistics of a plain column in a row group; None of a list."""
    for index in range(group.num_columns):
        if (column := group.column(index)).path_in_schema == name:
            return column.statistics
    return None


def _is_kept(*values: Any) -> bool:
    return all(
        type(each) in KINDS and (not isinstance(each, str) or len(each) <= MAX_TEXT) for each in values
    )
