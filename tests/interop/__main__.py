"""Write the matrix of engines into the manual: ``python tests/interop``."""

import os
import sys
import tempfile
import warnings
from pathlib import Path

os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")
sys.path.append(str(Path(__file__).parents[1] / "faults"))

import life
import matrix
from engines import ENGINES
from questions import Questions


def main() -> None:
    """Ask every engine, and write what it answers."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="lakebatch-") as folder:
        questions = Questions(life.live(Path(folder, "life")))
        answers = {engine.name: engine.ask(questions.asked) for engine in ENGINES}
        table = matrix.table(answers, questions.expected)
    matrix.write("matrix", table)
    matrix.write("queries", matrix.queries())


if __name__ == "__main__":
    main()
