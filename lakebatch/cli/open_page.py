"""A page in the default browser, without its address in the list of processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}"><title>lakebatch</title>
<p><a href="{address}">Open the lake</a></p></html>
"""
IN_BACKGROUND = '"$@" >/dev/null 2>&1 &'
"""A shell's script that starts a command and leaves it: a browser can outlive the server."""
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


@contextmanager
def open_page(address: str | None) -> Iterator[None]:
    """Open an address in the default browser, where there is one; nothing without an address.

    The address has a token, so the browser is given a file that leads there, which nobody else can read.
    """
    if address is None or not _has_browser():
        yield
        return
    with tempfile.TemporaryDirectory(prefix="lakebatch-ui-") as folder:
        file = Path(folder, "lake.html")
        file.write_text(PAGE.format(address=escape(address)), encoding="utf-8")
        command = ["sh", "-c", IN_BACKGROUND, "sh", sys.executable, "-m", "webbrowser", file.as_uri()]
        subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
        yield


def _has_browser() -> bool:
    """Whether there is a screen; without one, a browser in the terminal would take its place."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in DISPLAYS)
