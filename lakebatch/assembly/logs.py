"""The logs of runs, in the table ``logs``."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Literal, TypeAlias, get_args

import polars as pl

from lakebatch import _process as process
from lakebatch._text import nearest
from lakebatch.assembly import log_capture
from lakebatch.assembly.log_capture import AS_LEVEL, LogCapture, LogLine
from lakebatch.assembly.record import Assembly
from lakebatch.assembly.shards import Shard
from lakebatch.errors import ConfigError, LakebatchError, RunInterrupted, StorageError, UnknownNameError
from lakebatch.storage.delta import damage
from lakebatch.storage.delta.reader import read_latest
from lakebatch.storage.delta.schema import conform
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.version import TableVersion

logger = logging.getLogger(__name__)

NAME = "logs"
Level: TypeAlias = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
LEVELS: tuple[Level, ...] = get_args(Level)
FIRST_SECONDS, WRITE_SECONDS = 60.0, 180.0
# from the start to the first write and between two writes; a process that is killed loses the records since the last
MAX_WAITING = 5_000
# records that are written at once, whatever the time


COMMITTED = "part %s: computed in %.2f s, committed in %.2f s as version %s"
"""The record of a committed part, from which `seconds_of_parts` reads."""
SECONDS = r"^part .*: computed in (\d+\.\d+) s, committed in "


def seconds_of_parts(log: pl.DataFrame) -> dict[str, float]:
    """Return the seconds of computing of each part that a log has, by part key."""
    seconds = pl.col("message").str.extract(SECONDS).cast(pl.Float64)
    return dict(log.select("part", seconds).drop_nulls().iter_rows())


class LogTable:
    """The logs of one experiment's assemblies, in the table ``logs``."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def read(self, assembly: Assembly, *, level: str | None = None, part: str | None = None) -> pl.DataFrame:
        """Return the records of an assembly in the order in which they were made.

        Parameters
        ----------
        level : Level, optional
            Records of this level and those above it; all by default.
        part : str, optional
            The key of a part: records about it alone.

        Raises
        ------
        ConfigError
            If there is no such level.
        UnknownNameError
            If the assembly plans no such part.
        """
        wanted = pl.col("level").is_in(levels_from(level))
        if part is not None:
            wanted &= pl.col("part") == _known(part, assembly)
        if not self.table.exists():
            return pl.DataFrame(schema=self.table.schema.polars)
        rows = read_latest(self.table, lambda now: _rows(now, assembly.assembly_id, wanted))
        return rows.sort("at", "event", "line")


class RunLog:
    """The log of one process that works on an assembly; a log that cannot be written does not end the run."""

    def __init__(self, table: Table, assembly: Assembly, shard: Shard, capture: LogCapture) -> None:
        self._table = table
        self._assembly_id = assembly.assembly_id
        self._event = assembly.event
        self._shard = None if shard.is_whole else str(shard)
        self._capture = capture
        self._written = 0
        self._may_be_ahead = False
        self._next = time.monotonic() + FIRST_SECONDS

    def write_if_due(self) -> None:
        """Write the records once there are many, or the last write was some minutes ago."""
        if time.monotonic() >= self._next or len(self._capture.waiting()) >= MAX_WAITING:
            self.write()

    def write(self) -> None:
        """Append the records that are not yet written, in one commit, each exactly once."""
        self._next = time.monotonic() + WRITE_SECONDS
        if not (lines := self._capture.waiting()):
            return
        try:
            self._append(lines)
        except LakebatchError as error:
            self._may_be_ahead = True
            logger.warning("The log of %s was not written to the lake: %s", self._assembly_id, error)
            return
        self._written += len(lines)
        self._capture.drop(len(lines))

    def _append(self, lines: Sequence[LogLine]) -> None:
        self._table.ensure()
        rows = self._frame(lines)

        def data_after(state: TableVersion, last: int) -> pl.DataFrame | None:
            # the first attempt of all knows that none of its records is there
            written = self._last_line(state) if self._may_be_ahead else self._written
            self._may_be_ahead = True
            left = rows.filter(pl.col("line") > written)
            return None if left.is_empty() else left

        self._table.append_once(self._assembly_id, data_after, {"lakebatch.assembly_id": self._assembly_id})
        self._may_be_ahead = False

    def _last_line(self, state: TableVersion) -> int:
        own = pl.col("event") == self._event
        found = read_latest(self._table, lambda now: _rows(now, self._assembly_id, own), state)["line"].max()
        return found if isinstance(found, int) else 0

    def _frame(self, lines: Sequence[LogLine]) -> pl.DataFrame:
        constant = {
            "assembly_id": self._assembly_id,
            "event": self._event,
            "shard": self._shard,
            "host": process.host(),
            "pid": os.getpid(),
        }
        first = self._written + 1
        rows = [constant | {"line": line} | asdict(each) for line, each in enumerate(lines, first)]
        return conform(pl.DataFrame(rows, schema=self._table.schema.polars), self._table.schema)


@contextmanager
def recorded(table: Table, assembly: Assembly, shard: Shard) -> Iterator[RunLog]:
    """Write the records within the block to the lake, at the latest at its end, with the error that ends it."""
    with log_capture.captured() as capture:
        log = RunLog(table, assembly, shard, capture)
        try:
            yield log
        except BaseException as error:
            _log_end(error)
            if isinstance(error, StorageError) and not table.storage.is_local:
                logger.warning("The last records of %s are not in the lake.", assembly.assembly_id)
            else:
                log.write()
            raise
        log.write()


def _log_end(error: BaseException) -> None:
    if isinstance(error, KeyboardInterrupt | RunInterrupted):
        logger.info("%s", str(error) or "interrupted at once")
    else:
        logger.debug(
            "the run ended with %s: %s",
            type(error).__name__,
            error,
            exc_info=not isinstance(error, LakebatchError),
            extra={AS_LEVEL: "ERROR"},
        )


def _rows(table: TableVersion, assembly_id: str, wanted: pl.Expr) -> pl.DataFrame:
    return damage.read_rows(table, table.scan([assembly_id]).filter(wanted), [assembly_id])


def _known(part: str, assembly: Assembly) -> str:
    if part not in assembly.parts:
        raise UnknownNameError(
            f"{assembly.assembly_id} has no part {part!r}. {nearest(part, assembly.parts)}"
        )
    return part


def levels_from(level: str | None) -> Sequence[str]:
    """Return a level and those above it, by default all."""
    if level is None:
        return LEVELS
    if str(level).upper() not in LEVELS:
        raise ConfigError(f"Unknown level {level!r}. {nearest(str(level).upper(), LEVELS)}")
    return LEVELS[LEVELS.index(str(level).upper()) :]
