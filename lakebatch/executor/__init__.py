"""Where parts are computed: in this process, in processes of this machine, or on a Dask cluster."""

from lakebatch.executor.base import DIED, Executor, never
from lakebatch.executor.local import Local

__all__ = ["DIED", "Executor", "Local", "never"]
