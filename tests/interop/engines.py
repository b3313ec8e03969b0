"""The engines, each run in its own process, and what is known of each."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import environments

SCRIPTS = Path(__file__).parent / "scripts"
LIMIT_SECONDS = 120


@dataclass(frozen=True)
class Engine:
    """An engine: the name of the page, and its script."""

    name: str
    script: str

    @property
    def path(self) -> Path:
        """The script."""
        return SCRIPTS / self.script

    @property
    def query(self) -> str:
        """The source of its grouped means and of what they need, as the page has it."""
        lines = self.path.read_text().splitlines()
        begin = next(n for n, line in enumerate(lines) if line.startswith(('"""', "const { compressors")))
        end = next(n for n, line in enumerate(lines) if line.startswith(("def count", "const plain")))
        text = "\n".join(line for line in lines[begin + 1 : end] if line != "import answers")
        return text.strip().replace("\n\n\n", "\n\n")

    def ask(self, questions: Mapping[str, Any]) -> dict[str, Any]:
        """Return its answers, and the versions of its packages.

        Raises
        ------
        NotToBeHadError
            If its environment cannot be made here.
        """
        done = subprocess.run(
            self._command(),
            input=json.dumps(questions),
            env={**os.environ, **self._environment()},
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
        )
        if not done.stdout:
            raise RuntimeError(f"{self.name} gave no answer: {done.stderr[-2000:]}")
        answers: dict[str, Any] = json.loads(done.stdout)
        return answers

    def _command(self) -> list[str]:
        return ["node" if self.path.suffix == ".mjs" else str(environments.python()), str(self.path)]

    def _environment(self) -> dict[str, str]:
        return {"NODE_FOLDER": str(environments.node())} if self.path.suffix == ".mjs" else {}


ENGINES = (
    Engine("deltalake, pyarrow", "read_deltalake.py"),
    Engine("deltalake, pandas", "read_pandas.py"),
    Engine("polars", "read_polars.py"),
    Engine("polars-deltalake", "read_polars_deltalake.py"),
    Engine("DuckDB, delta", "read_duckdb.py"),
    Engine("chDB (ClickHouse)", "read_chdb.py"),
    Engine("DataFusion", "read_datafusion.py"),
    Engine("Daft", "read_daft.py"),
    Engine("Sail (Spark Connect)", "read_sail.py"),
    Engine("Dask, dask-deltatable", "read_dask.py"),
    Engine("Delta Sharing's kernel", "read_sharing_kernel.py"),
    Engine("delta-arrow-reader", "read_arrow_reader.py"),
    Engine("hyparquet (Node)", "read_hyparquet.mjs"),
)


KERNEL = "delta-kernel-rust-sharing-wrapper 0.3.3 has no argument for a version."
KNOWN = {
    ("Delta Sharing's kernel", "results: tag before a checkpoint"): KERNEL,
    ("Delta Sharing's kernel", "results: tag after it"): KERNEL,
    ("Delta Sharing's kernel", "published: first tag"): KERNEL,
    ("Delta Sharing's kernel", "published: second tag"): KERNEL,
}
"""What an engine cannot do, by engine and question; a test fails when it can."""
