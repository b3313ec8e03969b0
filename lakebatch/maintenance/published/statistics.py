"""Statistics of the columns of a file, as Delta keeps them: row count, min, max and number of NULLs."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

MAX_TEXT = 64
"""Length up to which a string is kept as min or max."""
PHYSICAL_TYPES = ("INT32", "INT64", "FLOAT", "DOUBLE", "BYTE_ARRAY")
"""Types in the file of which min and max are kept, unless they stand for times; booleans have none."""


def statistics(content: io.BytesIO, schema: pa.Schema) -> str:
    """Return the statistics of a Parquet file as JSON; of times and lists only the number of NULLs."""
    import pyarrow.parquet as pq

    about = pq.ParquetFile(content).metadata
    found: dict[str, Any] = {"numRecords": about.num_rows, "minValues": {}, "maxValues": {}, "nullCount": {}}
    groups = [_columns(about.row_group(index)) for index in range(about.num_row_groups)]
    for name in schema.names:
        columns: list[Any] = [each.get(name) for each in groups]
        if any(each is None or not each.has_null_count for each in columns):
            continue
        found["nullCount"][name] = sum(each.null_count for each in columns)
        ranges = [_range(each) for each in columns if each.num_values]
        known = [each for each in ranges if each is not None]
        if known and len(known) == len(ranges):
            found["minValues"][name] = min(low for low, _ in known)
            found["maxValues"][name] = max(high for _, high in known)
    return json.dumps(found)


def _columns(group: Any) -> dict[str, Any]:
    """Return the statistics of the columns in a row group by name; those of a list have the path of its items."""
    columns = [group.column(index) for index in range(group.num_columns)]
    return {each.path_in_schema: each.statistics for each in columns}


def _range(column: Any) -> tuple[Any, Any] | None:
    """Return the minimum and maximum of a column in a row group; None if they are not kept."""
    if not column.has_min_max or column.physical_type not in PHYSICAL_TYPES:
        return None
    # the raw values, since pyarrow imports pandas to make Python's values of the others
    found = column.min_raw, column.max_raw
    if column.logical_type.type == "STRING":
        texts = found[0].decode(), found[1].decode()
        return texts if max(map(len, texts)) <= MAX_TEXT else None
    return found if column.logical_type.type in ("NONE", "INT") and not isinstance(found[0], bytes) else None
