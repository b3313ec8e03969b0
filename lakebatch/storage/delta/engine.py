"""Calls of deltalake: table handle, options, plain types, retries and commit metadata."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import unquote

import deltalake
import polars as pl
from deltalake.exceptions import DeltaError, SchemaMismatchError

from lakebatch import _process as process
from lakebatch.storage import retry
from lakebatch.storage.delta.diagnosis import FOREIGN
from lakebatch.storage.delta.schema import TableSchema
from lakebatch.storage.place import Validator
from lakebatch.storage.uris import without_slash

if TYPE_CHECKING:
    import pyarrow as pa

Answer = TypeVar("Answer")
Data: TypeAlias = "pl.DataFrame | pa.RecordBatchReader"

COMMIT_RETRIES = 200
"""Retries inside one commit; the library's default of 15 loses appends when many processes write at once."""
BROKEN_CONSTRAINT = "Invalid data found"
"""The engine's words for rows that break a constraint."""
ENGINE_ERRORS = (DeltaError, OSError)
PART = "lakebatch.part"
"""Key in a commit's metadata: the part whose rows it added."""
ATTEMPT = "lakebatch.attempt"
"""Key in a commit's metadata: the number of the event with which the process that computed the part began."""
FINGERPRINT = "lakebatch.fingerprint"
"""Key in a commit's metadata: the fingerprint of the rows that it added."""
SLICE_ROWS = 100_000
"""Rows that are converted to Arrow at a time: a plain column holds at most 2 GiB in one piece."""
ARROW_SCHEMA = "ARROW:schema"
"""The key in the footer of a data file under which writers keep the Arrow types of the columns."""
WRITER_PROPERTIES = deltalake.WriterProperties(compression="ZSTD")
# A dictionary and the largest value in the footer would store a large content twice more
OF_BINARY = deltalake.ColumnProperties(dictionary_enabled=False, statistics_enabled="NONE")
HOT_PATH = deltalake.PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
"""A clean-up after every commit would list the whole log; `lakebatch.storage.delta.checkpoints` writes checkpoints."""


class Handle(deltalake.DeltaTable):
    """A deltalake table with plain paths in place of percent-encoded ones."""

    @property
    def root(self) -> str:
        """The path of the table, or its URI on S3."""
        uri = unquote(self.table_uri.rstrip("/"))
        return without_slash(uri.removeprefix("file://")) if uri.startswith("file://") else uri

    def file_uris(self, *arguments: Any, **options: Any) -> list[str]:
        """Return the paths or URIs of the files."""
        return [unquote(uri) for uri in super().file_uris(*arguments, **options)]

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [field.name for field in self.schema().fields]

    @property
    def validator(self) -> Validator | None:
        """The validator of the newest log entry, see `Place.validator`; None if it has to be asked for."""
        return None

    @property
    def is_fresh(self) -> bool:
        """Whether a commit may start from this state without a look for a newer one."""
        return False

    def catch_up(self) -> None:
        """Read the commits that others have made since."""
        self.update_incremental()

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Let the engine commit; its commits are in the table at the end."""
        yield


def writer_properties(binary: Iterable[str]) -> deltalake.WriterProperties:
    """Return how files are written, given the names of the columns of bytes."""
    of_each = dict.fromkeys(binary, OF_BINARY)
    if not of_each:
        return WRITER_PROPERTIES
    return deltalake.WriterProperties(compression="ZSTD", column_properties=of_each)


def plain_table(frame: pl.DataFrame, required: Collection[str] = ()) -> pa.Table:
    """Return a frame as an Arrow table of plain types: strings, bytes and lists, which every engine reads.

    Parameters
    ----------
    required : collection of str
        Columns that the table declares NOT NULL. The files have to say so too: some engines refuse others.
    """
    import pyarrow as pa

    plain = plain_schema(frame.clear().to_arrow().schema)
    schema = pa.schema([each.with_nullable(_may_be_null(frame, each.name, required)) for each in plain])
    return pa.concat_tables(
        [
            pa.Table.from_batches([], schema),
            *(each.to_arrow().cast(schema) for each in frame.iter_slices(SLICE_ROWS)),
        ]
    )


def _may_be_null(frame: pl.DataFrame, name: str, required: Collection[str]) -> bool:
    """Whether a column can be NULL; the engine itself refuses a NULL where there must be none."""
    return name not in required or frame[name].null_count() > 0


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Return a schema with the plain type of each column.

    >>> import pyarrow as pa
    >>> print(plain_schema(pa.schema({"parts": pa.large_list(pa.string_view())})))
    parts: list<item: string>
      child 0, item: string
    """
    import pyarrow as pa

    return pa.schema(list(map(_plain_field, schema)))


