"""Batch script of an array job whose tasks share one assembly."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from lakebatch.settings import require_working_folder
from lakebatch.storage import Storage

DEFAULT_TASKS = 8
SCRIPT = """\
#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --array=1-{tasks}
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@120        # two minutes before the end: finished parts are committed, the rest can be resumed
#SBATCH --requeue
#SBATCH --output={name}-%A_%a.log

{note}{environment}export PATH={path}:$PATH
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK
cd {folder} || exit 1
srun {command} --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --executor local --jobs "$SLURM_CPUS_PER_TASK"
"""
OF_ASSEMBLY = """\
# Each task computes one shard of the same assembly, which all tasks find by the id of the array job. The last task to
# finish completes the assembly. If a task was lost, list the missing parts with
#   {program} completeness {name}
# and compute them: in the last line, replace the words between "lakebatch ..." and "--shard" by
# "resume {name} ASSEMBLY", and submit this script again.
"""
OF_SWEEP = """\
# Each task computes its share of the {assemblies} assemblies of one sweep, which all tasks find by its name or, without
# --sweep-name, by the id of the array job. If a task was lost, list the missing points with
#   {program} sweeps {name} SWEEP
# and compute them: in the last line, replace the words between "lakebatch ..." and "--shard" by
# "resume {name} SWEEP", and submit this script again.
"""
S3_NOTE = """\
# The lake is on S3. This file holds no keys: set S3_ACCESS_KEY and S3_SECRET_KEY in the shell that submits it.
"""


def batch_script(name: str, arguments: Sequence[str], storage: Storage, parts: int, tasks: int | None) -> str:
    """Return a script for SLURM that runs an experiment as an array job.

    Parameters
    ----------
    arguments : sequence of str
        Arguments of ``lakebatch run`` for the experiment and its config; the script adds place and lake.
    parts : int
        Part count, the largest useful number of tasks.
    tasks : int, optional
        Task count.
    """
    program = f"lakebatch --lake {shlex.quote(storage.uri)}"
    note = OF_ASSEMBLY.format(program=program, name=name)
    return _script(name, arguments, storage, min(tasks or DEFAULT_TASKS, parts), note)


def sweep_batch_script(
    name: str, arguments: Sequence[str], storage: Storage, sizes: tuple[int, int], tasks: int | None
) -> str:
    """Return a script for SLURM that runs a sweep as an array job.

    Parameters
    ----------
    sizes : pair of int
        Counts of assemblies and of their parts. By default there is no more than one task per assembly; more tasks,
        up to one per part, share the parts of each assembly.
    """
    assemblies, parts = sizes
    program = f"lakebatch --lake {shlex.quote(storage.uri)}"
    note = OF_SWEEP.format(program=program, name=name, assemblies=assemblies)
    most = min(DEFAULT_TASKS, assemblies) if tasks is None else min(tasks, parts)
    return _script(name, arguments, storage, most, note)


def _script(name: str, arguments: Sequence[str], storage: Storage, tasks: int, note: str) -> str:
    program = f"lakebatch --lake {shlex.quote(storage.uri)}"
    return SCRIPT.format(
        name=name,
        tasks=tasks,
        note=note,
        command=f"{program} {shlex.join(['run', *arguments])}",
        environment="" if storage.is_local else S3_NOTE,
        path=shlex.quote(str(Path(sys.executable).parent)),
        folder=shlex.quote(str(require_working_folder())),
    )
