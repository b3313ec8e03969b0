"""Records from other tools: wrong types, endless nesting, malformed ids."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from lakebatch.assembly.record_json import read_environment
from lakebatch.cli import main
from lakebatch.errors import DamageError

DEEP = '{"a":' * 5000 + "1" + "}" * 5000
BELOW_PYTHONS_LIMIT = '{"a":' * 300 + "1" + "}" * 300
MEMBER = {"host": "h", "pid": 1, "process_started": None, "ended": None}
ENVIRONMENTS = {
    "deep": DEEP,
    "rather deep": BELOW_PYTHONS_LIMIT,
    "list": "[]",
    "text": '"x"',
    "null": "null",
    "cut off": '{"packages": {',
    "empty": "",
    "packages": '{"packages": ["numpy"]}',
    "source hash": '{"source_hash": 5}',
    "commit": '{"commit": ["a"]}',
    "workers": '{"workers": {"numpy": "1.0"}}',
    "token": '{"process_started": 7}',
    "namespace": '{"namespace": {}}',
    "lease": '{"lease": 1}',
    "since": '{"since": "yesterday"}',
    "naive": '{"since": "2026-11-23T12:00:00"}',
    "no array": '{"shards": {"of": 2, "members": {}}}',
    "no shards": '{"shards": {"array": "a", "of": 0, "members": {}}}',
    "members": '{"shards": {"array": "a", "of": 2, "members": []}}',
    "member": '{"shards": {"array": "a", "of": 2, "members": {"1": {}}}}',
    "number": json.dumps({"shards": {"array": "a", "of": 2, "members": {"one": MEMBER}}}),
    "shards": '{"shards": [1]}',
    "missing metrics": '{"missing_metrics": {"rows": "many", "of": 3, "why": ""}}',
    "dropped samples": '{"dropped_samples": {"samples": 2, "of": [3], "why": ""}}',
}
COMMANDS = (
    ("status",), ("status", "toy"), ("status", "toy", "{}"), (), ("sql", "FROM toy.assemblies"), ("sql", "FROM toy.results"),
    ("history", "toy"), ("completeness", "toy"), ("replicates", "toy"), ("diff", "toy", "0"), ("reassemble", "toy"),
    ("doctor", "toy"), ("resume", "toy"), ("resume", "toy", "{}"), ("resume",), ("verify", "toy", "{}"),
    ("discard", "toy", "{}", "--reason", "x"), ("list",), ("optimize",), ("vacuum",), ("du",),
)  # fmt: skip


def append(lake, **changes):
    """Append an event as another tool can, and return the id of its assembly."""
    log = lake["toy"].log
    last = log.latest()[-1]
    hostile = replace(last, event=last.event + 1, **changes)
    columns = log.table.schema.polars
    row = pl.DataFrame([{name: getattr(hostile, name) for name in columns}], schema=columns)
    log.table.append_once("somebody-else", lambda state, last: row if last == 0 else None, {})
    return last.assembly_id


def answers(assembly_id):
    """Yield each command, its exit code and its output."""
    for arguments in COMMANDS:
        command = [each.format(assembly_id) for each in arguments]
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            done = CliRunner().invoke(main, ["--lake", "lake", *command])
        assert done.exception is None or isinstance(done.exception, SystemExit), (command, done.exc_info)
        yield arguments, done.exit_code, done.output


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_malformed_environment_is_named_with_its_place(name):
    with pytest.raises(DamageError, match=r"^here is damaged: ") as caught:
        read_environment(ENVIRONMENTS[name], "here")
    assert len(str(caught.value)) < 300


def test_environment_of_every_released_format_is_read():
    array = {
        "array": "a",
        "of": 2,
        "members": {"1": MEMBER, "2": {**MEMBER, "since": "2026-11-23T12:00:00+00:00"}},
    }
    for known in (
        {},
        {"process_started": None},
        {"packages": {}, "shards": {}},
        {"shards": array, "namespace": "n"},
    ):
        assert read_environment(json.dumps(known), "here") == known


@pytest.mark.parametrize(
    ("name", "status"), [("deep", "started"), ("member", "started"), ("list", "completed")]
)
def test_hostile_environment_ends_no_command_in_a_traceback(copied_lake, name, status):
    wanted = append(copied_lake, environment=ENVIRONMENTS[name], status=status)
    told = {arguments: said for arguments, _, said in answers(wanted)}
    if status == "started":
        assert (
            f"Column 'environment' of event 2 of {wanted} in the table 'assemblies' is damaged"
            in told[("status", "toy")]
        )


@pytest.mark.parametrize(
    ("config", "status"),
    [
        (DEEP, "started"),
        (BELOW_PYTHONS_LIMIT, "completed"),
        ("[]", "started"),
        ('{"levels": {"a": [1]}}', "completed"),
    ],
)
def test_hostile_config_ends_no_command_in_a_traceback(copied_lake, config, status):
    for _ in answers(append(copied_lake, config=config, status=status)):
        pass


@pytest.mark.parametrize("foreign", ["20261123_142230_run001\n", "\u202ex" * 100])
def test_malformed_id_is_named_with_its_file(copied_lake, foreign):
    append(copied_lake, assembly_id=foreign)
    for arguments, code, said in answers("20261123_142230_run001"):
        if arguments in (("status", "toy"), ("sql", "FROM toy.results"), ("doctor", "toy")):
            assert code in (1, 2), (arguments, said)
            assert ".parquet holds an event of " in said.replace("\n", ""), (arguments, said)
        if arguments == ("status",):
            assert "other-toy" in said
            assert "toy is left out" in said


@pytest.mark.parametrize(
    "changes", [{"results_version": 10**12, "pid": -1}, {"run_number": 10**15, "seed": -7, "parts": ()}]
)
def test_hostile_number_ends_no_command_in_a_traceback(copied_lake, changes):
    for _ in answers(append(copied_lake, **changes)):
        pass


ENTRIES = {
    "commitInfo": '{"commitInfo": [1]}',
    "metrics": '{"commitInfo": {"operationMetrics": {"num_added_files": "many"}}}',
    "add": '{"add": 5}',
    "path": '{"add": {"path": 7, "partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": true}}',
    "partition": '{"add": {"path": "x", "partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": true}}',
    "schema": '{"metaData": {"id": "5"}}',
    "transaction": '{"txn": {"appId": 7}}',
    "depth": "[" * 100_000,
}


@pytest.mark.parametrize("name", ENTRIES)
def test_malformed_log_entry_ends_no_command_in_a_traceback(copied_lake, name):
    log = Path(copied_lake.storage.uri, "90_v1_toy", "results", "_delta_log")
    newest = max(int(file.stem) for file in log.glob("*.json"))
    entry = log / f"{newest + 1:020d}.json"
    entry.write_text(ENTRIES[name])
    for arguments in (("doctor", "toy"), ("status", "toy"), ("resume", "toy")):
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            done = CliRunner().invoke(main, ["--lake", "lake", *arguments])
        assert isinstance(done.exception, SystemExit | None), (arguments, done.exc_info)
        if arguments[0] == "doctor" and name != "partition":
            assert entry.name in done.output.replace("\n", "")


def test_log_entry_without_metrics_is_accepted(copied_lake):
    from lakebatch.storage.delta.log import parse

    assert parse(b'{"commitInfo": {"operation": "WRITE", "operationMetrics": null}}')
    assert parse(b'{"commitInfo": {"operationMetrics": {"numFiles": "1"}}}\n{"add": null}')


@pytest.mark.filterwarnings("ignore::lakebatch.errors.IncompleteWarning")
@pytest.mark.parametrize("config", [DEEP, "[]", "{"])
def test_damaged_config_is_refused_by_queries_of_configs_alone(copied_lake, config):
    append(copied_lake, config=config)
    for view in ("toy.configs", "lake.configs"):
        with pytest.raises(DamageError, match=r"Column 'config' of event .* is damaged"):
            copied_lake.sql(f"FROM {view}", on_gap="warn")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert copied_lake.sql("FROM other_toy.configs").height == 1
        assert copied_lake.sql("FROM lake.configs", on_gap="ignore")["experiment"].to_list() == ["other-toy"]


def test_nested_config_and_keys_that_differ_in_case_are_columns(copied_lake):
    append(copied_lake, config=json.dumps({"a": {"b": [1, "x"]}, "n": 1, "N": 2.5, "version": "x"}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = copied_lake.sql("FROM toy.configs")
    row = frame.filter(pl.col("n_").is_not_null()).row(0, named=True)
    assert (row["N"], row["n_"], row["version_"], row["a.b"]) == (2.5, 1, "x", '[1, "x"]')
