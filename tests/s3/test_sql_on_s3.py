"""SQL over a lake on S3: views over datasets of Arrow, without a copy of the tables."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import polars as pl
import pytest
from processes import run
from pyarrow.fs import PyFileSystem

import lakebatch
from lakebatch.assembly.part_writer import PartWriter
from lakebatch.assembly.record import Plan
from lakebatch.errors import DamageError, DamageWarning, QueryError
from lakebatch.sql.options import QueryOptions
from lakebatch.sql.session import VIEW_NAMES, Session
from lakebatch.storage.delta import bundles

LEVELS = [0.0, 0.1]
COUNT = "SELECT assembly_id, count(*) AS n, sum(repeat) AS total FROM toy.results GROUP BY ALL ORDER BY ALL"
KINDS = "SELECT table_type FROM information_schema.tables WHERE table_name = 'results'"


def _run(*settings: str) -> None:
    lakebatch.run(lakebatch.open_lake(), "toy", jobs=1, settings=["pause=0", f"levels={LEVELS}", *settings])


def _key_of_first(stored) -> str:
    state = stored.results.at()
    (file, *_) = state.data_files(stored.snapshot().ids()[:1])
    return f"{state.uri}/{file.path}".removeprefix(f"s3://{stored.storage.uri.split('/')[2]}/")


def _remove(s3_lake, key: str) -> None:
    s3_lake.server.client().delete_object(Bucket=s3_lake.server.bucket, Key=key)


def test_results_on_s3_are_views_with_the_columns_of_a_lake_on_disk(s3_lake) -> None:
    _run()
    work = ("run", "toy", "--jobs", "1", "--set", "pause=0", "--set", f"levels={LEVELS}")
    assert run(s3_lake.folder, "--lake", "local", *work).wait() == 0
    on_s3, on_disk = lakebatch.open_lake(), lakebatch.open_lake(s3_lake.folder / "local")
    assert set(on_s3.sql(KINDS)["table_type"]) == {"VIEW"}
    assert on_s3.sql("SHOW TABLES").equals(on_disk.sql("SHOW TABLES"))
    described = "DESCRIBE toy.results"
    assert on_s3.sql(described).equals(on_disk.sql(described))
    chosen = "SELECT * EXCLUDE (assembly_id, recorded_at) FROM toy.results ORDER BY ALL"
    assert on_s3.sql(chosen).schema == on_disk.sql(chosen).schema
    assert on_s3.sql(chosen).height == on_s3["toy"].reassemble().height


def test_cursors_of_a_connection_to_s3_read_the_views(s3_lake) -> None:
    _run()
    rows = lakebatch.open_lake()["toy"].reassemble().height
    with lakebatch.open_lake().connect() as connection, connection.cursor() as cursor:
        assert cursor.sql("SELECT count(*) FROM toy.results").fetchall() == [(rows,)]
        assert connection.sql("FROM toy.results").pl().height == rows
        assert ("toy.results",) in connection.sql(VIEW_NAMES).fetchall()


def test_unfinished_assembly_on_s3_shows_the_parts_of_the_snapshot_only(s3_lake) -> None:
    _run()
    stored = lakebatch.open_lake()["toy"]
    plan = Plan({}, ("a", "b"), 1, None, (), "0", {})
    started = stored.log.start(plan, stored.results.version())
    writer = PartWriter(stored.results, started.assembly_id, {})
    writer.append("a", pl.DataFrame({"repeat": [0, 1]}), datetime.now(UTC))
    rows = f"SELECT part, count(*) AS n FROM toy.results WHERE assembly_id = '{started.assembly_id}' GROUP BY ALL"
    before = lakebatch.open_lake().snapshot(include=("started",))
    writer.append("b", pl.DataFrame({"repeat": [0, 1]}), datetime.now(UTC))
    with Session(before, QueryOptions(on_gap="ignore")) as session:
        assert session.answer(rows).rows() == [("a", 2)]
    assert lakebatch.open_lake().sql(rows, on_gap="ignore").is_empty()


@pytest.mark.parametrize("is_open", [False, True])
def test_missing_object_is_named_before_and_after_the_views_are_opened(s3_lake, is_open) -> None:
    _run()
    _run()
    lake = lakebatch.open_lake()
    key, ids = _key_of_first(lake["toy"]), lake["toy"].snapshot().ids()
    snapshot = lake.snapshot()
    if is_open:
        with Session(snapshot) as session:
            _remove(s3_lake, key)
            with pytest.raises(DamageError, match=f"{ids[0]} is missing"):
                session.answer(COUNT)
    else:
        _remove(s3_lake, key)
        with pytest.raises(DamageError, match=f"{ids[0]} is missing"):
            lake.sql(COUNT)
        with pytest.raises(DamageError, match=f"{ids[0]} is missing"):
            lake.connect()
    with pytest.warns(DamageWarning, match=f"{ids[0]} is missing"):
        rest = lakebatch.open_lake().sql(COUNT, on_gap="ignore")
    assert rest["assembly_id"].to_list() == ids[1:]


def test_damaged_object_is_named(s3_lake) -> None:
    _run()
    lake = lakebatch.open_lake()
    client, key = s3_lake.server.client(), _key_of_first(lake["toy"])
    content = client.get_object(Bucket=s3_lake.server.bucket, Key=key)["Body"].read()
    client.put_object(Bucket=s3_lake.server.bucket, Key=key, Body=content[: len(content) // 2])
    with pytest.raises(DamageError, match="cannot be read"):
        lake.sql(COUNT)


def test_open_session_goes_on_after_files_on_s3_were_merged_and_removed(s3_lake) -> None:
    _run()
    lake = lakebatch.open_lake()
    rows = lake["toy"].reassemble().height
    with Session(lake.snapshot()) as session:
        other = lakebatch.open_lake()["toy"]
        other.optimize()
        other.vacuum(keep_days=0)
        assert session.answer("SELECT count(r2) FROM toy.results").item() == rows


def test_bundles_on_s3_are_read_by_views(s3_lake, monkeypatch) -> None:
    monkeypatch.setattr(bundles, "MIN_FILES", 2)
    for _ in range(3):
        _run()
    stored = lakebatch.open_lake()["toy"]
    found = stored.results.at().sources()
    assert found.bundles
    assert found.files
    answer = lakebatch.open_lake().sql(COUNT)
    expected = stored.reassemble().group_by("assembly_id").agg(n=pl.len().cast(pl.Int64)).sort("assembly_id")
    assert answer.select("assembly_id", "n").equals(expected)


def test_query_reaches_nothing_but_the_views_on_s3(s3_lake) -> None:
    _run()
    lake = lakebatch.open_lake()
    for text in ("FROM files_0", "FROM memory.main.files_0", "FROM main.files_0"):
        with pytest.raises(QueryError, match="There is no view"):
            lake.sql(text)
    with Session(lake.snapshot()) as session, pytest.raises(duckdb.Error):
        session._connection.execute("SET enable_external_access = true")


def test_no_thread_of_a_query_needs_an_interpreter_that_ends(s3_lake) -> None:
    """Threads of Arrow read on after the first rows; a file system in Python would end the process with a fault."""
    _run()
    _run()
    assert run(s3_lake.folder, "sql", "SELECT * FROM toy.results LIMIT 1").wait() == 0
    dataset = lakebatch.open_lake()["toy"].snapshot().files().to_arrow_dataset()
    assert not isinstance(dataset.filesystem, PyFileSystem)
