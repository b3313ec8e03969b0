"""Exit codes of commands."""

ERROR = 1
USAGE = 2
FAILED_PARTS = 3
INTERRUPTED = 130
