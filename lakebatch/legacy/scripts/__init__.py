"""The older interface: batches saved as pandas frames and re-assembled by the name they were saved under."""

from lakebatch.legacy.scripts.executor import BatchExecutor, create_batch_executor

__all__ = ["BatchExecutor", "create_batch_executor"]
