"""The batch script of an array job whose tasks share one assembly."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from lakebatch.settings import require_working_folder
from lakebatch.storage import Storage

TASKS = 8
SCRIPT = """\
#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --array=1-{tasks}
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@120        # two minutes before the end: what is done is committed, the rest can be resumed
#SBATCH --requeue
#SBATCH --output={name}-%A_%a.log

# Each task computes its share of the parts of one assembly, on which all of them agree by the number of the array.
# Whichever task finishes last completes it. What is missing afterwards, if a task was lost, is named by
#   {program} completeness {name}
# and computed by submitting this script again with "resume {name} ASSEMBLY" for what stands between "lakebatch ..." and
# "--shard" in the last line.
{environment}export PATH={path}:$PATH
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK
cd {folder} || exit 1
srun {command} --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --executor local --jobs "$SLURM_CPUS_PER_TASK"
"""
KEYS = """\
# The lake is on S3. Keys stay out of this file: set S3_ACCESS_KEY and S3_SECRET_KEY in the shell that submits it.
"""


def batch_script(name: str, arguments: Sequence[str], storage: Storage, parts: int, tasks: int | None) -> str:
    """Return a script for SLURM that runs an experiment as an array job.

    Parameters
    ----------
    arguments : sequence of str
        Those of ``lakebatch run`` that say what is run; where and how is the script's.
    parts : int
        How many parts there are: more tasks than that would have nothing to do.
    tasks : int, optional
        How many tasks are wanted.
    """
    program = f"lakebatch --lake {shlex.quote(storage.uri)}"
    return SCRIPT.format(
        name=name,
        tasks=min(tasks or TASKS, parts),
        program=program,
        command=f"{program} {shlex.join(['run', *arguments])}",
        environment=KEYS if storage.is_s3 else "",
        path=shlex.quote(str(Path(sys.executable).parent)),
        folder=shlex.quote(str(require_working_folder())),
    )
