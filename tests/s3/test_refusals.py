"""Refusals of S3: one line at once, with the lake, the answer of S3 and advice."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from click.testing import CliRunner
from fault_proxy import Cue, FaultProxy, Refusal
from processes import COMPUTED, Command, run

from lakebatch.cli import main

QUICK = ("--jobs", "1", "--set", "pause=0")
COMMANDS = {
    "run": ("run", "toy", *QUICK),
    "status": ("status",),
    "sql": ("sql", "SELECT count(*) AS n FROM toy.results"),
    "reassemble": ("reassemble", "toy"),
}
WRONG = "wrong-and-must-not-leak-either"
KEYS = "Check S3_ACCESS_KEY and S3_SECRET_KEY."
RIGHTS = "Ask for the right to list, read and write in this bucket"
TOKEN = "Renew AWS_SESSION_TOKEN"

SETTINGS = {
    "wrong secret": ({"S3_SECRET_KEY": WRONG}, "S3 says SignatureDoesNotMatch", KEYS),
    "unknown key": ({"S3_ACCESS_KEY": "nobody"}, "S3 says InvalidAccessKeyId", KEYS),
    "missing bucket": ({"S3_BUCKET_NAME": "no-such"}, "S3 says NoSuchBucket", "Create the bucket"),
    "impossible bucket": (
        {"S3_BUCKET_NAME": "No$Such"},
        "'No$Such' cannot be the name",
        "Correct it in --lake",
    ),
    "half the keys": ({"S3_SECRET_KEY": ""}, "Partial credentials", "Set S3_ACCESS_KEY and S3_SECRET_KEY."),
}
ANSWERS = {
    "expired token": (Refusal(400, "ExpiredToken"), TOKEN),
    "invalid token": (Refusal(403, "InvalidToken"), TOKEN),
    "no permission": (Refusal(403, "AccessDenied"), RIGHTS),
    "other region": (Refusal(400, "AuthorizationHeaderMalformed"), "Correct S3_REGION_NAME or S3_ENDPOINT."),
    "wrong clock": (Refusal(403, "RequestTimeTooSkewed"), "Set this machine's clock."),
    "other refusal": (Refusal(400, "SomethingNew"), "Check S3_ENDPOINT, the bucket and the keys."),
}

ONLY_TO_THE_ENGINE = {
    "/91_v1_toy/.*json": ("run", "status"),
    "/91_v1_toy/.*parquet": ("sql", "reassemble"),
    "prefix=.*91_v1_toy": ("run",),
}
"""Requests made by the engine alone, and commands that cause them."""

each_command = pytest.mark.parametrize("command", COMMANDS)


@pytest.fixture
def lakebatch(s3_lake, monkeypatch):
    """Return a function that runs a command in this process and returns exit code, standard output and error."""
    monkeypatch.setenv(COMPUTED, str(s3_lake.folder / "computed"))

    def call(command: str, **settings: str) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            done = CliRunner().invoke(main, COMMANDS[command])
        return done.exit_code, done.stdout, done.stderr

    return call


@pytest.fixture
def proxy(s3_lake) -> Iterator[FaultProxy]:
    """Return a proxy between the command line and the server."""
    with FaultProxy(s3_lake.server.settings["S3_ENDPOINT"]) as proxy:
        yield proxy


@each_command
@pytest.mark.parametrize("case", SETTINGS)
def test_wrong_setting_is_one_line(s3_lake, lakebatch, case, command) -> None:
    settings, said, advice = SETTINGS[case]
    if advice == KEYS and not s3_lake.server.checks_rights:
        pytest.skip(f"{s3_lake.server.name} checks no signatures")
    began = time.monotonic()
    code, out, err = lakebatch(command, **settings)
    assert time.monotonic() - began < 10
    _check_line(s3_lake, code, out, err, said, advice)


@each_command
@pytest.mark.parametrize("case", ANSWERS)
def test_refusal_at_once_is_one_line(s3_lake, lakebatch, proxy, case, command) -> None:
    refusal, advice = ANSWERS[case]
    proxy.cues = [Cue("GET|PUT", "", refusal, all_after=0)]
    code, out, err = lakebatch(command, S3_ENDPOINT=proxy.url)
    assert len(proxy.passages) == 1
    _check_line(s3_lake, code, out, err, f"S3 says {refusal.code}", advice)


def test_refusal_of_the_engine_alone_is_one_line(s3_lake) -> None:
    """As with keys that can list the bucket but not read its objects."""
    written = run(s3_lake.folder, *COMMANDS["run"])
    assert written.wait() == 0, written.err
    (s3_lake.folder / "computed").unlink()
    with ExitStack() as stack:
        commands = []
        for number, (path, names) in enumerate(ONLY_TO_THE_ENGINE.items()):
            proxy = stack.enter_context(FaultProxy(s3_lake.server.settings["S3_ENDPOINT"]))
            proxy.cues = [Cue("GET", path, Refusal(403, "AccessDenied"), all_after=0)]
            commands += [_start(s3_lake, name, f"{number}-{name}", proxy.url) for name in names]
        for command in commands:
            code = command.wait()
            _check_line(s3_lake, code, command.out, command.err, "S3 says AccessDenied", RIGHTS)
            assert f"{s3_lake.uri}/91_v1_toy/" in command.err, command.err


@pytest.mark.parametrize("bucket", ["no-list", "no-read", "no-write"])
def test_missing_permission_is_one_line_before_anything_is_computed(
    s3_lake, stranger, lakebatch, bucket
) -> None:
    code, out, err = lakebatch("run", S3_BUCKET_NAME=bucket, SAVE_RESULT_PATH="lake", **stranger)
    action = {"no-list": "list", "no-read": "read from", "no-write": "write to 91_v1_toy in"}[bucket]
    _check_line(
        s3_lake, code, out, err, f"Cannot {action} the lake s3://{bucket}/lake: S3 says AccessDenied", RIGHTS
    )
    if bucket == "no-list":
        assert lakebatch("status", S3_BUCKET_NAME=bucket, SAVE_RESULT_PATH="lake", **stranger)[0::2] == (
            1,
            err,
        )


def test_missing_permission_for_one_experiment_is_one_line_before_anything_is_computed(
    s3_lake, stranger, lakebatch
) -> None:
    settings = {"S3_BUCKET_NAME": "no-experiment", "SAVE_RESULT_PATH": "lake"}
    assert lakebatch("run", **settings)[0] == 0
    (s3_lake.folder / "computed").unlink()
    code, out, err = lakebatch("run", **settings, **stranger)
    line = "Cannot write to 91_v1_toy in the lake s3://no-experiment/lake: S3 says AccessDenied"
    _check_line(s3_lake, code, out, err, line, RIGHTS)


def test_permission_to_delete_is_not_needed(s3_lake, stranger, lakebatch) -> None:
    settings = {"S3_BUCKET_NAME": "no-delete", "SAVE_RESULT_PATH": "lake", **stranger}
    code, _, err = lakebatch("run", **settings)
    assert code == 0, err


def test_server_without_conditional_writes_is_refused(s3_lake, lakebatch, proxy) -> None:
    proxy.cues = [Cue("PUT", "write-check", Refusal(200, ""), all_after=1)]
    code, out, err = lakebatch("run", S3_ENDPOINT=proxy.url)
    _check_line(s3_lake, code, out, err, "ignores 'If-None-Match: *'", "Use a server with conditional writes")


def test_endpoint_that_does_not_answer_is_one_line_within_seconds(s3_lake) -> None:
    with socket.socket() as silent, socket.socket() as refusing:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        refusing.bind(("127.0.0.1", 0))
        began = time.monotonic()
        ports = {"hangs": silent.getsockname()[1], "refuses": refusing.getsockname()[1]}
        commands = {
            (how, name): _start(s3_lake, name, f"{how}-{name}", f"http://127.0.0.1:{port}")
            for how, port in ports.items()
            for name in ("run", "status")
        }
        for (how, _), command in commands.items():
            code, port = command.wait(), ports[how]
            _check_line(
                s3_lake, code, command.out, command.err, f"http://127.0.0.1:{port}", "Check S3_ENDPOINT"
            )
        assert time.monotonic() - began < 40  # 12 s per failed attempt, and the start of four processes


def test_invalid_endpoint_is_one_line(s3_lake, lakebatch) -> None:
    code, out, err = lakebatch("status", S3_ENDPOINT="nonsense")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "Invalid endpoint: nonsense. Set S3_ENDPOINT to http(s)://host[:port]." in err


def _start(lake, name: str, label: str, endpoint: str) -> Command:
    return Command(lake.folder, *COMMANDS[name], environment={"S3_ENDPOINT": endpoint}, label=label)


def _check_line(lake, code: int, out: str, err: str, said: str, advice: str) -> None:
    assert (code, out) == (1, ""), err
    assert err.startswith("Error: Cannot "), err
    assert err.count("\n") == 1, err
    assert len(err) < 400, err
    assert "s3://" in err
    assert said in err, err
    assert advice in err, err
    assert not (lake.folder / "computed").exists()
    for secret in (lake.server.secret, WRONG, "strangers-secret"):
        assert secret not in err