def plain_type(dtype: pa.DataType) -> pa.DataType:
    """Return the plain type that holds the same values; categories become their strings."""
    import pyarrow as pa

    kinds = pa.types
    if kinds.is_large_string(dtype) or kinds.is_string_view(dtype):
        return pa.string()
    if kinds.is_large_binary(dtype) or kinds.is_binary_view(dtype):
        return pa.binary()
    if kinds.is_dictionary(dtype):
        return plain_type(dtype.value_type)
    if kinds.is_fixed_size_list(dtype):
        return pa.list_(_plain_field(dtype.value_field), dtype.list_size)
    if kinds.is_list(dtype) or kinds.is_large_list(dtype) or kinds.is_list_view(dtype):
        return pa.list_(_plain_field(dtype.value_field))
    if kinds.is_struct(dtype):
        return pa.struct([_plain_field(each) for each in dtype])
    return dtype


def _plain_field(field: pa.Field) -> pa.Field:
    return field.with_type(plain_type(field.type)).remove_metadata()


def is_plain(footer: Mapping[str, str]) -> bool:
    """Whether a data file has plain types only, by the metadata of its footer."""
    import pyarrow as pa

    recorded = footer.get(ARROW_SCHEMA)
    if recorded is None:
        return True
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(recorded)))
    return all(each.type == plain_type(each.type) for each in schema)


def with_retries(call: Callable[[], Answer]) -> Answer:
    """Return the answer of an engine's call, repeated while S3 cannot be reached."""
    process.check_fork()
    return retry.READS.call(call, ENGINE_ERRORS, retry.is_transient)


@contextmanager
def preserve_interrupt() -> Iterator[None]:
    """Raise Ctrl-C as `KeyboardInterrupt`; inside its calls back into Python, the engine raises it as `ValueError`."""
    try:
        yield
    except ValueError as error:
        if KeyboardInterrupt.__name__ in str(error):
            raise KeyboardInterrupt from error
        raise


def is_final(error: Exception) -> bool:
    """Whether no repetition of a commit can mend an error."""
    is_refused_by_engine = any(words in str(error) for words in (BROKEN_CONSTRAINT, FOREIGN))
    return isinstance(error, SchemaMismatchError) or is_refused_by_engine or retry.is_final(error)


def retry_commit(call: Callable[[], Answer]) -> Answer:
    """Return the answer of a call that commits, repeated while other writers are in the way."""
    return retry.COMMITS.call(call, ENGINE_ERRORS, lambda error: not is_final(error))


def with_fingerprint(metadata: Mapping[str, str], data: Data, schema: TableSchema) -> dict[str, str]:
    """Return a commit's metadata with the fingerprint of a frame and a copy of its volatile columns.

    The metadata of a stream has both already.
    """
    if not isinstance(data, pl.DataFrame):
        return dict(metadata)
    # these need numpy, and reading does not
    from lakebatch.storage.delta.commit_metadata import COPY, copied_columns, encode, fingerprint

    names = copied_columns(schema)
    copy = encode(data.select(names)) if names else None
    return {**metadata, FINGERPRINT: fingerprint([data])} | ({COPY: copy} if copy else {})
