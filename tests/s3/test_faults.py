"""Faults between a lake on S3 and its writers; results are then read without the proxy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import deltalake
import polars as pl
import pytest
from fault_proxy import TRANSIENT, Cue, Fault, FaultProxy, Refusal
from harness import REPEATS, SEED, comparable
from processes import APPEND, Command, let_go_on, make_working_directory, run, start_python, wait_until

import lakebatch
from lakebatch.storage import s3_options
from lakebatch.storage.delta.checkpoints import MIN_SPACING, write_if_due

RATE = 0.05
HIGH_RATE = 0.2
LEVELS = 4
WORK = ("--seed", str(SEED), "--set", f"levels={[level / 10 for level in range(LEVELS)]}")
QUICK = ("--jobs", "1", "--set", "pause=0", *WORK)
COMMITS = r"/_delta_log/\d{20}\.json$"
CONFLICT = Refusal(409, "ConditionalRequestConflict")
COMMITS_OF_A_LIFE = 8
"""Per table the creation and the constraints, then the start, two parts and the end."""
LIFE = """
import sys
from datetime import UTC, datetime
import deltalake
import polars as pl
from lakebatch.assembly.record import Plan
from lakebatch.assembly.events import AssemblyLog
from lakebatch.storage.delta.table import Table
from lakebatch.assembly.part_writer import PartWriter
from lakebatch.storage.delta.schema import load_schema
from lakebatch.storage import Storage, locate

uri, endpoint = sys.argv[1:]
storage = Storage(uri, {**locate(uri).options, "AWS_ENDPOINT_URL": endpoint, "timeout": "2s"})
results, assemblies = (Table(storage, "91_v1_toy", load_schema(name)) for name in ("results", "assemblies"))
print("ready", flush=True)
sys.stdin.readline()
results.ensure()
assemblies.ensure()
log = AssemblyLog(assemblies)
assembly = log.start(Plan({}, ("a", "b"), 1, None, (), "0", {}), results.version())
writer = PartWriter(results, assembly.assembly_id, {})
for part in assembly.parts:
    assert writer.append(part, pl.DataFrame({"repeat": [0, 1]}), datetime.now(UTC))
