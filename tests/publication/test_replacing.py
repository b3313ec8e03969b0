"""A folder takes the place of an older one whole: also when its process is killed, whatever that leaves beside it."""

import subprocess
import sys
from pathlib import Path

import pytest

from lakebatch._folders import Kind, replaced

KIND = Kind("note", "README.md", "<!-- note -->")
WRITE = """
import os, signal, sys
from pathlib import Path
from lakebatch import _folders
from lakebatch._folders import Kind, replaced
place, rename = sys.argv[1], Path.rename
def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)
def rename_and_die(path, to):
    rename(path, to)
    kill()
if place == "before":
    _folders._put = kill
elif place == "between":
    _folders._exchange = lambda one, other: False
    Path.rename = rename_and_die
elif place == "after":
    exchange = _folders._exchange
    _folders._exchange = lambda one, other: exchange(one, other) and kill()
with replaced(Path("target"), Kind("note", "README.md", "<!-- note -->")) as new:
    new.write("README.md", b"<!-- note --> second")
"""


def publish(text: str) -> None:
    with replaced(Path("target"), KIND) as new:
        new.write("README.md", f"{KIND.first_line} {text}".encode())


def left_over(folder: Path) -> list[Path]:
    return [each for each in folder.iterdir() if each.name.startswith(".lakebatch-")]


@pytest.mark.parametrize(("place", "stands"), [("before", "first"), ("between", None), ("after", "second")])
def test_killed_process_leaves_a_whole_folder_and_the_next_one_cleans_up(
    tmp_path, monkeypatch, place, stands
):
    monkeypatch.chdir(tmp_path)
    publish("first")
    assert subprocess.run([sys.executable, "-c", WRITE, place]).returncode == -9
    if stands is not None:
        assert (tmp_path / "target" / "README.md").read_text().endswith(stands)
    assert len(left_over(tmp_path)) == 1
    with pytest.raises(RuntimeError), replaced(Path("target"), KIND):
        raise RuntimeError("the next one fails, too")
    assert (tmp_path / "target" / "README.md").read_text().endswith(stands or "first")
    assert left_over(tmp_path) == []
    publish("third")
    assert (tmp_path / "target" / "README.md").read_text().endswith("third")


def test_folder_of_a_process_that_lives_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with replaced(Path("target"), KIND) as new:
        new.write("README.md", KIND.first_line.encode())
        assert subprocess.run([sys.executable, "-c", WRITE, "never"]).returncode == 0
        assert new.path.is_dir()
        assert len(left_over(tmp_path)) == 1
    assert (tmp_path / "target" / "README.md").read_text() == KIND.first_line
