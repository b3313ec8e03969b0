"""The command as a real process: its address, its end, its browser, and a lake that stays as it is."""

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from click.testing import CliRunner

from lakebatch.cli.main import main
from lakebatch.ui import page as pages

LAKEBATCH = Path(sys.executable).with_name("lakebatch")
LIMIT = 60
BROWSER = """#!/bin/sh
file="${{1#file://}}"
ls -ld "$(dirname "$file")" > {folder}/mode
cp "$file" {folder}/page.part
mv {folder}/page.part {folder}/page
"""


@contextmanager
def started(folder, *options, **environment):
    """Start the command in a folder; yield the process, the port and the path of its address."""
    with subprocess.Popen(
        [LAKEBATCH, "ui", *options],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            lines = [process.stdout.readline() for _ in range(3)]
            found = re.search(r"http://\S+?:(\d+)(/\S*)", lines[1])
            assert found, [*lines, process.stderr.read() if process.poll() else ""]
            yield process, int(found[1]), found[2]
        finally:
            process.kill()


def get(port, path):
    connection = HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    connection.close()
    return answer.status, text


def state_of(folder):
    """Return what is in a folder, byte for byte, with the time and the mode of each file."""
    found = {}
    for each in [folder, *sorted(folder.rglob("*"))]:
        content = hashlib.sha256(each.read_bytes()).hexdigest() if each.is_file() else ""
        found[str(each)] = (each.stat().st_mtime_ns, each.stat().st_mode, content)
    return found


def test_walk_changes_nothing_in_the_lake_and_ends_at_once(ui_folder):
    before = state_of(ui_folder)
    with started(ui_folder, "--no-open", "--tag", "paper-v1") as (process, port, path):
        assert "?tag=paper-v1" in path
        status, text = get(port, path)
        assert status == 200
        links = set(re.findall(r'href="(/[^"#]+/(?:assembly|experiment|source)[^"#]*)"', text))
        assert len(links) == 3
        links.add(f"/{path.split('/')[1]}/experiment/90_v1_toy")
        for link in sorted(links):
            assert get(port, link.replace("&amp;", "&"))[0] == 200
        token = path.split("/")[1]
        listed = "".join(each.read_bytes().decode(errors="replace") for each in commands_of_processes())
        assert token not in listed
        with (
            socket.create_connection(("127.0.0.1", port)) as half,
            socket.create_connection(("127.0.0.1", port)) as stream,
        ):
            half.sendall(b"GET /")
            stream.sendall(f"GET /{token}/changes HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            assert b"200 OK" in stream.recv(1000)
            begun = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.wait(LIMIT) == 130
            assert time.monotonic() - begun < 15  # a busy machine
        assert process.stderr.read().splitlines()[-1:] == ["Interrupted."]
    assert state_of(ui_folder) == before


def commands_of_processes():
    """Yield the files with the command lines of all processes."""
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            each.read_bytes()
        except OSError:
            continue
        yield each


def test_browser_gets_a_file_that_nobody_else_reads(ui_folder, tmp_path):
    browser = tmp_path / "browser"
    browser.write_text(BROWSER.format(folder=tmp_path))
    browser.chmod(0o755)
    with started(ui_folder, BROWSER=f"{browser} %s") as (process, _, path):
        limit = time.monotonic() + LIMIT
        while not (tmp_path / "page").exists():
            assert time.monotonic() < limit
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT) == 130
    assert path.split("/")[1] in (tmp_path / "page").read_text()
    assert (tmp_path / "mode").read_text().startswith("drwx------")


@pytest.mark.parametrize("package", ["starlette.applications", "uvicorn", "jinja2"])
def test_missing_package_is_one_line(ui_folder, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    pages.environment.cache_clear()
    done = CliRunner().invoke(main, ["--lake", str(ui_folder / "lake"), "ui", "--no-open"])
    assert done.exit_code == 1
    assert "is not installed. Install it with: pip install 'lakebatch[ui]'" in done.stderr
    assert (done.stdout, len(done.stderr.splitlines())) == ("", 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "{port}"], "Address already in use"),
        (["--host", "no-such-host.invalid"], "Cannot listen on"),
        (["nothing"], "There is nothing of 'nothing'"),
    ],
)
def test_what_cannot_be_served_is_one_line(ui_folder, options, said, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        words = [each.format(port=taken.getsockname()[1]) for each in options]
        done = CliRunner().invoke(main, ["--lake", str(ui_folder / "lake"), "ui", "--no-open", *words])
    assert done.exit_code in (1, 2)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
