"""All functions of a lake, on a real S3 server."""

from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path
from urllib.parse import quote

import polars as pl
from click.testing import CliRunner, Result
from processes import APPEND, Command, let_go_on, run, start_python

import lakebatch
from lakebatch.assembly.lease import LEASE_TIMEOUT, hold
from lakebatch.cli import main
from lakebatch.storage import s3_options
from lakebatch.storage.delta import bundles
from lakebatch.storage.delta.log import FOLDER, PLACEHOLDER, entry_name
from lakebatch.storage.delta.version import TableVersion

LEAKING = Path(__file__).parents[1] / "faults" / "leaking_experiment.py"
PARTS = 8
REPEATS = 3
ROWS = PARTS * REPEATS
WRITERS = 5
APPENDS = 10
SHARDS = 4
SHARDS_ON_MOTO = 3
APPENDS_TO_MOTO = 4
"""moto is one slow process: 8 x 20 appends take several minutes."""
QUICK = ("--jobs", "1", "--set", "pause=0")


def _csv(*arguments: str) -> pl.DataFrame:
    """Return the output of a reading command, run in this process and working directory."""
    return pl.read_csv(_done(*arguments, "--format", "csv").stdout.encode())


def _done(*arguments: str) -> Result:
    """Run a command in this process and working directory."""
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return done


def _run(*arguments: str) -> None:
    _done("run", "toy", *QUICK, *arguments)


def test_runs_on_s3_are_shown_by_every_command(s3_lake) -> None:
    _run()
    _run()
    status = _csv("status")
    assert status["status"].to_list() == ["completed", "completed"]
    listed = _csv("list").filter(experiment="toy")
    assert listed.select("assemblies", "completed").row(0) == (2, 2)
    history = _csv("history", "toy")
    assert history["status"].to_list() == ["started", "completed"] * 2
    total = _csv("sql", "SELECT count(*) AS n, count(DISTINCT part) AS parts FROM toy.results")
    assert total.row(0) == (2 * ROWS, PARTS)


def test_past_version_on_s3_is_unchanged(s3_lake) -> None:
    _run()
    first = lakebatch.open_lake()["toy"]
    then = first.reassemble()
    version = first.snapshot().version
    _run()

    file = s3_lake.folder / "then.parquet"
    command = run(s3_lake.folder, "reassemble", "toy", "--version", str(version), "-o", str(file))
    assert command.wait() == 0, command.err
    assert pl.read_parquet(file).equals(then)
    stored = lakebatch.open_lake(s3_lake.uri)["toy"]
    assert stored.reassemble(version=version).equals(then)
    assert stored.reassemble().height == 2 * ROWS
    counted = lakebatch.open_lake().sql("SELECT count(*) AS n FROM toy.results", version=version)
    assert counted["n"].to_list() == [ROWS]


def test_bundle_on_s3_is_read_in_place_of_its_files(s3_lake, monkeypatch) -> None:
    monkeypatch.setattr(bundles, "MIN_FILES", 2)
    for _ in range(3):
        _run()
    stored = lakebatch.open_lake()["toy"]
    found = stored.results.at().sources()
    assert (len(found.bundles), len(found.files)) == (1, 1)
    rows, counted = (
        stored.reassemble(),
        "SELECT assembly_id, count(*) FROM toy.results GROUP BY ALL ORDER BY ALL",
    )
    assert rows.height == 3 * ROWS
    answer = lakebatch.open_lake().sql(counted)
    for file in stored.storage.files(stored.results.bundle_folder):
        stored.storage.remove(f"{stored.results.bundle_folder}/{file.path}")
    again = lakebatch.open_lake()["toy"]
    assert again.results.at().sources().bundles == []
    assert again.reassemble().equals(rows)
    assert lakebatch.open_lake().sql(counted).equals(answer)


