"""Pages in a real browser: no console error, no request to the outside, nothing hostile executed."""


def test_overview_opens_without_an_error(page, served):
    page.goto(served.address)
    assert page.title() == "Assemblies · lakebatch"
    assert page.locator("#table tbody tr").count() == 11


def test_overview_is_accessible_in_light_and_dark(new_page, served, violations):
    for scheme in ("light", "dark"):
        page = new_page(color_scheme=scheme)
        page.goto(served.address)
        assert violations(page) == []
