"""The page in a real browser: no console error, no request to the outside, and it prints."""

import json
import re
import shutil
import subprocess

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-default-apps", "--disable-sync", "--no-first-run", "--hide-scrollbars", "--no-pdf-header-footer",
    "--enable-logging=stderr",
)  # fmt: skip
BY_ITSELF = "not an origin"
"""The initiator of requests that the browser makes for itself."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")


@pytest.fixture
def look(tmp_path):
    """Return a function that opens a page and returns console messages, requests of the page, and its print."""

    def open_page(page):
        log, printed = tmp_path / "net.json", tmp_path / "page.pdf"
        arguments = [
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--log-net-log={log}",
            f"--print-to-pdf={printed}",
        ]
        done = subprocess.run(
            [CHROMIUM, *FLAGS, *arguments, page.as_uri()], capture_output=True, text=True, timeout=120
        )
        console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        events = json.loads(log.read_text())["events"]
        started = [event["params"] for event in events if "initiator" in event.get("params", {})]
        return (
            console,
            [each["url"] for each in started if each["initiator"] != BY_ITSELF],
            printed.read_bytes(),
        )

    return open_page


def test_page_has_no_console_error_makes_no_request_and_prints(look, saved):
    console, requests, printed = look(saved)
    assert console == []
    assert requests == []
    assert printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") > 3


SORT = """
const table = document.querySelector("#results table"), head = (column) => table.tHead.rows[0].cells[column];
const column = (place) => Array.from(table.tBodies[0].rows, (row) => row.cells[place].textContent).join(" ");
const seen = [column(0)];
for (const place of [3, 3, 3]) {
  const button = head(place).querySelector("button");
  button.focus();
  button.click();
  seen.push(`${head(place).getAttribute("aria-sort")}: ${column(3)}`);
}
const wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
document.documentElement.setAttribute("data-seen", [...seen, document.activeElement.tagName, wide].join("|"));
"""


def test_tables_are_sorted_by_their_heads_and_the_page_fits_a_narrow_window(saved, nasty_report, tmp_path):
    page = tmp_path / "sorting.html"
    source = re.sub(r"<meta http-equiv[^>]*>", "", saved.read_text())
    page.write_text(source.replace("</body>", f"<script>{SORT}</script></body>"))
    flags = [*FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=500,900", "--dump-dom"]
    done = subprocess.run([CHROMIUM, *flags, page.as_uri()], capture_output=True, text=True, timeout=120)
    seen = re.search(r'data-seen="([^"]*)"', done.stdout)[1].split("|")
    results = next(section for section in nasty_report.content.sections if section.key == "results")
    means = [row[3] for row in results.parts[0].rows]
    up = sorted(means, key=float)
    assert means != up
    assert seen == [
        "0 0.1 0.3", f"ascending: {' '.join(up)}", f"descending: {' '.join(up[::-1])}", f"null: {' '.join(means)}",
        "BUTTON", "false",
    ]  # fmt: skip


def test_check_finds_a_page_that_breaks_these_promises(look, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text('<!DOCTYPE html><script>nothing.x</script><img src="http://127.0.0.1:9/x.png">')
    console, requests, _ = look(page)
    assert "nothing is not defined" in console[0]
    assert requests == ["http://127.0.0.1:9/x.png"]
