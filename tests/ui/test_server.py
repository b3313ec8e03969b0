"""The server of pages: token, host, methods and headers, over real connections."""

import http.client
import threading
from contextlib import closing

import pytest

from lakebatch import open_lake
from lakebatch.ui import server


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Return the port and the token of a server of an empty lake."""
    token = server.new_token()
    listening = server.listen("127.0.0.1", 0)
    app = server.application(open_lake(tmp_path_factory.mktemp("lake")), token)
    threading.Thread(target=server.serve, args=(app, listening), daemon=True).start()
    return listening.getsockname()[1], token


def ask(port, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers=headers)
    with closing(connection):
        answer = connection.getresponse()
        return answer, answer.read().decode()


def test_overview_needs_the_token(served):
    port, token = served
    answer, text = ask(port, f"/{token}/")
    assert answer.status == 200
    assert "<h1>Assemblies</h1>" in text
    for path in ("/", "/wrong/", f"/{token[:-1]}/", f"/{token}x/", "/assets/ui.css"):
        answer, text = ask(port, path)
        assert answer.status == 403, path
        assert "token" in text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_reading_is_possible(served, method):
    port, token = served
    assert ask(port, f"/{token}/", method)[0].status == 405


def test_foreign_host_is_refused(served):
    port, token = served
    assert ask(port, f"/{token}/", Host="evil.example:80")[0].status == 421


def test_every_answer_forbids_foreign_content(served):
    port, token = served
    for path in (f"/{token}/", "/wrong/", f"/{token}/nothing", f"/{token}/assets/ui.css"):
        answer, _ = ask(port, path)
        assert "default-src 'none'" in answer.getheader("Content-Security-Policy")


def test_unknown_page_and_parameter_are_one_sentence(served):
    port, token = served
    answer, text = ask(port, f"/{token}/nothing")
    assert answer.status == 404
    assert "There is no page" in text
    answer, text = ask(port, f"/{token}/?tga=x")
    assert answer.status == 400
    assert "Unknown parameter" in text
