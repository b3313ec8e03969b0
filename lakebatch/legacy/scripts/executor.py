"""`create_batch_executor` and its `BatchExecutor`, on a lake."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from lakebatch._public import readable
from lakebatch.assembly import lease
from lakebatch.assembly.record import Assembly, latest
from lakebatch.errors import AssemblyError, ConfigError
from lakebatch.ids import check_no_secret
from lakebatch.legacy.frames.levels import as_level, same_id
from lakebatch.legacy.frames.record import Saved, ensure, original_ids, record, write
from lakebatch.legacy.frames.table import check_frame_name
from lakebatch.legacy.scripts import attempts, reading
from lakebatch.legacy.scripts.opening import open_experiment
from lakebatch.legacy.scripts.pandas_frames import load_pandas, to_polars
from lakebatch.maintenance import published

if TYPE_CHECKING:
    import os

    import pandas as pd

    from lakebatch.lake.experiment import StoredExperiment

Value = TypeVar("Value")


@readable
def create_batch_executor(
    notebook_name: str,
    exp_number: str,
    version_number: str = "v1",
    section_number: str | None = None,
    storage_backend: Literal["local", "s3"] | None = None,
    lake: str | os.PathLike[str] | None = None,
) -> BatchExecutor:
    """Open an experiment of a lake by the names of the older interface; its frames are pandas frames.

    Parameters
    ----------
    notebook_name, exp_number, version_number : str
        Name the folder, ``{exp_number}_{version_number}_{notebook_name}``. ``batch-response-noise`` is the experiment
        ``response-noise``, and so with every experiment that can be run.
    section_number : str, optional
        Ignored; older callers pass it.
    storage_backend : {"local", "s3"}, optional
        The storage that the lake must have; any by default.
    lake : optional
        The lake, as for `lakebatch.open_lake`.

    Raises
    ------
    ConfigError
        If no experiment can have the names, or the lake is not on the given ``storage_backend``.
    MissingDependencyError
        If pandas is not installed.
    """
    load_pandas()
    return BatchExecutor(open_experiment(notebook_name, exp_number, version_number, storage_backend, lake))


class BatchExecutor:
    """The assemblies of one experiment, which are begun, filled and completed by hand.

    Attributes
    ----------
    current_assembly_id : str or None
        The assembly that was begun last; frames are saved in it.
    """

    def __init__(self, stored: StoredExperiment) -> None:
        self.stored = stored
        self.current_assembly_id: str | None = None
        self._current: Assembly | None = None
        self._names: dict[str, None] = {}
        self._lease = ExitStack()

    def __getstate__(self) -> dict[str, Any]:
        """Leave the lease out, which this process renews."""
        return {**self.__dict__, "_lease": ExitStack()}

    def __repr__(self) -> str:
        return f"BatchExecutor({self.stored.storage.join(self.stored.folder)!r})"

    def generate_assembly_id(self, config_value: Any = None) -> str:
        """Begin an assembly and return its id: the value, such as a level, or a new id without one.

        An earlier attempt at the same value that was not completed is discarded. A completed value stays completed:
        the same rows saved again add nothing, and other rows are refused.
        """
        ensure(self.stored)
        wanted = None if config_value is None else check_no_secret(same_id(config_value), "assembly")
        self._lease.close()
        with ExitStack() as leases:
            held = leases.enter_context(lease.hold(self.stored.storage, self.stored.folder))
            self._current = attempts.begin(self.stored, wanted, held)
            self._lease = leases.pop_all()
        self._names = {}
        self.current_assembly_id = wanted or self._current.assembly_id
        return self.current_assembly_id

    def save_batch_data(self, data: pd.DataFrame, data_name: str) -> None:
        """Save a frame of the current assembly under a name, exactly once.

        Raises
        ------
        ConfigError
            If no assembly is begun, no table can have the name, or the frame has no rows.
        AssemblyError
            If other rows were saved under this name already, or the assembly is completed without it.
        """
        assembly = self._require_current()
        frame = to_polars(data)
        if frame.is_empty():
            raise ConfigError(f"The frame to save as {data_name!r} has no rows. Expected one or more.")
        self._check_open(assembly, check_frame_name(data_name))
        level = as_level(self.current_assembly_id)
        write(self.stored, assembly, Saved(data_name, data_name, frame, level))
        self._names[data_name] = None

    def mark_assembly_completed(self) -> None:
        """Record the current assembly as completed: re-assembly reads it from now on."""
        self._end("completed", None)

    def mark_assembly_failed(self, error: str) -> None:
        """Record the current assembly as failed, and why: re-assembly leaves it out."""
        self._end("failed", error)

    def get_assembly_status(self, assembly_id: Any) -> str:
        """Return 'started', 'completed' or 'failed'; 'not_found' if it was never begun or is discarded."""
        found = attempts.find(self._assemblies(), same_id(assembly_id))
        return found.status if found else "not_found"

    def load_assembly_list(self) -> pd.DataFrame:
        """Return a frame with one row per assembly: assembly_id, timestamp (UTC) and status."""
        return reading.assembly_list(self._events())

    def get_pending_assemblies(self, config_value_list: Iterable[Value]) -> list[Value]:
        """Return the values without a completed assembly; 0 and 0.0 are equal."""
        completed = {wanted for each in self._completed() for wanted in original_ids(each)}
        return [value for value in config_value_list if same_id(value) not in completed]

    def cleanup_assembly_list(self) -> bool:
        """Return True: an assembly is listed once, so there is nothing to clean up."""
        return True

    def sequential_reassembly(
        self, data_file_common_name: str, data_path: str | None = None, auto_clean: bool = True
    ) -> pd.DataFrame:
        """Return the frames that all completed assemblies saved under a name, as one frame.

        Saved frames come in the order of their assemblies. If results have this name, the results that runs computed
        follow. A warning names missing frames. The other arguments are ignored; older callers pass them.

        Raises
        ------
        ConfigError
            If nothing is completed, or nothing completed was saved under this name.
        """
        check_frame_name(data_file_common_name)
        completed = self._completed()
        if not completed:
            raise ConfigError(
                f"There is no completed assembly in {self.stored.storage.join(self.stored.folder)}. Complete one first."
            )
        return reading.reassemble(self.stored, data_file_common_name, completed)

    def _end(self, status: Literal["completed", "failed"], error: str | None) -> None:
        assembly = self._require_current()
        names = tuple(self._names)
        self._current = record(self.stored, assembly, status, parts=names, done=len(names), error=error)
        self._lease.close()
        published.bring_up_to_date(self.stored)

    def _require_current(self) -> Assembly:
        if self._current is None:
            raise ConfigError("No assembly is begun. Call generate_assembly_id() first.")
        return self._current

    def _check_open(self, assembly: Assembly, name: str) -> None:
        """Refuse a new name in a completed assembly, and any name in a discarded one."""
        newest = self.stored.log.get(assembly.assembly_id)
        done = newest.status == "discarded" or (newest.status == "completed" and name not in newest.parts)
        if done:
            raise AssemblyError(
                f"{self.current_assembly_id} is {newest.status}, nothing more can be saved in it as {name!r}. "
                "Begin an assembly with generate_assembly_id()."
            )

    def _events(self) -> Any:
        return self.stored.log.events() if self.stored.exists() else None

    def _assemblies(self) -> Sequence[Assembly]:
        events = self._events()
        return [] if events is None else latest(events)

    def _completed(self) -> list[Assembly]:
        return [each for each in self._assemblies() if each.status == "completed"]