def test_state_on_s3_is_opened_once_until_something_is_committed(s3_lake) -> None:
    _run()
    lake = lakebatch.open_lake()
    first = lake["toy"].results.at()
    assert lake["toy"].results.at() is first
    _run()
    newest = lake["toy"].results.at()
    assert newest.number > first.number
    assert lake["toy"].reassemble().height == 2 * ROWS
    entry = f"{lake['toy'].results.path}/{FOLDER}/{entry_name(newest.number)}"
    lake.storage.write(entry, PLACEHOLDER.encode())
    again = lake["toy"].results.at()
    assert again is not newest
    assert again.number == newest.number


def test_tables_on_s3_are_plain_delta_tables(s3_lake) -> None:
    _run()
    options = s3_options(s3_lake.server.settings)
    rows = pl.scan_delta(f"{s3_lake.uri}/91_v1_toy/results", storage_options=options).collect()
    assert rows.height == rows.select("part", "repeat").n_unique() == ROWS
    lazily = lakebatch.open_lake()["toy"].scan().filter(pl.col("level") == 0.1).select("repeat").collect()
    assert sorted(lazily["repeat"]) == list(range(REPEATS))


def test_resume_on_s3_after_a_kill_computes_missing_parts(s3_lake) -> None:
    folder = s3_lake.folder
    reference = run(folder, "--lake", "local", "run", "toy", *QUICK, "--seed", "7")
    assert reference.wait() == 0, reference.err
    (folder / "computed").unlink()

    killed = Command(folder, "run", "toy", "--jobs", "2", "--seed", "7")
    killed.wait_for_lines(4)
    assert killed.kill(), killed.err
    stored = lakebatch.open_lake()["toy"]
    assert _csv("status", "toy")["status"].to_list() == ["interrupted"]
    committed = set(stored.scan(include=["started"]).collect()["part"])
    assert 3 <= len(committed) < PARTS
    (folder / "computed").unlink()

    resumed = run(folder, "resume", "toy", "--jobs", "2")
    assert resumed.wait() == 0, resumed.err
    computed = (folder / "computed").read_text().split()
    assert len(computed) == PARTS - len(committed)
    assert not committed & set(computed)
    assert _comparable(stored).equals(_comparable(lakebatch.open_lake("local")["toy"]))


def test_runs_on_s3_started_at_one_instant_get_different_ids(s3_lake) -> None:
    runs = [Command(s3_lake.folder, "run", "toy", *QUICK, label=f"run{number}") for number in range(2)]
    assert [each.wait() for each in runs] == [0, 0], [each.err for each in runs]
    stored = lakebatch.open_lake()["toy"]
    assert stored.assemblies()["assembly_id"].str.slice(-6).to_list() == ["run001", "run002"]
    rows = stored.reassemble(on_gap="refuse")
    assert rows.height == rows.select("assembly_id", "part", "repeat").n_unique() == 2 * ROWS


def test_reading_a_table_on_s3_does_not_hide_a_commit_in_between(s3_lake) -> None:
    """Another process commits after the state was loaded; an append based on that state is still refused."""
    _run()
    results, other = (lakebatch.open_lake()["toy"].results for _ in range(2))
    rows, seen = results.at().scan().head(1).collect(), []

    def data_after(state: TableVersion, last: int) -> pl.DataFrame:
        if not seen:
            assert other.append_once("a", lambda state, last: rows, {})
        seen.append(last)
        assert results.version() == other.version()
        return rows

    assert results.append_once("a", data_after, {})
    assert seen == [0, 1]


def test_append_on_s3_by_several_processes_loses_and_doubles_nothing(s3_lake) -> None:
    appends = APPENDS if s3_lake.server.checks_rights else APPENDS_TO_MOTO
    ids = [f"20261123_142230_run{number:03d}" for number in range(WRITERS)]
    alone = [s3_lake.folder / "alone" / each for each in ids]
    writers = [
        start_python(APPEND, s3_lake.uri, each, str(appends), alone=folder)
        for each, folder in zip(ids, alone, strict=True)
    ]
    assert let_go_on(writers) == [(0, "")] * WRITERS
    options = s3_options(s3_lake.server.settings)
    rows = pl.read_delta(f"{s3_lake.uri}/91_v1_toy/results", storage_options=options)
    expected = {
        (each, f"part={index}", repeat) for each in ids for index in range(appends) for repeat in (0, 1)
    }
    assert rows.height == len(expected)
    assert set(rows.select("assembly_id", "part", "repeat").iter_rows()) == expected


