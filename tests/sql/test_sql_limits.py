"""SQL that exceeds time or memory: ended by a limit or Ctrl-C at any moment."""

import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pytest
from processes import wait_until_computed

from lakebatch.errors import ConfigError, LimitError
from lakebatch.sql import supervision
from lakebatch.sql.options import QueryOptions
from lakebatch.sql.session import Session

ENDLESS = "SELECT count(*) FROM range(1000000) AS a(i), range(100000000) AS b(j) WHERE i * j = -1"
LONG = "SELECT count(*) FROM range(100000000000)"
DEAF = "SELECT sum(levenshtein(repeat('a', 20000 + i::INT), repeat('b', 20000))) FROM range({rows}) AS t(i)"
"""The engine ignores interrupts until all rows are done, at about a second each."""
FOLDED = "SELECT sum(length(repeat('x', 600000000))) FROM range(100)"
"""Evaluated before the query runs, and again for each row."""
BUSY_SECONDS = 1.5
"""Processor time, longer than the start of a command."""


@pytest.fixture(autouse=True)
def _wait_for_the_engine():
    yield
    for each in supervision._abandoned:
        each.thread.join(60)


@pytest.mark.parametrize("text", [ENDLESS, DEAF.format(rows=4)])
def test_timeout_ends_a_query_and_the_session_goes_on(lake, text):
    begin = time.monotonic()
    with Session(lake.snapshot(), QueryOptions(timeout=0.5)) as session:
        with pytest.raises(
            LimitError,
            match=r"^The query took longer than 0.5 s and was ended. Allow more with timeout=SECONDS \(--timeout\)$",
        ):
            session.answer(text)
        assert time.monotonic() - begin < 3
        assert session.answer("SELECT 1").item() == 1
    assert lake.sql("SELECT 2", timeout=60).item() == 2


def test_memory_limit_ends_a_query_with_a_large_answer(lake):
    with pytest.raises(LimitError, match=r"more memory than .*(?i:allow more with memory_limit='8GB')"):
        lake.sql("SELECT * FROM range(1000000000000)", memory_limit="100MB")
    with pytest.raises(LimitError, match="more memory than"):
        lake.sql("SELECT i FROM range(8000000) AS t(i) ORDER BY hash(i) LIMIT 6000000", memory_limit="30 mib")
    assert lake.sql("SELECT count(*) FROM range(1000000)", memory_limit="1%").item() == 1_000_000


@pytest.mark.parametrize("size", ["", "much", "-1GB", "4", "0x1GB", "4GB; SELECT 1", "inf"])
def test_invalid_memory_limit_is_refused(lake, size):
    with pytest.raises(ConfigError, match=r"is no amount of memory. Expected e.g. 4GB, 500MB or 50%"):
        lake.sql("SELECT 1", memory_limit=size)


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_invalid_timeout_is_refused(lake, seconds):
    with pytest.raises(ConfigError, match=r"A timeout of .* s is not possible. Expected more than 0"):
        lake.sql("SELECT 1", timeout=seconds)


@pytest.mark.parametrize("text", [DEAF.format(rows=60), FOLDED])
def test_ctrl_c_ends_a_query_that_ignores_interrupts(tmp_path, text):
    command = [Path(sys.executable).with_name("lakebatch"), "--lake", "lake", "sql", text]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            wait_until_computed(process.pid, BUSY_SECONDS)
            begin = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=20)[1].splitlines()[1:] == ["Interrupted."]
            assert time.monotonic() - begin < 4  # 1 s, on a machine with nothing else to do
        finally:
            process.kill()
    assert process.returncode == 130
    assert not list(tmp_path.glob("lakebatch-*"))


@pytest.mark.parametrize(
    "work", [lambda engine: engine.execute(LONG), lambda engine: engine.sql(LONG).fetchall()]
)
def test_ctrl_c_while_views_are_created_is_an_interrupt(work):
    def interrupted(engine):
        with supervision.interruptible():
            threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
            work(engine)

    with duckdb.connect() as engine, pytest.raises(KeyboardInterrupt):
        interrupted(engine)


def test_ctrl_c_in_a_notebook_returns_at_once_and_the_session_goes_on(lake):
    with Session(lake.snapshot()) as session:
        threading.Timer(0.5, signal.raise_signal, [signal.SIGINT]).start()
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            session.answer(DEAF.format(rows=4))
        assert time.monotonic() - begin < 3
        assert session.answer("SELECT 1").item() == 1


def test_prompt_survives_ctrl_c_in_any_query(tmp_path):
    main, other = pty.openpty()
    command = [Path(sys.executable).with_name("lakebatch"), "--lake", str(tmp_path / "lake"), "sql"]
    environment = os.environ | {"HOME": str(tmp_path), "TERM": "dumb"}
    streams = {"stdin": other, "stdout": other, "stderr": other}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, start_new_session=True, **streams
    ) as process:
        try:
            read_until(main, "lake>")
            os.write(main, f"{DEAF.format(rows=60)};\n".encode())
            wait_until_computed(process.pid, 0.5)
            process.send_signal(signal.SIGINT)
            read_until(main, "Interrupted.")
            os.write(main, b"SELECT 'still ' || 'here' AS x;\n")
            read_until(main, "still here")
            os.write(main, b".quit\n")
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()
            os.close(main)
            os.close(other)


def read_until(descriptor: int, expected: str) -> None:
    """Read from a terminal until it shows a text."""
    seen, limit = b"", time.monotonic() + 30
    while expected.encode() not in seen:
        assert time.monotonic() < limit, seen
        if select.select([descriptor], [], [], 0.2)[0]:
            seen += os.read(descriptor, 4096)
