"""Two users and one lake: unreadable files never count as absent, and missing write permission is reported at once."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import lakebatch
from lakebatch.errors import StorageError

NOBODY = 65534
COMMANDS = f"""
import json, os, sys, warnings
from click.testing import CliRunner
from lakebatch.cli import main

def carry_out(line):
    warnings.simplefilter("always")
    done = CliRunner().invoke(main, json.loads(line))
    trace = "" if done.exception is None or isinstance(done.exception, SystemExit) else repr(done.exception)
    print(json.dumps([done.exit_code, done.stdout, done.stderr, trace]), flush=True)

for line in sys.stdin:
    if line == "\\n":  # what was imported until then need not be readable for the other user
        os.setgroups([])
        os.setgid({NOBODY})
        os.setuid({NOBODY})
    else:
        carry_out(line)
"""
READING = (
    ("status",),
    ("list",),
    ("watch", "--once"),
    (),
    ("sql", "SELECT count(*) FROM lake.results"),
    ("sql", "--on-gap", "refuse", "SELECT 1"),
    ("reassemble", "toy"),
    ("completeness", "toy"),
    ("diff", "toy", "0"),
    ("optimize",),
    ("vacuum",),
    ("du",),
    ("doctor", "--read-only"),
)
WRITING = (("run", "toy", "--jobs", "1"), ("resume", "toy", "--jobs", "1"), ("tag", "toy", "first"))
"""Commands that import every module needed for writing."""


@dataclass(frozen=True)
class Answer:
    """Output and exit code of a command."""

    code: int
    out: str
    err: str
    trace: str


@dataclass(frozen=True)
class Stranger:
    """Another user of this machine, in a folder open to everybody."""

    folder: Path
    process: subprocess.Popen[str]

    @property
    def lake(self) -> Path:
        """The lake, which belongs to this user."""
        return self.folder / "lake"

    def __call__(self, *arguments: str) -> Answer:
        """Run a command on the lake."""
        self.write(json.dumps(["--lake", str(self.lake), *arguments]))
        assert self.process.stdout is not None
        return Answer(*json.loads(self.process.stdout.readline()))

    def write(self, line: str) -> None:
        """Send the process a line: a command, or an empty line to switch to the other user."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()


@pytest.fixture(scope="module")
def stranger(template_lake) -> Iterator[Stranger]:
    """Start a process of another user, with a lake that it can read but not write."""
    if os.geteuid():
        pytest.skip("only root can become another user")
    folder = Path(tempfile.mkdtemp(prefix="lakebatch-rights-"))
    shutil.copytree(template_lake, folder, dirs_exist_ok=True)
    command = [sys.executable, "-c", COMMANDS]
    environment = os.environ | {"HOME": str(folder), "XDG_STATE_HOME": str(folder)}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        other = Stranger(folder, process)
        for arguments in (*READING, *WRITING, ("queries",)):
            other(*arguments)
        (folder / "out").mkdir()
        subprocess.run(["chmod", "-R", "u=rwX,go=rX", folder], check=True)
        (folder / "out").chmod(0o777)
        other.write("")
        yield other
    finally:
        process.communicate()
        shutil.rmtree(folder)


@contextmanager
def with_mode(path: Path, mode: int) -> Iterator[None]:
    """Give a path another mode in a block."""
    before = path.stat().st_mode
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(before)


def first(folder: Path, pattern: str) -> Path:
    return sorted(folder.rglob(pattern))[0]


@pytest.mark.parametrize(
    ("place", "mode"),
    [
        ("", 0o700),
        ("", 0o744),
        ("90_v1_toy", 0o700),
        ("90_v1_toy", 0o744),
        ("90_v1_toy/results", 0o700),
        ("90_v1_toy/assemblies/_delta_log", 0o700),
        ("90_v1_toy/results/_delta_log/*.json", 0o600),
    ],
)
def test_unreadable_path_is_named_and_every_command_fails(stranger, place, mode):
    locked = max(stranger.lake.glob(place)) if place else stranger.lake
    with with_mode(locked, mode):
        for arguments in READING:
            if not arguments and "results" in place:  # the next steps are found without any row
                continue
            done = stranger(*arguments)
            said = done.err + (done.out if arguments[:1] == ("doctor",) else "")
            assert (done.trace, done.code) == ("", 1), (arguments, done)
            assert str(locked.relative_to(stranger.lake)) in said
            assert "Permission denied" in said
            assert "backup" not in said
    assert stranger("status").code == 0


def test_other_experiments_are_shown_beside_an_unreadable_one(stranger):
    with with_mode(stranger.lake / "90_v1_toy", 0o700):
        assert "other-toy" in stranger("status").out
        assert "other-toy" in stranger("list").out
        assert stranger("status", "other-toy").code == stranger("reassemble", "other-toy").code == 0
        assert "Run it with" not in stranger("status", "toy").err
        for command in (("doctor", "--read-only"), ("repair",)):
            done = stranger(*command, "--format", "csv")
            assert (done.trace, done.code) == ("", 1)
            assert "Cannot read" in done.out
            assert "90_v1_toy: Permission denied" in done.out
        assert "91_v1_other-toy" in stranger("doctor", "--read-only", "--format", "csv").out