def test_prefix_that_needs_percent_encoding_works(s3_lake, monkeypatch) -> None:
    """The engine returns it percent-encoded; used as the key, it would lead to no object."""
    monkeypatch.setenv("SAVE_RESULT_PATH", f"{s3_lake.prefix}/Results Müller's {{1}} +&$;\"`<x>")
    monkeypatch.setattr(bundles, "MIN_FILES", 2)
    _run()
    _run()
    _done("optimize", "--yes")
    assert _csv("status")["status"].to_list() == ["completed"] * 2
    assert _csv("reassemble", "toy").height == 2 * ROWS
    assert _csv("sql", "SELECT count(*) AS n FROM lake.results")["n"].to_list() == [2 * ROWS]
    stored = lakebatch.open_lake()["toy"]
    assert stored.results.at().sources().bundles
    assert stored.results.at().uri in _done("sql", "--print-setup").stdout.replace("''", "'")
    _done("vacuum", "--yes")
    assert "0 problems" in _done("doctor", "--deep").stderr
    assert stored.scan().collect().height == 2 * ROWS


def test_keys_of_a_profile_are_used_by_every_engine(s3_lake, monkeypatch) -> None:
    keys = {name: s3_lake.server.settings[name] for name in ("S3_ACCESS_KEY", "S3_SECRET_KEY")}
    file = s3_lake.folder / "credentials"
    file.write_text(
        "[default]\n"
        f"aws_access_key_id = {keys['S3_ACCESS_KEY']}\naws_secret_access_key = {keys['S3_SECRET_KEY']}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    for name in keys:
        monkeypatch.delenv(name)
    _run()
    assert _csv("sql", "SELECT count(*) AS n FROM toy.results")["n"].to_list() == [ROWS]


def test_secret_is_in_no_output_and_in_no_object(s3_lake) -> None:
    """Not even where an experiment quotes the whole environment in its rows, errors, warnings and log."""
    secret = s3_lake.server.secret
    shutil.copy(LEAKING, s3_lake.folder / "experiments" / "leak.py")
    commands = [
        run(s3_lake.folder, "-vv", "run", "leak", "--jobs", "2", label="run"),
        run(s3_lake.folder, "-vv", "status", label="status"),
        run(
            s3_lake.folder, "sql", "FROM leak.results", "--include", "failed", "--format", "csv", label="sql"
        ),
    ]
    assert [each.wait() for each in commands] == [3, 0, 0], [each.err for each in commands]
    said = "".join(each.out + each.err for each in commands)
    assert said.count("[S3_SECRET_KEY withheld]") > 2
    said += repr(lakebatch.open_lake()) + repr(lakebatch.open_lake().storage)
    objects = _objects(s3_lake)
    assert any(key.endswith(".parquet") for key in objects)
    assert any(key.endswith(".json") for key in objects)
    coded = [base64.b64encode(b"x" * before + secret.encode()).decode()[4:-4] for before in range(3)]
    for form in (secret, quote(secret, safe=""), *coded):
        assert form not in said
        assert [key for key, content in objects.items() if form in _text(key, content)] == []


def test_run_on_s3_is_judged_alive_by_the_clock_of_s3(s3_lake, monkeypatch) -> None:
    _run()
    stored = lakebatch.open_lake()["toy"]
    with hold(stored.storage, stored.folder) as name, monkeypatch.context() as patch:
        patch.delattr("lakebatch.storage.s3.datetime")  # the clock of this machine
        age = stored.log.leases().age(name)
        assert age is not None
        assert 0 <= age < LEASE_TIMEOUT
        assert stored.log.leases().age("another") == float("inf")
    assert stored.log.leases().age(name) == float("inf")
    assert [key for key in _objects(s3_lake) if "/leases/" in key] == []


def _objects(lake) -> dict[str, bytes]:
    """Return the content of every object of the lake by key."""
    client, bucket = lake.server.client(), lake.server.bucket
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=lake.prefix)
    keys = [entry["Key"] for page in pages for entry in page["Contents"]]
    return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def _text(key: str, content: bytes) -> str:
    """Return an object as text; a Parquet file is compressed, so its rows are added."""
    rows = pl.read_parquet(io.BytesIO(content)).write_json() if key.endswith(".parquet") else ""
    return content.decode(errors="replace") + rows


