"""Errors of DuckDB: of the query itself, of damaged files, of too little memory."""

from __future__ import annotations

import duckdb

from lakebatch.errors import LimitError, QueryError

# Errors of the query itself, never of a damaged file
QUERY_ERRORS = (
    duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException, duckdb.ConversionException,
    duckdb.OutOfRangeException, duckdb.ConstraintException, duckdb.TypeMismatchException, duckdb.SyntaxException,
    duckdb.NotImplementedException, duckdb.InterruptException,
)  # fmt: skip
# DuckDB's words for an error of a dataset of Arrow, and for one of a file
OF_FILES = ("reading the Arrow source", "file")


def may_be_damage(error: duckdb.Error) -> bool:
    """Whether a damaged file may have caused an error."""
    if isinstance(error, QUERY_ERRORS):
        return False
    return not isinstance(error, duckdb.InvalidInputException) or any(
        words in str(error) for words in OF_FILES
    )


def query_error(error: duckdb.Error) -> QueryError | LimitError:
    """Return an error of DuckDB as one line of lakebatch's own."""
    line = " ".join(str(error).split())
    if isinstance(error, duckdb.OutOfMemoryException):
        return LimitError(
            f"The query needs more memory than it may use: {line} Allow more with memory_limit='8GB' (--memory 8GB)"
        )
    return QueryError(f"DuckDB cannot answer this: {line}")
