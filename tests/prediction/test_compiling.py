"""Machine code that is kept between processes is that of the present sources."""

import subprocess
import sys
from pathlib import Path

CODE = """
from lakebatch.experiments.compilation.compiling import compiled

from factor import FACTOR


@compiled
def scaled(value):
    return FACTOR * value
"""
RUN = "from code_of_test import scaled; print(scaled(21), sum(scaled.stats.cache_hits.values()))"


def run(folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", RUN], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_machine_code_is_kept_until_any_file_of_its_folder_changes(tmp_path: Path) -> None:
    (tmp_path / "code_of_test.py").write_text(CODE)
    (tmp_path / "factor.py").write_text("FACTOR = 2\n")
    assert run(tmp_path) == "42 0"
    assert run(tmp_path) == "42 1"
    (tmp_path / "factor.py").write_text("FACTOR = 3\n")
    assert run(tmp_path) == "63 0"
