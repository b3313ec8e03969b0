"""Shared by the tests of pages: one small lake with everything that can be odd, a server of it, and a real browser."""

from __future__ import annotations

import contextlib
import http.client
import re
import shutil
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.cli.main import main
from lakebatch.errors import RunInterrupted
from lakebatch.runner.assembly_run import Progress
from lakebatch.ui import server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TESTS = Path(__file__).parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NASTY = '<img src=x onerror=alert(1)><script>alert(2)</script> & "quote" \' </script> {{ 7*7 }} ${x} [a](http://x.invalid)'
OWN = ("data:", "blob:", "file:", "about:")


class StopAfter(Progress):
    """Stops as Ctrl-C does, after a number of committed parts."""

    def __init__(self, parts: int) -> None:
        self.parts = parts

    def part_committed(self, outcome: Any, rows: int) -> None:
        """Count down."""
        self.parts -= 1
        if not self.parts:
            raise KeyboardInterrupt


@dataclass(frozen=True)
class Served:
    """A server of pages in a thread."""

    lake: lakebatch.Lake
    port: int
    token: str

    @property
    def address(self) -> str:
        """The address of the overview, with the token and a slash at the end."""
        return f"http://127.0.0.1:{self.port}/{self.token}/"

    def ask(
        self, path: str = "", method: str = "GET", **headers: str
    ) -> tuple[http.client.HTTPResponse, str]:
        """Return the answer to a request and its text; a path without a slash at its start follows the token."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        full = path if path.startswith("/") else f"/{self.token}/{path}"
        with closing(connection):
            connection.request(method, full, headers=headers)
            answer = connection.getresponse()
            return answer, answer.read().decode()


@pytest.fixture(scope="session")
def ui_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a working directory with experiments and ``lake``; to be read only.

    ``study`` (91_v1_study): run001 ``first`` and run002 completed and tagged ``paper-v1``; then run003 completed without
    the baseline, run004 failed, run005 discarded, run006 interrupted, with hostile notes, users, errors and reasons.
    ``toy`` (90_v1_toy): one completed assembly tagged ``paper-v1``, and the sweep ``grid`` of two keys, 2 x 2.
    """
    folder = tmp_path_factory.mktemp("ui")
    (folder / "experiments").mkdir()
    for name in ("study", "toy"):
        shutil.copy(TESTS / f"{name}_experiment.py", folder / "experiments" / f"{name}.py")
    (folder / "fault.txt").write_text(NASTY)
    with contextlib.chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _fill(lakebatch.open_lake("lake"))
    return folder


def _fill(lake: lakebatch.Lake) -> None:
    lakebatch.run(lake, "study", jobs=1, assembly_name="first", note="The first one.")
    lakebatch.run(lake, "study", jobs=1)
    lakebatch.run(lake, "toy", jobs=1)
    for name in ("study", "toy"):
        lake[name].tag("paper-v1", note="As submitted.")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEBATCH_USER", NASTY)
        lakebatch.run(lake, "study", jobs=1, settings=["levels=[0.1, 0.3]", "n_reps=2"], note=NASTY)
        lakebatch.run(lake, "study", jobs=1, settings=["fail=[0.3]", "fault=file:fault.txt"])
        discarded = lakebatch.run(lake, "study", jobs=1, assembly_name="mistake")
        lake["study"].discard(discarded.assembly_id, NASTY)
        with contextlib.suppress(RunInterrupted):
            lakebatch.run(lake, "study", jobs=1, progress=StopAfter(1))
    keys = {"seed": [1, 2], "levels": [[0.0], [0.0, 0.1]]}
    lakebatch.run(lake, "toy", jobs=1, sweep=keys, sweep_name="grid")


@pytest.fixture(autouse=True)
def _in_folder(ui_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the lake's folder the working directory, where its experiments are found."""
    monkeypatch.chdir(ui_folder)


@pytest.fixture
def ui_lake(ui_folder: Path) -> lakebatch.Lake:
    """Return that lake, newly opened."""
    return lakebatch.open_lake(ui_folder / "lake")


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[..., Served]]:
    """Return a function that serves a lake in a thread until the tests of the module have ended."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def start(lake: lakebatch.Lake, host: str = "127.0.0.1", token: str | None = None) -> Served:
        token = token or server.new_token()
        listening = server.listen(host, 0)
        app = server.application(lake, token, host)
        threads.append(threading.Thread(target=server.serve, args=(app, listening, stop), daemon=True))
        threads[-1].start()
        return Served(lake, listening.getsockname()[1], token)

    yield start
    stop.set()
    for each in threads:
        each.join()


@pytest.fixture(scope="module")
def served(ui_folder: Path, serve: Callable[..., Served]) -> Served:
    """Return a server of that lake."""
    return serve(lakebatch.open_lake(ui_folder / "lake"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser; a module's own, since its event loop would be in the way of other tests."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a window; the test fails on console errors and requests to other origins.

    Its arguments are those of a Playwright context, such as ``color_scheme="dark"`` or
    ``viewport={"width": 390, "height": 844}``. The messages that match ``expected`` are none of these errors.
    """
    problems: list[str] = []
    contexts = []

    def open_window(expected: str = "$.", **options: Any) -> Page:
        def report(problem: str) -> None:
            if not re.search(expected, problem):
                problems.append(problem)

        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: report(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: report(str(error)))
        page.on("dialog", lambda dialog: (report(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda asked: report(f"{asked.url} asked") if _is_foreign(asked.url) else None)
        page.on("requestfailed", lambda asked: report(f"{asked.url} failed") if _matters(asked) else None)
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """Return a window of 1280 x 800 pixels, see `new_page`."""
    return new_page(viewport={"width": 1280, "height": 800})


def _is_foreign(url: str) -> bool:
    return not url.startswith(OWN) and not re.match(r"http://(127\.0\.0\.1|localhost|\[::1\]):\d+/", url)


def _matters(asked: Any) -> bool:
    # a page that is left drops the requests under way
    return "ERR_ABORTED" not in (asked.failure or "")


@pytest.fixture
def violations() -> Callable[[Page], list[str]]:
    """Return a function that lists what axe-core objects to on a page, one line for each rule and element."""
    from axe_playwright_python.sync_playwright import Axe

    def find(page: Page) -> list[str]:
        found = Axe().run(page, options={"preload": False}).response["violations"]
        return [f"{rule['id']}: {node['html']}" for rule in found for node in rule["nodes"]]

    return find


def export(folder: Path, *options: str) -> Any:
    """Write an export by the command, and return its result."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        return CliRunner().invoke(main, ["--lake", "lake", "ui", "--export", str(folder), *options])


@pytest.fixture(scope="session")
def exported(ui_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folders of two exports of that lake: ``now`` and ``paper-v1``, a tag."""
    folder = tmp_path_factory.mktemp("exported")
    found = {"now": folder / "now", "paper-v1": folder / "paper-v1"}
    with contextlib.chdir(ui_folder):
        for done in (export(found["now"]), export(found["paper-v1"], "--tag", "paper-v1")):
            assert done.exit_code == 0, done.output
    return found
