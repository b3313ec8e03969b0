"""Commands whose standard streams are closed, full, broken, or of a narrow encoding."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from lakebatch.cli.main import main

PROGRAM = Path(sys.executable).with_name("lakebatch")
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")


def shell(command, **environment):
    """Run a bash command in which ``lakebatch`` is the installed program."""
    text = command.replace("lakebatch", str(PROGRAM))
    return subprocess.run(
        ["bash", "-c", text], capture_output=True, env={**os.environ, **environment}, timeout=120, check=False
    )


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_table_is_drawn_in_ascii_where_the_encoding_lacks_its_lines(study, encoding):
    done = shell("lakebatch status", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode("ascii").splitlines()[1].strip("-") == ""


def test_machine_readable_output_keeps_each_character_or_is_refused(study):
    texts = shell(
        "lakebatch sql --format ndjson --on-gap ignore \"SELECT 'ä😀' AS x\"", PYTHONIOENCODING="ascii"
    )
    assert texts.stdout == b'{"x":"\\u00e4\\ud83d\\ude00"}\n'
    refused = shell(
        "lakebatch sql --format csv --on-gap ignore \"SELECT 'ä' AS x\"", PYTHONIOENCODING="ascii"
    )
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert refused.stderr.startswith(
        b"Error: Cannot print '\\xe4' as csv: standard output is ascii. Set PYTHONIOENCODING"
    )


@pytest.mark.parametrize(
    "command", ["lakebatch status >&-", "lakebatch list 2>&- <&- >&-", "lakebatch sql <&- 2>/dev/null"]
)
def test_closed_stream_is_treated_as_unread(study, command):
    done = shell(command)
    assert done.returncode == (2 if "sql" in command else 0)
    assert b"Traceback" not in done.stderr


def test_run_without_any_stream_is_recorded(copied_lake):
    done = shell("lakebatch run toy --jobs 2 --levels 0 0.1 >&- 2>&- <&-")
    assert done.returncode == 0
    assert copied_lake["toy"].assemblies()["status"].to_list()[-1] == "completed"


def test_run_goes_on_when_nobody_reads_its_output(copied_lake):
    done = shell("{ lakebatch run toy --jobs 1 2>&1 >/dev/null; echo $? >code; } | true")
    assert done.returncode == 0
    assert Path("code").read_text() == "0\n"
    assert copied_lake["toy"].assemblies()["status"].to_list()[-1] == "completed"


@FULL
@pytest.mark.parametrize(
    "command", ["status", "status --help", "--help", "sql --on-gap ignore 'SELECT 1' --format json"]
)
def test_full_disk_behind_standard_output_is_one_line(study, command):
    done = shell(f"lakebatch {command} >/dev/full")
    assert done.returncode == 1
    assert done.stderr == b"Error: Cannot write to standard output: No space left on device.\n"


def test_closed_pipe_ends_the_command_silently(study):
    for unbuffered in ("", "1"):
        rows = "lakebatch sql --on-gap ignore --format csv 'FROM range(300000)'"
        done = shell(f"{rows} | head -1; exit ${{PIPESTATUS[0]}}", PYTHONUNBUFFERED=unbuffered)
        assert (done.returncode, done.stdout, done.stderr) == (141, b"range\n", b"")


def test_lost_terminal_is_one_line(study):
    ours, theirs = pty.openpty()
    with subprocess.Popen([PROGRAM, "status"], stdout=theirs, stderr=subprocess.PIPE) as process:
        os.close(theirs)
        os.close(ours)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert said.startswith(b"Error: Cannot write to standard output: ")
    assert said.count(b"\n") == 1


def test_query_from_a_stream_or_file_may_begin_with_a_byte_order_mark(study):
    Path("marked.sql").write_bytes("\ufeffSELECT 7 AS x".encode())
    common = ["sql", "--on-gap", "ignore", "--format", "csv"]
    for arguments, given in ((["--file", "marked.sql"], None), ([], "\ufeffSELECT 7 AS x")):
        done = CliRunner().invoke(main, [*common, *arguments], input=given)
        assert (done.exit_code, done.stdout) == (0, "x\n7\n")
    Path("marked.sql").unlink()


def test_binary_query_is_a_usage_error(study):
    done = CliRunner().invoke(main, ["sql"], input=b"SELECT '\xe9'")
    assert done.exit_code == 2
    assert "Cannot read standard input: 'utf-8' codec can't decode byte 0xe9 in position 8" in done.stderr


def test_engine_failure_is_one_line(study, monkeypatch):
    monkeypatch.setattr(
        "lakebatch.lake.lake.Lake.experiments", lambda _: pl.Series([2**31 - 1]).cast(pl.Date).to_list()
    )
    done = CliRunner().invoke(main, ["status"])
    assert done.exit_code == 1
    assert done.stderr == "Error: An engine crashed: out-of-range date. See: lakebatch doctor\n"
