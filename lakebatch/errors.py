"""Every error that lakebatch raises on purpose, and its warnings.

::

    LakebatchError                   shown by the command line as one line, exit code 1
    ├── ConfigError (ValueError)         a key, a value or a combination that cannot be run
    ├── UnknownNameError (LookupError)   an experiment, preset, query or assembly that does not exist
    ├── NameClashError (ValueError)      two experiments or queries that claim one name
    ├── StorageError (OSError)           a lake that cannot be reached, read or written
    │   └── DamageError (OSError)            a file of a table that is missing, cut off or unreadable
    ├── SchemaError (TypeError)          a frame or a table without the required columns
    ├── CommitError (RuntimeError)       an append that was refused, or whose outcome is unknown
    ├── AssemblyError (RuntimeError)     an assembly in the wrong state for the request
    ├── RunInterrupted (KeyboardInterrupt)   a run that was stopped and can be resumed, exit code 130
    ├── IncompleteError (RuntimeError)   a dataset with a gap, where a complete one was required
    ├── MixtureError (RuntimeError)      a dataset of several configs, codes or packages, where one was required
    ├── LegacyError (ValueError)         a file of the older layout that cannot be imported
    ├── QueryError (ValueError)          SQL that cannot be executed
    ├── LimitError (RuntimeError)        a query that exceeds its time or memory limit
    ├── ClusterError (RuntimeError)      a cluster that cannot be reached, or would compute other rows than this machine
    ├── ForkError (RuntimeError)         a read in a process that was forked after its parent had read
    ├── MissingDependencyError (ImportError)   an optional package that is not installed
    └── ExperimentError (RuntimeError)   an experiment that broke its contract or could not compute
        └── SimulationError (ArithmeticError)  an integration that failed, or a value that is not finite

Each takes its message alone, so each survives pickling on its way out of a worker process.
"""

import sys
import warnings
from types import FrameType

from lakebatch._text import redact

# Packages whose frames stand between a call of lakebatch and its warning
OWN = {"lakebatch", "contextlib", "functools"}


class LakebatchError(Exception):
    """Base of every error that lakebatch raises on purpose; its message holds no secret."""

    def __init__(self, message: str = "") -> None:
        super().__init__(redact(message))


class ConfigError(LakebatchError, ValueError):
    """A key, a value or a combination of values that cannot be run."""


class UnknownNameError(LakebatchError, LookupError):
    """An experiment, preset, query or assembly that does not exist; the message lists those that do."""


class NameClashError(LakebatchError, ValueError):
    """Two experiments or queries that claim the same name."""


class StorageError(LakebatchError, OSError):
    """A lake that cannot be reached, read or written."""


class DamageError(StorageError, OSError):
    """A file of a table that is missing, cut off or unreadable; the message names the file and the remedy.

    Attributes
    ----------
    assembly_id : str or None
        The assembly whose rows the file has, where it is known.
    """

    assembly_id: str | None = None


class SchemaError(LakebatchError, TypeError):
    """A frame or a table without the required columns."""


class CommitError(LakebatchError, RuntimeError):
    """An append that was refused, or whose outcome is unknown."""


class AssemblyError(LakebatchError, RuntimeError):
    """An assembly that is in the wrong state for the request."""


class RunInterrupted(LakebatchError, KeyboardInterrupt):  # noqa: N818
    """A run that was stopped on request; its committed parts stay, and the others can be resumed."""


class IncompleteError(LakebatchError, RuntimeError):
    """A dataset with a gap, where a complete one was required."""


class MixtureError(LakebatchError, RuntimeError):
    """A mixture of configs, code or packages in a dataset, which was to be refused."""


class LegacyError(LakebatchError, ValueError):
    """A file of the older layout that cannot be imported."""


class QueryError(LakebatchError, ValueError):
    """SQL that cannot be executed."""


class LimitError(LakebatchError, RuntimeError):
    """A query that exceeds its time or memory limit."""


class ClusterError(LakebatchError, RuntimeError):
    """A cluster that cannot be reached, or would compute other rows than this machine."""


class ForkError(LakebatchError, RuntimeError):
    """A read in a process that was forked after its parent had read, where it would wait forever."""


class MissingDependencyError(LakebatchError, ImportError):
    """An optional package that is not installed; the message says what to install."""


class ExperimentError(LakebatchError, RuntimeError):
    """An experiment that broke its contract or could not compute a part."""


class SimulationError(ExperimentError, ArithmeticError):
    """An integration that failed, or a trajectory with a value that is not finite."""


class IncompleteWarning(UserWarning):
    """A dataset with a gap; the message names it."""


class DamageWarning(UserWarning):
    """Damage in the lake that was left out so that the rest can be read; the message names it."""

    def __init__(self, message: str = "") -> None:
        super().__init__(redact(message))


class UnreadableWarning(DamageWarning):
    """A file, table or commit that cannot be read and was left out; commands end with exit code 1."""


class MixtureWarning(UserWarning):
    """Rows of several configs, sources or experiment versions that are read together; the message names them."""

    def __init__(self, message: str = "") -> None:
        super().__init__(redact(message))


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the first line outside lakebatch on the way up from here.

    A fixed ``stacklevel`` would be right for one way to a warning and wrong for the others.
    """
    frame: FrameType | None = sys._getframe(1)
    level = 2
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in OWN:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
