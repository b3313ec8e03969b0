"""Old names of `lakebatch.experiments.degradation.measurement`, for experiments that import them."""

from .measurement import Measurement as Measured
from .measurement import Tables, cohort_tables, level_tables, restore
from .measurement import clean_measurement as truth

__all__ = ["Measured", "Tables", "cohort_tables", "level_tables", "restore", "truth"]
