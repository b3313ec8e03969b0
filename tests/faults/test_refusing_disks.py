"""Disks with permanent errors from a quota, a limit or a missing feature: one line at once, and no retry."""

from __future__ import annotations

import errno
import os
import resource
import shutil

import pytest
from deltalake.exceptions import DeltaError
from processes import Command, run

from lakebatch.storage import Storage
from lakebatch.storage.delta.diagnosis import storage_error
from lakebatch.storage.delta.engine import is_final

FOR_GOOD = (
    errno.EACCES,
    errno.EDQUOT,
    errno.EFBIG,
    errno.ELOOP,
    errno.EMFILE,
    errno.EMLINK,
    errno.ENAMETOOLONG,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EOPNOTSUPP,
    errno.EPERM,
    errno.EROFS,
    errno.EXDEV,
)
RUN = ("run", "toy", "--jobs", "1", "--set", "pause=0")


@pytest.fixture
def refused(folder):
    """Return a function that runs a command in which a system call fails."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")

    def carry_out(call: str, error: str, *arguments: str) -> Command:
        inject = ("-e", f"trace={call}", "-e", f"inject={call}:error={error}")
        return run(folder, *arguments, under=("strace", "-f", "-qq", "-o", "/dev/null", *inject))

    return carry_out


@pytest.mark.parametrize("code", FOR_GOOD, ids=errno.errorcode.get)
def test_permanent_system_error_is_final_and_says_what_to_do(tmp_path, code):
    error = DeltaError(f"Generic LocalFileSystem error ↳ {os.strerror(code)} (os error {code})")
    assert is_final(error)
    told = str(storage_error(Storage(str(tmp_path)), "90_v1_toy/results", "write", error))
    assert os.strerror(code) in told
    assert told.count("\n") == 0


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EAGAIN], ids=errno.errorcode.get)
def test_transient_system_error_is_retried(code):
    assert not is_final(DeltaError(f"Generic LocalFileSystem error ↳ {os.strerror(code)} (os error {code})"))


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        ("link,linkat", "EPERM", "its file system makes no hard links (Operation not permitted)"),
        ("link,linkat", "EOPNOTSUPP", "its file system makes no hard links (Operation not supported)"),
        (
            "fallocate",
            "EDQUOT",
            "Disk quota exceeded, 128 kB may be needed. Nothing is lost: free some of your quota",
        ),
    ],
)
def test_disk_without_commits_is_refused_before_anything_is_computed(folder, refused, call, error, told):
    command = refused(call, error, "--lake", "lake", *RUN)
    assert (command.wait(), command.err.count("\n")) == (1, 1), command.err
    assert command.err.startswith(f"Error: Cannot write to the lake {folder}/lake: {told}")
    assert not (folder / "computed").exists()
    assert list((folder / "lake").iterdir()) == []


def test_quota_reached_at_a_commit_ends_the_run_with_one_line(folder, refused):
    assert run(folder, "--lake", "lake", *RUN).wait() == 0
    command = refused("linkat", "EDQUOT", "--lake", "lake", *RUN)  # the engine's call, of a commit alone
    assert (command.wait(), command.err.count("\n")) == (1, 1), command.err
    assert command.err.startswith(f"Error: Cannot write {folder}/lake/91_v1_toy/assemblies: ")
    assert command.err.endswith(
        "Nothing is lost: free some of your quota, then go on with: lakebatch resume\n"
    )


def test_limit_of_file_sizes_is_one_line(folder):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    command = Command(folder, "--lake", "lake", *RUN)
    resource.prlimit(command.process.pid, resource.RLIMIT_FSIZE, (100_000, before[1]))
    assert (command.wait(), command.err.count("\n")) == (1, 1), command.err
    assert "File too large" in command.err
    assert "(ulimit -f)" in command.err
