"""What the tests of pictures share: a small real cohort."""

from pathlib import Path

import pytest

import lakebatch

SMALL = ["cohort.n_samples=12", "levels=[0, 0.3]", "evaluation.n_reps=1", 'evaluation.models=["linear_regression"]',
         'evaluation.feature_sets=["initial"]', "spec.n_regs=2"]  # fmt: skip


@pytest.fixture(scope="session")
def cohort_lake(tmp_path_factory: pytest.TempPathFactory) -> lakebatch.Lake:
    """Return a lake with one small run of the built-in network; to be read only."""
    lake = lakebatch.open_lake(Path(tmp_path_factory.mktemp("cohort")) / "lake")
    lakebatch.run(lake, "response-noise", jobs=1, settings=SMALL)
    return lake
