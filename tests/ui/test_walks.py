"""Walks through all kinds of pages in a real browser, of a server and of an export on disk."""

import re

import pytest

KINDS = ("overview", "experiment", "assembly", "source", "compare", "sweep")
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module", params=["server", "files"])
def address(request, served, exported):
    """Return a function that returns the address of a page by its steps, on a server and in an export."""
    if request.param == "server":
        return lambda *steps: served.address + "/".join(steps)
    return lambda *steps: (exported["now"] / f"{'/'.join(steps) or 'index'}.html").as_uri()


@pytest.fixture(scope="module")
def pages(address, served, exported):
    """Return the address of a page of each kind."""
    study = served.lake["study"]
    ids = study.assemblies()["assembly_id"].to_list()
    (source,) = (file.stem for file in (exported["now"] / "source" / study.folder).iterdir())
    compared = f"compare?with={study.folder}/{ids[0]}&with={study.folder}/{ids[2]}"
    if address().startswith("file:"):
        compared = next(
            each.stem for each in exported["now"].glob("compare-*.html") if ids[2] in each.read_text()
        )
    return {
        "overview": address(),
        "experiment": address("experiment", study.folder),
        "assembly": address("assembly", study.folder, ids[3]),
        "source": address("source", study.folder, source),
        "compare": address(compared),
        "sweep": address("sweep", "90_v1_toy", "grid"),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_page_is_accessible_and_fits_a_phone(page, pages, violations, kind):
    if pages[kind].startswith("file:"):  # light and wide from the server, dark and narrow from files
        page.set_viewport_size(PHONE)
        page.emulate_media(color_scheme="dark")
    page.goto(pages[kind])
    assert page.locator("h1").count() == 1
    assert violations(page) == []
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_hostile_texts_are_text(page, pages):
    page.goto(pages["assembly"])  # one whose error, user and config are markup
    assert page.locator("main").inner_text().count("<script>alert(2)</script>") >= 3
    assert page.locator("main img[src=x]").count() == 0
    page.goto(pages["overview"])
    page.get_by_text("<img src=x onerror=alert(1)><script>ale").first.wait_for()
    assert page.locator("img[src=x]").count() == 0


def test_every_control_is_reached_by_keyboard_and_seen(page, pages):
    page.goto(pages["overview"])
    page.locator("tbody tr").nth(10).wait_for()
    page.keyboard.press("Tab")
    skip = page.locator("a.skip")
    assert skip.evaluate("each => each === document.activeElement && each.getBoundingClientRect().left >= 0")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                "(() => { const at = document.activeElement, style = getComputedStyle(at);"
                " return [at.innerText || at.name || at.dataset.part || '', style.outlineStyle !== 'none'"
                " || style.boxShadow !== 'none', at === document.body]; })()"
            )
        )
        if seen[-1][0].startswith("20261128") or re.match(r"\d{8}_", seen[-1][0]):
            break
    assert [text for text, is_visible, is_end in seen if not is_visible and not is_end] == []
    assert any("Save as CSV" in text for text, *_ in seen)
    assert re.match(r"\d{8}_\d{6}_run", seen[-1][0])  # the link to the newest assembly


def test_colleague_finds_config_code_numbers_and_pictures_of_a_tag(page, exported):
    page.goto((exported["paper-v1"] / "index.html").as_uri())
    page.get_by_text("Frozen pages:").click()
    page.get_by_text("As submitted.").first.wait_for()
    page.get_by_role("link", name=re.compile("run001")).last.click()
    page.get_by_text("The whole config").click()
    page.get_by_text("n_reps").first.wait_for()
    page.get_by_role("link", name=re.compile("study_experiment|study.py|[Ss]ource|code", re.I)).last.click()
    assert "class Study(Experiment" in page.locator("main").inner_text()
    page.get_by_role("navigation", name="Frozen pages").get_by_role("link", name="study", exact=True).click()
    assert page.locator("main table").count() > 0
    picture = page.locator("main img").first
    picture.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('main img').naturalWidth > 100")
    page.get_by_role("link", name="report").click()
    assert "study" in page.title()
