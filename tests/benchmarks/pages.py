"""The page of ten thousand assemblies: from the request until it can be used, and sorting, filtering and grouping."""

from __future__ import annotations

import argparse
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from comparison import Limit
from lakes import stored_in
from many import fill_varied

import lakebatch
from lakebatch.ui import server

CHANGES = {
    "sorted by two columns": "Overview.change({sort: ['-metric.r2', 'user']})",
    "filtered": "Overview.change({filter: 'user=user1 rows>10'})",
    "grouped by two keys": "Overview.change({filter: '', group: ['config.model.name', 'config.model.rate']})",
}


def pages(folder: Path, arguments: argparse.Namespace) -> Iterator[Limit]:
    """Yield the times of the overview in a browser, with a server that has read nothing and with one that has."""
    from playwright.sync_api import sync_playwright

    lake, size = folder / f"varied-{arguments.large}", f"{arguments.large:,}"
    fill_varied(stored_in(lake), arguments.large)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto("about:blank")
        address = _serve(lake)
        for state in ("cold", "warm"):
            began = time.perf_counter()
            page.goto(address)
            page.locator("button[data-sort]").first.wait_for()
            opened = time.perf_counter() - began
            page.locator("[data-part=said]", has_text="Each metric").wait_for()
            measured = time.perf_counter() - began
            yield Limit(
                f"page of {size} assemblies, {state}, until it can be used", lambda t=opened: t, 2, "s"
            )
            yield Limit(
                f"page of {size} assemblies, {state}, until metrics are there", lambda t=measured: t, 3, "s"
            )
        for what, script in CHANGES.items():
            took = page.evaluate(
                f"(() => {{ const began = performance.now(); {script}; return performance.now() - began; }})()"
            )
            yield Limit(f"page of {size} assemblies, {what}", lambda t=took: t / 1000, 1, "s")
        browser.close()


def _serve(lake: Path) -> str:
    """Serve a lake from a thread, and return its address."""
    token, listening = server.new_token(), server.listen("127.0.0.1", 0)
    app = server.application(lakebatch.open_lake(lake), token)
    threading.Thread(target=server.serve, args=(app, listening), daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}/{token}/"
