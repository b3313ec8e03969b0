"""The commit lock: writers of one machine wait for each other, up to a time limit."""

import fcntl
import os
import tempfile
import time
from contextlib import contextmanager

import pytest

from lakebatch.storage.delta import commit_lock


@contextmanager
def locked_by_another_process(folder):
    """Lock the folder as another process does; raise if it is locked."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)


def test_commit_lock_is_exclusive_and_released(tmp_path):
    with commit_lock.hold(tmp_path):
        with pytest.raises(BlockingIOError), locked_by_another_process(tmp_path):
            pass
        with (
            commit_lock.hold(tmp_path / "other"),
            commit_lock.hold(commit_lock.lock_file("s3://bucket/other")),
        ):
            pass
    with locked_by_another_process(tmp_path):
        pass


def test_each_table_on_s3_has_its_own_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    one, same, other = (commit_lock.lock_file(uri) for uri in ("s3://lake/a", "s3://lake/a", "s3://lake/b"))
    assert one == same
    with commit_lock.hold(one):
        with pytest.raises(BlockingIOError), locked_by_another_process(same):
            pass
        with locked_by_another_process(other):
            pass


def test_missing_lock_file_is_not_an_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with commit_lock.hold(commit_lock.lock_file("s3://lake/a")):
        pass


@pytest.mark.parametrize("kind", ["link", "pipe", "wide", "foreign"])
def test_lock_folder_writable_by_others_is_not_used(tmp_path, monkeypatch, kind):
    """Another user of this machine can create it first, with a link that redirects this user's files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder, victim = tmp_path / f"lakebatch-turns-{os.getuid()}", tmp_path / "victim"
    if kind == "link":
        victim.mkdir()
        folder.symlink_to(victim)
    elif kind == "pipe":
        os.mkfifo(folder)
    else:
        folder.mkdir()
        folder.chmod(0o777 if kind == "wide" else 0o700)
    if kind == "foreign":
        if os.geteuid():
            pytest.skip("only root can give a folder to another user")
        os.chown(folder, 65534, 65534)
    assert commit_lock.lock_file("s3://lake/a") is None
    assert not victim.exists() or list(victim.iterdir()) == []
    with commit_lock.hold(None):
        pass


def test_pipe_in_place_of_a_folder_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with commit_lock.hold(tmp_path / "pipe"):
        pass


def test_commit_lock_is_released_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), commit_lock.hold(tmp_path):
        raise ZeroDivisionError
    with locked_by_another_process(tmp_path):
        pass


def test_commit_lock_times_out(tmp_path, monkeypatch):
    monkeypatch.setattr(commit_lock, "MAX_WAIT", 0.2)
    with locked_by_another_process(tmp_path):
        began = time.monotonic()
        with commit_lock.hold(tmp_path):
            assert time.monotonic() - began >= 0.2