def _comparable(stored: lakebatch.StoredExperiment) -> pl.DataFrame:
    rows = stored.reassemble(on_gap="refuse")
    return rows.drop("assembly_id", "recorded_at", "fit_seconds").sort("part", "repeat")


def test_functions_of_a_dataset_on_disk_work_on_s3(s3_lake) -> None:
    """Tags, diff, decisions, completeness, verification and upkeep, by command line and Python."""
    folder = s3_lake.folder
    _run("--seed", "5")
    stored = lakebatch.open_lake()["toy"]
    first, rows = stored.assemblies()["assembly_id"][0], stored.reassemble()
    _done("tag", "toy", "paper-v1")
    _run("--seed", "6")
    _done("discard", "toy", first, "--reason", "wrong dose")
    assert _csv("reassemble", "toy", "--tag", "paper-v1").height == ROWS
    assert stored.reassemble(tag="paper-v1").equals(rows)
    assert first not in set(stored.reassemble(on_gap="refuse")["assembly_id"])
    changes = stored.diff("paper-v1", "now").assemblies
    assert sorted(changes["change"]) == ["added", "changed"]
    assert "wrong dose" in _done("history", "toy").stdout
    _done("restore", "toy", first, "--reason", "dose was right")
    assert "all the same" in _done("verify", "toy", first, "--jobs", "1").stderr
    assert "0 of 16 planned parts are missing" in _done("completeness", "toy").stderr
    _done("optimize", "toy", "--yes")
    _done("vacuum", "toy", "--keep-days", "0", "--yes")
    assert stored.reassemble(tag="paper-v1").equals(rows)
    assert stored.usage().filter(table="results")["rows"].sum() == 2 * ROWS
    text = (
        "SELECT (SELECT count(*) FROM toy.results) AS now, (SELECT count(*) FROM before.toy.results) AS past"
    )
    assert _csv("sql", text, "--also", "before=paper-v1").row(0) == (2 * ROWS, ROWS)
    file = folder / "rows.parquet"
    _done("reassemble", "toy", "-o", str(file))
    assert pl.read_parquet(file).equals(stored.reassemble())


def test_parallel_shards_on_s3_share_one_assembly(s3_lake) -> None:
    """One of them is killed, and started again as a batch system does."""
    many = SHARDS if s3_lake.server.checks_rights else SHARDS_ON_MOTO

    def shard(index: int, label: str) -> Command:
        share = ("--shard", f"{index}/{many}", "--array", "a")
        return Command(s3_lake.folder, "run", "toy", "--jobs", "1", "--seed", "7", *share, label=label)

    tasks = [shard(index, f"shard{index}") for index in range(1, many + 1)]
    tasks[-1].wait_for_lines(1)
    tasks[-1].kill()
    assert [each.wait() for each in tasks[:-1]] == [0] * (many - 1), [each.err for each in tasks]
    last = shard(many, "again")
    assert last.wait() == 0, last.err
    stored = lakebatch.open_lake()["toy"]
    assert stored.assemblies()["status"].to_list() == ["completed"]
    rows = stored.reassemble(on_gap="refuse")
    assert rows.height == rows.select("part", "repeat").n_unique() == ROWS
