"""Running assemblies that move by themselves: with real processes, a real server and a real browser."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import lakebatch

LAKEBATCH = Path(sys.executable).with_name("lakebatch")
TOY = Path(__file__).parents[1] / "toy_experiment.py"


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Return a working directory with the experiment ``toy``, without a lake."""
    (tmp_path / "experiments").mkdir()
    shutil.copy(TOY, tmp_path / "experiments" / "toy.py")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def start():
    """Return a function that starts a command of lakebatch; what still runs is killed after the test."""
    started = []

    def command(*words):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen([LAKEBATCH, *words], **pipes))
        return started[-1]

    yield command
    for each in started:
        each.kill()
        each.communicate()


def files(folder):
    return {str(file): file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}


def test_assembly_appears_is_interrupted_and_completed_without_a_reload(work, start, serve, page):
    served = serve(lakebatch.open_lake(work / "lake"))
    page.goto(served.address)
    page.get_by_text("No assembly has been run here yet").wait_for()
    rows = page.locator("#table tbody tr")
    running = start("run", "toy", "--jobs", "1", "--set", "wait=[0.1]", "-q")
    row = rows.filter(has_text="run001")
    row.locator(".state.running").wait_for(timeout=60_000)
    page.evaluate("window.isSame = true")
    row.filter(has_text="1/3").wait_for()
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    row.locator(".state.interrupted").wait_for()
    (work / "mended").touch()
    start("resume", "toy", "-q").communicate(timeout=60)
    row.locator(".state.completed").filter(has_text="completed").wait_for()
    row.filter(has_text="3/3").wait_for()
    found = (
        lakebatch.open_lake("lake")["toy"]
        .scan()
        .filter(assembly_id=row.get_attribute("data-id").split("/")[1])
    )
    mean = found.collect()["mse"].mean()
    row.filter(has_text=f"{mean:#.4g}").wait_for()
    lakebatch.run(lakebatch.open_lake("lake"), "toy", jobs=1)
    rows.filter(has_text="run002").locator(".state.completed").wait_for()
    assert page.evaluate("window.isSame")


def test_ctrl_c_ends_open_streams_and_the_page_says_so(work, start, new_page):
    lakebatch.run(lakebatch.open_lake("lake"), "toy", jobs=1)
    before = files(work / "lake")
    ui = start("ui", "--no-open")
    ui.stdout.readline()
    address = ui.stdout.readline().strip()
    page = new_page(expected="Failed to load resource|ERR_|EventSource|changes failed")
    page.goto(address)
    page.locator("[data-part=said]", has_text="Each metric").wait_for()
    time.sleep(1)
    began = time.monotonic()
    ui.send_signal(signal.SIGINT)
    _, said = ui.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert said in ("", "Interrupted.\n")
    page.locator("[data-part=live]", has_text="is lost").wait_for()
    assert files(work / "lake") == before
