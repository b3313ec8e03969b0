"""Pages in a real browser: no console error, no request to the outside, they print, and they fit a window and a phone."""

import html
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


MEASURE = """
<body><script>
const found = {};
function measure(width) {
  const frame = document.createElement("iframe");
  Object.assign(frame.style, {width: width + "px", height: "800px", border: 0});
  frame.src = "picture.html";
  frame.onload = () => {
    const page = frame.contentDocument, box = page.getElementById("picture");
    const drawn = "[class$=tick] text, text[class$=title], .legendtext, .annotation-text";
    const texts = [...page.querySelectorAll(drawn)].filter(each => each.textContent);
    const ends = texts.map(each => each.getBoundingClientRect());
    const touching = ends.flatMap((one, i) => ends.slice(i + 1).filter(other =>
      one.right > other.left && other.right > one.left && one.bottom > other.top && other.bottom > one.top));
    found[width] = {
      columns: new Set(box.layout.annotations.map(each => each.x)).size, width: page.documentElement.scrollWidth,
      filled: box.offsetHeight, touching: touching.length, texts: texts.length, paper: box.layout.paper_bgcolor,
    };
    document.title = JSON.stringify(found);
  };
  document.body.append(frame);
}
measure(390); measure(1280);
</script></body>
"""


def test_picture_fills_a_window_and_stacks_its_panels_on_a_phone(study, tmp_path):
    study["study"].plot("grid", by="model", on_gap="ignore", on_mix="ignore").save(
        tmp_path / "picture.html", shared=True
    )
    assert next(tmp_path.glob("plotly-*.min.js")).stat().st_size > 1_000_000
    assert (tmp_path / "picture.html").stat().st_size < 100_000
    (tmp_path / "measure.html").write_text(MEASURE)
    arguments = [
        f"--user-data-dir={tmp_path / 'profile'}",
        "--allow-file-access-from-files",
        "--virtual-time-budget=5000",
        "--window-size=1800,900",
        "--blink-settings=preferredColorScheme=0",
        "--dump-dom",
    ]
    page = (tmp_path / "measure.html").as_uri()
    done = subprocess.run([CHROMIUM, *FLAGS, *arguments, page], capture_output=True, text=True, timeout=120)
    assert "CONSOLE" not in done.stderr
    found = json.loads(html.unescape(re.search("<title>(.*)</title>", done.stdout)[1]))
    phone, window = found["390"], found["1280"]
    assert (phone["columns"], window["columns"]) == (1, 3)
    assert (phone["width"], window["width"]) == (390, 1280)
    assert (phone["touching"], window["touching"]) == (0, 0)
    assert min(phone["texts"], window["texts"]) > 25
    assert phone["filled"] > 800
    assert 550 < window["filled"] < 800
    assert phone["paper"] == "rgb(22, 24, 28)"
