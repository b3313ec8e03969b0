"""A test session ignores its user's settings, and leftovers of tests are found."""

import os
import subprocess
import sys
from pathlib import Path

SETTINGS = {
    "AWS_PROFILE": "work",
    "HTTPS_PROXY": "http://me:password@proxy:3128",
    "LAKEBATCH_LAKE": "/somewhere",
    "S3_BUCKET_NAME": "mine",
    "https_proxy": "http://proxy:3128",
}
BEGIN = """
import os, signal, subprocess, sys, tempfile
from pathlib import Path
import host
host.leave_out()
"""
LEFT = f"""{BEGIN}
print(sorted(os.environ.keys() & {set(SETTINGS)}), sorted(host.network))
print(tempfile.gettempdir() == os.environ["TMPDIR"] == os.environ[host.SESSION])
child = "import signal; print(signal.getsignal(signal.SIGINT) == signal.default_int_handler)"
print(subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout.strip())
os.rmdir(os.environ["TMPDIR"])
"""
LEAVES = f"""{BEGIN}
host.PROCESSES_END_SECONDS = host.FILES_END_SECONDS = 0.3
host._used_by_others = set
session = host.Session()
Path(session.folder, "spooled").touch()
process = subprocess.Popen(["sleep", "600"], start_new_session=True)
file = host.SHARED / f"sem.tests-{{os.getpid()}}"
file.touch()
for line in session.end():
    print(line)
print(process.wait(), Path(session.folder).exists())
host._used_by_others = lambda: {{1}}
print([line for line in session.end() if file.name in line])
file.unlink()
"""


def run(script, ignored=False):
    """Return the output of a script; it can be started with the interrupt signal ignored, as in a background job."""
    command = ["bash", "-c", 'trap "" INT; exec "$@"', "-", sys.executable, "-c", script]
    environment = {**os.environ, **SETTINGS, "PYTHONPATH": str(Path(__file__).parent)}
    environment.pop("PYTEST_XDIST_WORKER", None)  # with it, the process would belong to this session
    done = subprocess.run(
        command if ignored else command[4:], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_session_begins_without_settings_of_its_user_and_with_a_working_interrupt():
    left, own_folder, interrupt = run(LEFT, ignored=True)
    assert left == "[] ['HTTPS_PROXY', 'https_proxy']"
    assert (own_folder, interrupt) == ("True", "True")


def test_process_and_shared_memory_that_outlive_a_session_are_named_and_removed():
    process, *others = run(LEAVES)
    assert process.startswith("Left behind by a test: process ")
    assert process.endswith("sleep 600 ")
    shared, ended, beside_others = [line for line in others if "/dev/shm" not in line or "sem.tests-" in line]
    assert shared.endswith("used by no process")
    assert (ended, beside_others) == ("-9 False", "[]")
