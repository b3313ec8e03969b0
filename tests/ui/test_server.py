"""The server of pages: token, host, methods and headers, over real connections."""

import pytest


def test_overview_needs_the_token(served):
    answer, text = served.ask()
    assert answer.status == 200
    assert "<h1>Assemblies</h1>" in text
    token = served.token
    for path in ("/", "/wrong/", f"/{token[:-1]}/", f"/{token}x/", "/assets/ui.css"):
        answer, text = served.ask(path)
        assert answer.status == 403, path
        assert "token" in text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_reading_is_possible(served, method):
    assert served.ask(method=method)[0].status == 405


def test_foreign_host_is_refused(served):
    assert served.ask(Host="evil.example:80")[0].status == 421


def test_every_answer_forbids_foreign_content(served):
    for path in ("", "/wrong/", "nothing", "assets/ui.css"):
        answer, _ = served.ask(path)
        assert "default-src 'none'" in answer.getheader("Content-Security-Policy")


def test_unknown_page_and_parameter_are_one_sentence(served):
    answer, text = served.ask("nothing")
    assert answer.status == 404
    assert "There is no page" in text
    answer, text = served.ask("?tga=x")
    assert answer.status == 400
    assert "Unknown parameter" in text
