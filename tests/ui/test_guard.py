"""Attacks on the server, over real connections."""

import socket

import pytest


@pytest.fixture
def send(served):
    """Return a function that sends bytes and returns the status line of the answer."""

    def ask(text):
        with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
            connection.sendall(text.encode("latin-1"))
            return connection.recv(65536).split(b"\r\n")[0].decode("latin-1")

    return ask


HOST = "Host: 127.0.0.1\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    ("request_line", "headers", "status"),
    [
        ("GET //{token}/", HOST, 403),
        ("GET /?token={token}", HOST, 403),
        ("GET /", f"{HOST}Authorization: token {{token}}\r\n", 403),
        ("GET http://evil.example/{token}/", HOST, 403),
        ("OPTIONS *", HOST, 403),
        ("CONNECT evil.example:443", HOST, 403),
        ("GET /{token}/../../etc/passwd", HOST, 404),
        ("GET /{token}/assets/%2e%2e%2fserver.py", HOST, 404),
        ("GET /{token}/assets/%00", HOST, 404),
        ("GET /{token}/%ff%fe", HOST, 404),
        ("GET /{token}/" + "a" * 30_000, HOST, 404),
        ("GET /{token}/" + "a" * 300_000, HOST, 400),
        ("GET /{token}/?experiment=%00", HOST, 404),
        ("GET /{token}/?tag=%0d%0aSet-Cookie:%20a=b", HOST, 400),
        ("HEAD /{token}/", HOST, 200),
        ("POST /{token}/", f"{HOST}Content-Length: 2\r\n\r\nab", 405),
        ("GET /{token}/", "Host: evil.example\r\n", 421),
        ("GET /{token}/", "Host: 127.0.0.1.evil.example\r\n", 421),
        ("GET /{token}/", "Host: 127.0.0.1@evil.example\r\n", 421),
        ("GET /{token}/", "Host: 192.0.2.7\r\n", 421),
        ("GET /{token}/", f"Host: evil.example\r\n{HOST}", 400),
        ("GET /{token}/assets/ui.css", "Host: LOCALHOST:9999\r\n", 200),
        ("GET /{token}/assets/ui.css", f"{HOST}Sec-Fetch-Site: cross-site\r\n", 403),
        ("GET /{token}/assets/ui.css", f"{HOST}Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors\r\n", 403),
        (
            "GET /{token}/",
            f"{HOST}Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n",
            200,
        ),
        ("GET /{token}/", f"{HOST}Range: bytes=0-10\r\n", 200),
    ],
)
def test_attack_is_refused(send, served, request_line, headers, status):
    line = send(f"{request_line} HTTP/1.1\r\n{headers}\r\n".replace("{token}", served.token))
    assert line.split()[1] == str(status)


def test_slow_clients_keep_nobody_waiting(served):
    slow = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(100)]
    for each in slow:
        each.sendall(b"GET /slow")
    assert served.ask("assets/ui.css")[0].status == 200
    for each in slow:
        each.close()


def test_server_of_every_address_answers_under_its_own_names_only(ui_lake, serve):
    served = serve(ui_lake, "0.0.0.0")
    for host, status in (
        ("127.0.0.1", 200),
        (socket.gethostname(), 200),
        ("evil.example", 421),
        ("8.8.8.8", 421),
    ):
        assert served.ask("assets/ui.css", Host=host)[0].status == status, host


def test_server_of_ipv6_answers(ui_lake, serve):
    try:
        served = serve(ui_lake, "::1")
    except OSError:
        pytest.skip("no IPv6 here")
    with socket.create_connection(("::1", served.port)) as connection:
        connection.sendall(
            f"GET /{served.token}/assets/ui.css HTTP/1.1\r\nHost: [::1]:{served.port}\r\n\r\n".encode()
        )
        assert connection.recv(100).split()[1] == b"200"
