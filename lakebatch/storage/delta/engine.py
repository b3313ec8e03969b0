"""How the engine is called: what is ridden out, what is final, and the one line that an error becomes."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import deltalake
import polars as pl
from deltalake.exceptions import DeltaError, SchemaMismatchError, TableNotFoundError

from lakebatch.errors import StorageError
from lakebatch.storage import Storage
from lakebatch.storage.delta import diagnosis, forks
from lakebatch.storage.delta.schema import TableSchema
from lakebatch.storage.s3_errors import explain, may_pass, refusal

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Data: TypeAlias = "pl.DataFrame | pa.RecordBatchReader"

ATTEMPTS = 30
COMMIT_RETRIES = 200
"""Retries inside one commit; the library's default of 15 loses appends when many write at once."""
MAX_BACKOFF = 5.0
TIMEOUT_SECONDS = 300.0
"""How long a read is tried again while S3 cannot be reached: a run of days outlives a restart of the server."""
PERMANENT = ("Invalid data found", "AccessDenied", diagnosis.FOREIGN)
ENGINE_ERRORS = (DeltaError, OSError)
PART = "lakebatch.part"
"""In a commit's metadata: the part whose rows it added."""
FINGERPRINT = "lakebatch.fingerprint"
"""In a commit's metadata: the fingerprint of the rows it added."""
WRITER_PROPERTIES = deltalake.WriterProperties(compression="ZSTD")
HOT_PATH = deltalake.PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
"""Listing the log for clean-up on every commit costs more with every commit; checkpoints have their own rule."""


def patiently(call: Callable[[], Answer]) -> Answer:
    """Return what a call answers; while S3 is not reached or breaks off, it is made again."""
    forks.check()
    deadline = time.monotonic() + TIMEOUT_SECONDS
    attempt = 0
    while True:
        try:
            return call()
        except ENGINE_ERRORS as error:
            if time.monotonic() > deadline or not may_pass(str(error)):
                raise
            logger.info("attempt %d: %s", attempt + 1, error)
        pause(attempt)
        attempt += 1


@contextmanager
def preserve_interrupt() -> Iterator[None]:
    """Raise Ctrl-C as what it is: the engine calls back into Python, and takes one that comes then for a bad input."""
    try:
        yield
    except ValueError as error:
        if KeyboardInterrupt.__name__ in str(error):
            raise KeyboardInterrupt from error
        raise


def pause(attempt: int) -> None:
    """Wait before the next attempt, at random so that writers that collided do not collide again."""
    time.sleep(random.uniform(0, min(MAX_BACKOFF, 0.05 * 2**attempt)))


def is_permanent(error: Exception) -> bool:
    """Whether it makes no sense to try again."""
    text = str(error)
    return (
        isinstance(error, SchemaMismatchError | PermissionError)
        or any(hint in text for hint in PERMANENT)
        or diagnosis.is_refused_by_disk(text)
        or refusal(text) is not None
    )


def storage_error(storage: Storage, table: str, action: str, error: Exception) -> StorageError:
    """Return the error to raise when the engine could not do something to a table."""
    if isinstance(error, TableNotFoundError) and action != "create":
        return diagnosis.no_table(storage, table)
    if of_s3 := explain(str(error)):
        return StorageError(f"Cannot {action} {storage.join(table)}: {of_s3}")
    return diagnosis.explain(storage, table, action, error)


def with_fingerprint(metadata: Mapping[str, str], data: Data, schema: TableSchema) -> dict[str, str]:
    """Return a commit's metadata with the fingerprint of a frame, and a copy of what cannot be computed again.

    A stream comes with both.
    """
    if not isinstance(data, pl.DataFrame):
        return dict(metadata)
    from lakebatch.storage.delta.commit_copy import (  # these need numpy, and reading does not
        COPY,
        copied_columns,
        encode,
    )
    from lakebatch.storage.delta.fingerprint import fingerprint

    names = copied_columns(schema)
    copy = encode(data.select(names)) if names else None
    return {**metadata, FINGERPRINT: fingerprint([data])} | ({COPY: copy} if copy else {})