assert log.record(assembly, "completed", parts_done=2, rows=4).status == "completed"
assert log.get(assembly.assembly_id).status == "completed"
"""
"""The whole life of an assembly of two parts, with an engine that waits no more than two seconds for an answer."""


@pytest.fixture
def proxy(s3_lake, monkeypatch) -> Iterator[FaultProxy]:
    """Return a proxy to the lake, without any fault yet."""
    with FaultProxy(s3_lake.server.settings["S3_ENDPOINT"]) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> pl.DataFrame:
    """Return the rows of a run on disk that nothing disturbed."""
    folder = make_working_directory(tmp_path_factory.mktemp("local") / "work")
    command = run(folder, "--lake", "local", "run", "toy", *QUICK)
    assert command.wait() == 0, command.err
    return comparable(lakebatch.open_lake(folder / "local")["toy"].reassemble(on_gap="refuse"))


def test_run_behind_each_kind_of_fault_finishes_exactly_once(s3_lake, expected) -> None:
    with ExitStack() as stack:
        proxies = {fault.name: _faulty(stack, s3_lake, RATE, [fault]) for fault in TRANSIENT}
        proxies["mixture"] = _faulty(stack, s3_lake, HIGH_RATE, TRANSIENT)
        commands = {name: _start(s3_lake, name, proxy) for name, proxy in proxies.items()}
        ends = {name: command.wait() for name, command in commands.items()}
    assert ends == dict.fromkeys(proxies, 0), {
        name: each.err for name, each in commands.items() if ends[name]
    }
    assert [name for name, proxy in proxies.items() if proxy.injected().total() < 5] == []
    for name in proxies:
        _check_one_run(f"{s3_lake.uri}/{name}", expected, computed=s3_lake.folder / name / "computed")


def test_resume_behind_faults_and_an_outage_finishes_exactly_once(s3_lake, expected, proxy) -> None:
    proxy.rate = RATE
    through = {"S3_ENDPOINT": proxy.url}
    killed = Command(s3_lake.folder, "run", "toy", "--jobs", "2", *WORK, environment=through)
    killed.wait_for_lines(2)
    assert killed.kill(), killed.err

    resumed = Command(s3_lake.folder, "resume", "toy", "--jobs", "2", environment=through, label="resume")
    resumed.wait_for_lines(1)
    proxy.rate, proxy.faults = 1.0, (Fault.RESET,)
    seen = len(proxy.passages)
    wait_until(lambda: len(proxy.passages) > seen + 10)
    proxy.rate = 0.0
    assert resumed.wait() == 0, resumed.err
    _check_one_run(s3_lake.uri, expected)


def test_append_behind_faults_by_several_processes_loses_and_doubles_nothing(
    s3_lake, proxy, monkeypatch
) -> None:
    proxy.rate = HIGH_RATE
    monkeypatch.setenv("S3_ENDPOINT", proxy.url)
    ids = [f"20261123_142230_run{number:03d}" for number in range(4)]
    writers = [
        start_python(APPEND, s3_lake.uri, each, "5", alone=s3_lake.folder / "alone" / each) for each in ids
    ]
    assert let_go_on(writers) == [(0, "")] * 4
    assert proxy.injected().total() > 20
    proxy.rate = 0.0  # the check below reads without retries
    rows = _read(s3_lake.uri, "results")
    expected = {(each, f"part={index}", repeat) for each in ids for index in range(5) for repeat in (0, 1)}
    assert rows.height == len(expected)
    assert set(rows.select("assembly_id", "part", "repeat").iter_rows()) == expected


def test_checkpoint_whose_reads_break_off_is_written_again(s3_lake, proxy, monkeypatch, caplog) -> None:
    """The engine does not repeat a request whose answer breaks off in its body."""
    monkeypatch.setenv("S3_ENDPOINT", proxy.url)
    options = s3_options(os.environ)
    uri = f"{s3_lake.uri}/table"
    for number in range(MIN_SPACING + 1):
        deltalake.write_deltalake(uri, pl.DataFrame({"n": [number]}), mode="append", storage_options=options)
    table = deltalake.DeltaTable(uri, storage_options=options)
    proxy.cues = [Cue("GET", r"/_last_checkpoint$", Fault.TRUNCATED)]
    write_if_due(table, 0)
    assert proxy.injected() == {Fault.TRUNCATED: 1}
    assert caplog.text == ""
    assert sum("checkpoint.parquet" in each.path for each in proxy.passages if each.method == "PUT") == 1


AMBIGUOUS = [Fault.LOST, Fault.LATE, Fault.ERROR_AFTERWARDS, Fault.TRUNCATED, Fault.SILENT, CONFLICT]


def test_commit_with_unknown_outcome_is_made_once(s3_lake) -> None:
    """Every commit, including the creation of tables, fails at first, either before or after it was made."""
    with ExitStack() as stack:
        proxies = {fault: _faulty(stack, s3_lake, 0.0, []) for fault in AMBIGUOUS}
        for fault, proxy in proxies.items():
            proxy.cues = [Cue("PUT", COMMITS, fault)]
        lives = [
            start_python(LIFE, f"{s3_lake.uri}/{number}", proxy.url)
            for number, proxy in enumerate(proxies.values())
        ]
        ends = dict(zip(AMBIGUOUS, let_go_on(lives), strict=True))
        assert [f"{fault}: {end}" for fault, end in ends.items() if end != (0, "")] == []
    for number, (fault, proxy) in enumerate(proxies.items()):
        assert proxy.injected() == {fault: COMMITS_OF_A_LIFE}
        events = _read(f"{s3_lake.uri}/{number}", "assemblies").sort("event")
        assert events["assembly_id"].n_unique() == 1, fault
        assert events.select("run_number", "event", "status").rows() == [
            (1, 0, "started"),
            (1, 1, "completed"),
        ], fault
        rows = _read(f"{s3_lake.uri}/{number}", "results").select("part", "repeat").rows()
        assert sorted(rows) == [("a", 0), ("a", 1), ("b", 0), ("b", 1)], fault


def test_run_with_an_expired_token_ends_with_one_line_and_is_resumed(s3_lake, expected, proxy) -> None:
    proxy.cues = [Cue("GET|PUT", "/91_v1_toy/", Refusal(400, "ExpiredToken"), all_after=60)]
    arguments = ("run", "toy", *QUICK)
    expired = run(s3_lake.folder, *arguments, environment={"S3_ENDPOINT": proxy.url})
    assert expired.wait() == 1
    errors = [line for line in expired.err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, expired.err
    assert f"{s3_lake.uri}/91_v1_toy/" in errors[0]
    assert "S3 says ExpiredToken. Renew AWS_SESSION_TOKEN" in errors[0]
    assert "Traceback" not in expired.err

    proxy.cues = []
    resumed = run(s3_lake.folder, "resume", "toy", "--jobs", "1", environment={"S3_ENDPOINT": proxy.url})
    assert resumed.wait() == 0, resumed.err
    _check_one_run(s3_lake.uri, expected)


def _faulty(stack: ExitStack, lake, rate: float, faults) -> FaultProxy:
    proxy = FaultProxy(lake.server.settings["S3_ENDPOINT"], rate=rate, faults=faults, seed=SEED)
    return stack.enter_context(proxy)


def _start(lake, name: str, proxy: FaultProxy) -> Command:
    folder = make_working_directory(lake.folder / name)
    place = {"S3_ENDPOINT": proxy.url, "SAVE_RESULT_PATH": f"{lake.prefix}/{name}"}
    return Command(folder, "run", "toy", *QUICK, environment=place)


def _check_one_run(uri: str, expected: pl.DataFrame, computed: Path | None = None) -> None:
    """Check that a lake has one completed assembly with the rows of an undisturbed run, each once."""
    stored = lakebatch.open_lake(uri)["toy"]
    events = stored.log.events()
    assert events["assembly_id"].n_unique() == 1, f"{uri}: {events}"
    assert events["status"].to_list().count("completed") == 1, f"{uri}: {events}"
    rows = stored.reassemble(on_gap="refuse")
    assert rows.height == LEVELS * REPEATS, uri
    assert comparable(rows).equals(expected), uri
    writes = [commit for commit in stored.results.commits() if "lakebatch.part" in commit.metadata]
    assert len(writes) == LEVELS, uri
    if computed is not None:
        assert len(computed.read_text().split()) == LEVELS, uri


def _read(uri: str, table: str) -> pl.DataFrame:
    return pl.read_delta(f"{uri}/91_v1_toy/{table}", storage_options=s3_options(os.environ))
