"""Code of other authors within this process: its lines, its threads, and what it leaves behind."""

import ctypes
import os
import shutil
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from lakebatch.experiment import contained
from lakebatch.experiment.guest import FORKED, MAX_BYTES

LIBRARY = ctypes.CDLL(None)
say = print


def test_lines_of_python_c_and_children_are_collected(capfd):
    LIBRARY.puts(b"held back before")
    with contained() as output:
        say("python")
        sys.stderr.writelines(["error", "\n"])
        sys.stdout.buffer.write(b"bytes\n")
        LIBRARY.puts(b"compiled")
        LIBRARY.fflush(None)
        os.system("echo child")
        assert not sys.stdout.isatty()
    say("after")
    assert output.text.splitlines() == ["python", "error", "bytes", "compiled", "child"]
    assert capfd.readouterr() == ("held back before\nafter\n", "")


def test_line_that_the_c_library_holds_back_does_not_appear_later(capfd):
    with contained() as output:
        LIBRARY.puts(b"compiled")
    LIBRARY.fflush(None)
    assert (output.text, capfd.readouterr().out) == ("compiled", "")


def test_lines_of_other_threads_are_printed(capfd):
    with contained() as output:
        thread = threading.Thread(target=print, args=("display",))
        thread.start()
        thread.join()
    assert (output.text, capfd.readouterr().out) == ("", "display\n")


def test_descriptors_are_left_alone_where_python_writes_to_them(capfd, monkeypatch):
    with open(1, "w", 1, closefd=False) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with contained() as output:
            say("python")
            os.write(1, b"display\n")
        monkeypatch.undo()
    assert (output.text, capfd.readouterr().out) == ("python", "display\n")


def test_closed_streams_are_left_closed(monkeypatch):
    monkeypatch.setattr("lakebatch.experiment.guest.DESCRIPTORS", (997, 998))
    monkeypatch.setattr(sys, "stdout", None)
    with contained() as output:
        say("python")
    assert (output.text, sys.stdout) == ("python", None)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(997)


def test_beginning_and_end_of_long_output_are_kept():
    with contained() as output:
        say("a" * MAX_BYTES + "b" * 3 * MAX_BYTES + "c" * (MAX_BYTES - 1))
    first, left_out, last = output.text.split("\n")
    assert (set(first), set(last)) == ({"a"}, {"c"})
    assert left_out == f"... {3 * MAX_BYTES} bytes are left out ..."


def test_environment_folder_and_streams_are_put_back(monkeypatch, tmp_path):
    monkeypatch.setenv("KEPT", "1")
    before = dict(os.environ), Path.cwd(), sys.stdout, sys.stderr

    def guest():
        os.environ |= {"KEPT": "2", "NEW": "3"}
        del os.environ["PATH"]
        os.chdir(tmp_path)
        sys.stdout = sys.stderr = None
        raise ValueError("guest")

    with pytest.raises(ValueError, match="guest"), contained():
        guest()
    assert (dict(os.environ), Path.cwd(), sys.stdout, sys.stderr) == before


def test_forked_process_ends_with_the_block():
    parent = os.getpid()
    with contained():
        child = os.fork()
    assert os.getpid() == parent
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == FORKED


def test_library_that_is_loaded_within_the_block_has_one_thread(tmp_path):
    (library,) = Path(np.__file__).parents[1].glob("numpy.libs/libscipy_openblas*.so")
    copy = shutil.copy(library, tmp_path / "libscipy_openblas_copy.so")
    with threadpool_limits(2), contained():
        ctypes.CDLL(copy)
        threads = {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}
        assert copy in map(Path, threads)
        assert set(threads.values()) == {1}
