"""DuckDB's own delta extension, in a separate process, because it needs another version of DuckDB than lakebatch."""

# ruff: noqa: T201
from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGES = ("duckdb==1.5.5", "duckdb-extension-delta", "duckdb-extensions")
IMPORT = """
import sys, time, duckdb
from duckdb_extensions import import_extension
connection = duckdb.connect()
import_extension("delta", con=connection)
"""
ONCE = f"{IMPORT}connection.execute(sys.argv[1]).fetchall()"
ANSWER = f"""{IMPORT}
print("ready", flush=True)
for _ in sys.stdin:
    began = time.perf_counter()
    connection.execute(sys.argv[1]).fetchall()
    print(time.perf_counter() - began, flush=True)
"""


@contextmanager
def extension_python() -> Iterator[Path | None]:
    """Yield a Python that has the extension; print why and yield None if packages are unavailable."""
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder, "bin", "python")
        try:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
            subprocess.run(
                [python, "-m", "pip", "install", "--quiet", *PACKAGES],
                check=True,
                capture_output=True,
                text=True,
            )
        except subprocess.CalledProcessError as error:
            print(f"DuckDB's delta extension is left out: {error.stderr}", file=sys.stderr)
            yield None
            return
        yield python


@contextmanager
def with_delta_extension(query: str) -> Iterator[Callable[[], float] | None]:
    """Yield a call that runs a query and returns its seconds; None without the extension."""
    with extension_python() as python:
        if python is None:
            yield None
            return
        with subprocess.Popen(
            [python, "-c", ANSWER, query], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            questions, answers = process.stdin, process.stdout
            assert answers.readline() == "ready\n"

            def seconds() -> float:
                print(file=questions, flush=True)
                return float(answers.readline())

            yield seconds
            questions.close()
