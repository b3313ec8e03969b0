"""A folder of the older layout with every kind of damage."""

import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

LIST = """assembly_id,timestamp,status
0.0,20251216_142230,completed
0.05,20251216_143101,completed
0.1,20251216_144012,started
0.1,20251216_144013,completed
0.2,20251216_145011,completed
0.3,20251216_150033,completed
20251216_142230_run001,20251216_142230,completed
"""


class Hostile:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch '{self.marker}'",)


def results(level, seed=0, rows=4):
    """Return rows as the older layout saved them."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "Model": ["Linear Regression", "Neural Network"] * (rows // 2),
            "Feature Data": ["dynamic_data"] * rows,
            "Mean Squared Error": rng.uniform(0, 9, rows),
            "R2 Score": rng.uniform(-1, 1, rows),
            "Pearson Correlation": rng.uniform(-1, 1, rows),
            "Pearson P-Value": rng.uniform(0, 1, rows),
            "Response Noise Level": level,
            "Assembly ID": str(level),
            "Timestamp": "2025-12-16T14:22:30.123456",
        }
    )


@pytest.fixture
def old_results():
    """Return `results`."""
    return results


@pytest.fixture
def old_folder(tmp_path) -> Path:
    """Return a study of three levels with inconsistent list, files and contents.

    The baseline is listed as ``0.0`` and written as ``0``; 0.1 is listed twice; the file of 0.2 is missing;
    that of 0.3 is cut off; 0.5 is not listed; one file is hostile; one assembly has an id of its own.
    """
    folder = tmp_path / "03_v1_batch-response-noise"
    folder.mkdir()
    (folder / "assembly_list.csv").write_text(LIST)
    for level in (0, 0.05, 0.1, 0.5):
        results(level).to_pickle(folder / f"response_noise_results_{level}.pkl")
    results(0.1, seed=7).to_pickle(folder / "response_noise_results_20251216_142230_run001.pkl")
    whole = pickle.dumps(results(0.3))
    (folder / "response_noise_results_0.3.pkl").write_bytes(whole[: len(whole) // 2])
    (folder / "response_noise_results_9.pkl").write_bytes(pickle.dumps(Hostile(tmp_path / "was-here")))
    (folder / "notes.txt").write_text("remember the baseline")
    return folder
