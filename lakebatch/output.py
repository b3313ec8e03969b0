"""A frame as a file: Parquet, CSV or Arrow; whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl

from lakebatch.errors import ConfigError, StorageError

ENDINGS = (".parquet", ".csv", ".arrow")


def check_name(file: Path) -> None:
    """Raise `ConfigError` unless the file's name ends in a known way."""
    if file.suffix not in ENDINGS:
        raise ConfigError(f"Cannot write {file}. Expected a name that ends in {', '.join(ENDINGS)}.")


def write(frame: pl.DataFrame, file: Path) -> None:
    """Write a frame in the form that the file's name says; an earlier file is replaced only when all is written."""
    check_name(file)
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        _write(frame, partial, file.suffix)
        partial.replace(file)
    except OSError as error:
        raise StorageError(f"Cannot write {file}: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _write(frame: pl.DataFrame, file: Path, ending: str) -> None:
    if ending == ".parquet":
        frame.write_parquet(file)
    elif ending == ".csv":
        frame.write_csv(file)
    else:
        frame.write_ipc(file)