def test_unreadable_data_file_is_not_reported_as_damaged(stranger):
    file = first(stranger.lake / "90_v1_toy" / "results", "assembly_id=*/*.parquet")
    with with_mode(file, 0o600):
        for arguments in (
            ("reassemble", "toy"),
            ("reassemble", "toy", "-o", str(stranger.folder / "out" / "rows.csv")),
        ):
            done = stranger(*arguments)
            assert (done.trace, done.code) == ("", 1)
            line = f"Error: Cannot read {file} of {file.parent.name[-22:]}: Permission denied. Expected a readable file."
            assert done.err.endswith(f"{line} To read the rest, use on_gap='ignore' (--on-gap ignore).\n")
        for arguments in (("reassemble", "toy"), ("sql", "FROM toy.results"), ("completeness", "toy")):
            assert stranger(*arguments).code == 1
            rest = stranger(*arguments, "--on-gap", "ignore")
            assert (rest.trace, rest.code, rest.err.count("Left out: Cannot read")) == ("", 0, 1)
        assert (
            f"1 files may not be read, e.g. {file}"
            in stranger("doctor", "--read-only", "--format", "csv").out
        )
    event = first(stranger.lake / "90_v1_toy" / "assemblies", "part-*.parquet")
    with with_mode(event, 0o600):
        for arguments in (("history", "toy"), ("status", "toy"), ("reassemble", "toy")):
            done = stranger(*arguments)
            assert (done.trace, done.code) == ("", 1)
            assert f"Cannot read {event}: Permission denied" in done.err
        assert stranger("reassemble", "toy", "--on-gap", "ignore").code == 0


def test_unwritable_tables_are_named_before_anything_is_computed(stranger):
    lake, toy = stranger.lake, stranger.lake / "90_v1_toy"
    assembly = lakebatch.open_lake(lake)["toy"].assemblies()["assembly_id"][-1]
    with with_mode(lake, 0o777):
        for arguments, place in (
            (("run", "toy", "--jobs", "1"), toy / "results"),
            (("resume", "toy", "--jobs", "1"), toy / "results"),
            (("tag", "toy", "paper"), toy / "tags"),
            (("discard", "toy", assembly, "--reason", "wrong"), toy / "results"),
        ):
            done = stranger(*arguments)
            assert (done.trace, done.code, done.err.count("\n")) == ("", 1, 1)
            assert done.err.startswith(f"Error: Cannot write to {place}: Permission denied.")
        doctor = stranger("doctor", "--format", "csv")
        assert doctor.code == 1
        assert re.search(rf"nothing may be written in \d+ folders, e\.g\. {toy}", doctor.out)
    assert stranger("doctor", "--read-only").code == 0


@pytest.mark.parametrize(
    ("place", "arguments"),
    [
        ("experiments", ("list",)),
        ("queries", ("queries",)),
        ("queries", ("sql", "--query", "summary", "--param", "experiment=toy")),
        ("lakebatch.toml", ("run", "toy")),
    ],
)
def test_unreadable_project_file_is_one_line(stranger, place, arguments):
    path = stranger.folder / place
    path.parent.mkdir(exist_ok=True)
    if path.suffix:
        path.touch()
    else:
        path.mkdir(exist_ok=True)
    with with_mode(path, 0o600):
        done = stranger(*arguments)
    assert (done.trace, done.code in (1, 2), done.err.count("\n")) == ("", True, 1), done
    assert place in done.err
    assert "Permission denied" in done.err


@pytest.mark.parametrize("place", ["", "90_v1_toy", "90_v1_toy/results", "90_v1_toy/results/_delta_log"])
def test_dangling_link_does_not_count_as_absent(copied_lake, place):
    """As when the disk with the rows is not mounted."""
    path = Path(copied_lake.storage.uri, place)
    path.rename(path.with_name("away"))
    path.symlink_to(path.with_name("elsewhere"))
    with pytest.raises(StorageError, match=rf"Cannot read .*{place}, a link to .*/elsewhere: No such file"):
        lakebatch.open_lake(copied_lake.storage.uri)["toy"].reassemble()
    path.unlink()
    path.with_name("away").rename(path)
    assert lakebatch.open_lake(copied_lake.storage.uri)["toy"].reassemble(on_gap="ignore").height == 18


def test_lake_with_circular_links_is_one_clear_line(tmp_path):
    (tmp_path / "lake").symlink_to(tmp_path / "lake")
    with pytest.raises(StorageError, match=r"Cannot read .*/lake: Too many levels of symbolic links"):
        lakebatch.open_lake(tmp_path / "lake").experiments()
