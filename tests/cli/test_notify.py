"""Notifications: what servers receive, and that servers which hang, refuse or are missing do not affect a run."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lakebatch.cli.notify import Notification, Notifier
from lakebatch.cli.run_session import LogFile, log_file

LAKEBATCH = Path(sys.executable).with_name("lakebatch")
TOKEN = "tk_AgQdq7mVBoFD37zQVN29"


@pytest.fixture
def server():
    """Return a server and the requests it receives."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            got.append((self.path, self.headers.get("Authorization"), body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_port}", got
    serving.shutdown()
    serving.server_close()


def run(folder, *arguments, **environment):
    return subprocess.run(
        [LAKEBATCH, "--lake", "lake", *arguments, "run", "toy", "--jobs", "1"],
        cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_start_and_end_are_sent_to_ntfy_and_a_webhook(toy, tmp_path, server):
    url, got = server
    told = {"NTFY_URL": url, "NTFY_TOPIC": "runs", "NTFY_TOKEN": TOKEN, "LAKEBATCH_WEBHOOK": f"{url}/hook"}
    done = run(tmp_path, "-vv", **told)
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stderr
    ntfy = [body for path, authorization, body in got if authorization == f"Bearer {TOKEN}"]
    hook = [body for path, _, body in got if path == "/hook"]
    assert [body["topic"] for body in ntfy] == ["runs", "runs"]
    assert [body["event"] for body in hook] == ["started", "completed"]
    assert hook[1]["text"] == f"toy {hook[1]['assembly_id']} completed: 3 of 3 parts, 9 rows"
    assert hook[1]["title"] == f"toy {hook[1]['assembly_id']} completed"
    assert hook[1]["experiment"] == "toy"


def test_failure_is_sent_with_its_reason(toy, tmp_path, server):
    url, got = server
    file = tmp_path / "experiments" / "toy.py"
    failing = file.read_text().replace(
        'setting((), help="Levels that raise', 'setting((0.1,), help="Levels that raise'
    )
    file.write_text(failing)
    done = run(tmp_path, LAKEBATCH_WEBHOOK=url)
    assert done.returncode == 3, done.stderr
    assert "Log: " in done.stderr
    assert [body["event"] for _, _, body in got] == ["started", "failed"]
    assert "level 0.1 is bad" in got[1][2]["text"]


def test_hanging_and_missing_servers_do_not_affect_the_run(toy, tmp_path):
    with closing(socket.create_server(("127.0.0.1", 0))) as hanging:
        began = time.monotonic()
        port = hanging.getsockname()[1]
        done = run(
            tmp_path,
            LAKEBATCH_WEBHOOK=f"http://127.0.0.1:{port}/secret-path",
            NTFY_URL="http://127.0.0.1:9",
            NTFY_TOPIC="x",
        )
        assert time.monotonic() - began < 60
    assert done.returncode == 0, done.stderr
    assert "is completed" in done.stdout
    assert "Could not notify 127.0.0.1:9: Connection refused. The run goes on." in done.stderr
    assert f"Could not notify 127.0.0.1:{port}: no answer within 5 s. The run goes on." in done.stderr
    assert "secret-path" not in done.stderr


def test_invalid_address_does_not_affect_the_run(toy, tmp_path):
    done = run(tmp_path, LAKEBATCH_WEBHOOK="file:///etc/passwd")
    assert done.returncode == 0, done.stderr
    assert "Correct NTFY_URL or LAKEBATCH_WEBHOOK" in done.stderr


def test_redirect_is_not_followed_and_is_named_once(caplog):
    got = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(self.headers.get("Authorization"))
            self.send_response(self.server.code)
            self.send_header("Location", self.server.to)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as serving:
        serving.to = f"http://localhost:{serving.server_port}/elsewhere"
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{serving.server_port}/secret-path"
        told = {"NTFY_URL": url, "NTFY_TOPIC": "runs", "NTFY_TOKEN": TOKEN, "LAKEBATCH_WEBHOOK": url}
        for serving.code in (301, 302, 303, 307, 308):
            notifier = Notifier(told)
            caplog.clear()
            for _ in range(2):
                notifier.send(Notification("title", "text"))
                notifier.finish()
            assert [each.getMessage() for each in caplog.records if each.levelname == "WARNING"] == [
                f"Could not notify 127.0.0.1:{serving.server_port}: it redirects elsewhere ({serving.code}), "
                "which is not followed; correct NTFY_URL or LAKEBATCH_WEBHOOK. The run goes on."
            ]
        serving.shutdown()
    assert len(got) == 20


def test_json_fields_hold_no_secret(server, monkeypatch):
    url, got = server
    monkeypatch.setenv("NTFY_TOKEN", TOKEN)
    notifier = Notifier({"LAKEBATCH_WEBHOOK": url})
    notifier.send(Notification("title", "text", {"error": f"no {TOKEN}"}))
    notifier.finish()
    assert got[0][2]["error"] == "no [NTFY_TOKEN withheld]"


def test_log_file_is_readable_by_its_user_only(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    file = log_file("90_v1_toy", "20261123_142230_run001")
    file.parent.mkdir(parents=True)  # mode of log files of older releases
    file.touch(0o644)
    log = LogFile()
    log.open("90_v1_toy", "20261123_142230_run001")
    log.close()
    ours = [file, *list(file.parents)[:3]]
    assert [oct(each.stat().st_mode & 0o777) for each in ours] == ["0o600", "0o700", "0o700", "0o700"]
    assert "log file of" in file.read_text()


def test_log_file_is_not_written_through_a_link(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    file = log_file("90_v1_toy", "20261123_142230_run001")
    file.parent.mkdir(parents=True)
    file.symlink_to(tmp_path / "elsewhere")
    log = LogFile()
    log.open("90_v1_toy", "20261123_142230_run001")
    assert "There is no log file: cannot write" in caplog.text
    assert not (tmp_path / "elsewhere").exists()
