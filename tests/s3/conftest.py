"""A real S3 server for the tests of this folder, and a separate lake on it for each test."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import processes
import pytest

HERE = Path(__file__).parent
SCRIPT = HERE / "server.sh"
MOTO_SETTINGS = {
    "S3_BUCKET_NAME": "lake",
    "S3_ACCESS_KEY": "lakebatch-tests",
    "S3_SECRET_KEY": "not-a-secret-but-must-not-leak",
    "S3_REGION_NAME": "us-east-1",
}
OTHER_SETTINGS = (
    "LAKEBATCH_LAKE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_BUCKET_NAME",
    "AWS_PROFILE",
    "AWS_ALLOW_HTTP",
)
"""Variables that lead to another server, or hide a setting that was not passed on."""
LACKING = (
    ("no-list", "lake", "s3:ListBucket"),
    ("no-read", "lake", "s3:GetObject"),
    ("no-write", "lake", "s3:PutObject"),
    ("no-delete", "lake", "s3:DeleteObject"),
    ("no-experiment", "lake/91_v1_toy", "s3:PutObject"),
)
"""Buckets, each with a prefix and the action denied there."""
USED = pytest.StashKey[str]()


@dataclass(frozen=True)
class Server:
    """A running S3 server, and the settings to reach it."""

    name: str
    settings: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for the server script; empty for a server that checks neither signatures nor rights."""

    @property
    def checks_rights(self) -> bool:
        """Whether it checks permissions."""
        return bool(self.environment)

    @property
    def bucket(self) -> str:
        """The bucket for the tests."""
        return self.settings["S3_BUCKET_NAME"]

    @property
    def secret(self) -> str:
        """The secret key, which must appear nowhere."""
        return self.settings["S3_SECRET_KEY"]

    def client(self) -> Any:
        """Return a separate client, so that checks do not go through lakebatch."""
        return boto3.client(
            "s3",
            endpoint_url=self.settings["S3_ENDPOINT"],
            aws_access_key_id=self.settings["S3_ACCESS_KEY"],
            aws_secret_access_key=self.secret,
            region_name=self.settings["S3_REGION_NAME"],
        )


@dataclass(frozen=True)
class LakeOnS3:
    """An empty lake on S3, and a working directory with the experiment ``toy``."""

    server: Server
    prefix: str
    folder: Path

    @property
    def uri(self) -> str:
        """The lake's URI."""
        return f"s3://{self.server.bucket}/{self.prefix}"


@pytest.fixture(scope="session")
def s3_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start Ceph's gateway if it is installed, else moto's server; the summary names it."""
    missing = subprocess.run([SCRIPT, "installed"], capture_output=True, text=True).stderr.strip()
    folder = tmp_path_factory.mktemp("s3")
    with _moto(folder, missing) if missing else _gateway(folder) as server:
        request.config.stash[USED] = server.name
        yield server


@pytest.fixture
def s3_lake(s3_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LakeOnS3]:
    """Set a new prefix of the bucket as the lake of this process and its children."""
    folder = processes.make_working_directory(tmp_path / "work")
    lake = LakeOnS3(s3_server, f"test-{uuid.uuid4().hex}", folder)
    for name in OTHER_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    settings = {**s3_server.settings, "SAVE_RESULT_PATH": lake.prefix, "NO_PROXY": "127.0.0.1"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(processes.COMPUTED, str(folder / "computed"))
    monkeypatch.chdir(folder)
    yield lake
    processes.kill_all()


@pytest.fixture(scope="session")
def stranger(s3_server: Server) -> Mapping[str, str]:
    """Return the keys of a user that lacks the rights listed in `LACKING`."""
    if not s3_server.checks_rights:
        pytest.skip(f"{s3_server.name} checks no rights")
    keys = dict(line.split("=", 1) for line in _script("stranger", s3_server.environment).splitlines())
    client = s3_server.client()
    for bucket, place, right in LACKING:
        client.create_bucket(Bucket=bucket)
        everything = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        of_place = f"arn:aws:s3:::{bucket}/{place}/*" if right != "s3:ListBucket" else everything[0]
        statements = [_statement("Allow", "s3:*", everything), _statement("Deny", right, [of_place])]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        client.put_bucket_policy(Bucket=bucket, Policy=policy)
    return keys


def _statement(effect: str, action: str, resources: list[str]) -> dict[str, object]:
    principal = {"AWS": ["arn:aws:iam:::user/stranger"]}
    return {"Effect": effect, "Principal": principal, "Action": [action], "Resource": resources}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the server used by the tests."""
    if used := config.stash.get(USED, None):
        terminalreporter.write_line(f"S3 tests ran against {used}")


@contextmanager
def _gateway(folder: Path) -> Iterator[Server]:
    environment = {
        "SERVER_FOLDER": str(folder),
        "SERVER_PORT": str(_free_port()),
        "SERVER_MONITOR_PORT": str(_free_port()),
    }
    try:
        lines = _script("start", environment).splitlines()
        version = subprocess.run(["radosgw", "--version"], capture_output=True, text=True, check=True).stdout
        settings = dict(line.split("=", 1) for line in lines)
        yield Server(f"Ceph's RADOS gateway, {' '.join(version.split()[:3])}", settings, environment)
    finally:
        _script("wipe", environment)


@contextmanager
def _moto(folder: Path, missing: str) -> Iterator[Server]:
    if importlib.util.find_spec("moto") is None:
        pytest.fail(
            f"no S3 server: {missing}, nor is moto. As root: {SCRIPT} install; or: pip install 'moto[server]'"
        )
    port = _free_port()
    server = Server(
        f"moto's server and not a real one ({missing}; get it with: tests/s3/server.sh install)",
        {**MOTO_SETTINGS, "S3_ENDPOINT": f"http://127.0.0.1:{port}"},
    )
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (
        (folder / "moto.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
    ):
        try:
            processes.wait_until(lambda: _listens(port) or process.poll() is not None)
            server.client().create_bucket(Bucket=server.bucket)
            yield server
        finally:
            process.terminate()


def _script(verb: str, environment: Mapping[str, str]) -> str:
    # a file, because daemons inherit standard output and would keep a pipe open
    folder = Path(environment["SERVER_FOLDER"]).parent
    out, err = folder / f"{verb}.out", folder / f"{verb}.err"
    with out.open("wb") as to_out, err.open("wb") as to_err:
        done = subprocess.run([SCRIPT, verb], env={**os.environ, **environment}, stdout=to_out, stderr=to_err)
    if done.returncode:
        pytest.fail(f"{SCRIPT} {verb} ended with {done.returncode}: {err.read_text()}")
    return out.read_text()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
