"""The published table: whatever happens in a lake, every Delta reader finds in it the rows that reassemble() gives."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import deltalake
import polars as pl
import pyarrow as pa
import pytest

import lakebatch
from lakebatch.assembly.tables import PUBLISHED
from lakebatch.maintenance import published
from lakebatch.storage.delta.reader import TableReader

pytestmark = pytest.mark.filterwarnings("ignore::lakebatch.errors.IncompleteWarning")
KEYS = ["assembly_id", "part", "repeat"]


def run(lake, **options):
    return lakebatch.run(lake, "toy", jobs=1, progress=False, **options)


def folder(lake):
    return Path(lake.storage.uri, "90_v1_toy", PUBLISHED)


def by_deltalake(path, version=None):
    return pl.from_arrow(deltalake.DeltaTable(path, version=version).to_pyarrow_table())


def by_polars(path, version=None):
    return pl.read_delta(str(path), version=version)


READERS = (by_deltalake, by_polars)


def check(lake, tag=None):
    """Compare the table, as other readers have it, with the dataset now or at a tag."""
    toy = lakebatch.open_lake(lake.storage.uri)["toy"]
    state = {"tag": tag} if tag else {}
    version = toy.tag_log.get(tag).published_version if tag else None
    expected = toy.reassemble(**state, on_mix="ignore")
    for read in READERS:
        rows = read(folder(lake), version)
        assert rows.select(expected.columns).sort(KEYS).equals(expected.sort(KEYS)), read
    return rows


def test_each_run_adds_its_rows_with_its_config(toy, lake):
    one, two = run(lake), run(lake, settings=["levels=[0.0, 0.3]"])
    rows = check(lake)
    assert dict(rows.group_by("assembly_id").len().iter_rows()) == {one.assembly_id: 9, two.assembly_id: 6}
    shared = ["assembly_id", *rows.columns[rows.columns.index("experiment") :]]
    assert rows.select(shared).unique().height == 2, "one value for each assembly"
    second = rows.filter(assembly_id=two.assembly_id).row(0, named=True)
    assert (second["experiment"], second["experiment_version"]) == ("toy", "v1")
    assert (second["config_levels"], second["config_seed"], second["config_at_once"]) == (
        "[0.0,0.3]",
        1,
        False,
    )
    assert second["assembly_seed"] == two.seed
    assert second["source_hash"] == two.surroundings["source_hash"]
    assert second["completed_at"] == two.at
    assert second["started_at"] < second["completed_at"]


def test_columns_say_what_they_mean_and_files_have_statistics(toy, lake):
    run(lake)
    table = deltalake.DeltaTable(folder(lake))
    fields = {each.name: each for each in table.schema().fields}
    assert fields["mse"].metadata["unit"] == "a.u.^2"
    assert fields["config_levels"].metadata == {"comment": "Config key levels: Levels.", "unit": "1"}
    assert str(fields["config_at_once"].type.type) == "boolean"
    assert table.protocol().min_reader_version == 1
    (file,) = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    assert file["num_records"] == 9
    assert file["min.assembly_id"] == file["max.assembly_id"] == lake["toy"].assemblies()["assembly_id"][0]
    assert (file["min.level"], file["max.level"]) == (0.0, 0.2)


def test_decisions_take_rows_out_and_bring_them_back(toy, lake):
    one, two = run(lake), run(lake)
    lake["toy"].discard(one.assembly_id, "a reason")
    assert set(check(lake)["assembly_id"]) == {two.assembly_id}
    lake["toy"].restore(one.assembly_id, "a reason")
    assert set(check(lake)["assembly_id"]) == {one.assembly_id, two.assembly_id}
    lake["toy"].note(one.assembly_id, "a note")
    assert not published.update(lake["toy"]), "a note changes no row"


def test_failed_assembly_is_not_there_until_it_is_completed(toy, lake):
    run(lake)
    failed = run(lake, settings=["fail=[0.1]"])
    assert failed.assembly_id not in set(check(lake)["assembly_id"])
    Path("mended").touch()
    lakebatch.resume(lake, "toy", jobs=1, progress=False)
    assert failed.assembly_id in set(check(lake)["assembly_id"])


def test_files_stay_few_and_their_rows_in_order(toy, lake):
    counts = []
    for _ in range(9):
        run(lake, settings=["levels=[0.0]"])
        counts.append(len(deltalake.DeltaTable(folder(lake)).file_uris()))
    assert max(counts) <= 4
    for uri in deltalake.DeltaTable(folder(lake)).file_uris():
        assert pl.read_parquet(uri)["assembly_id"].is_sorted()
    expected = lake["toy"].reassemble()
    lake["toy"].optimize()
    (uri,) = deltalake.DeltaTable(folder(lake)).file_uris()
    assert pl.read_parquet(uri).select(expected.columns).equals(expected), "the order of reassemble()"


def test_large_assemblies_span_files_and_are_copied_in_order(toy, lake, monkeypatch):
    monkeypatch.setattr("lakebatch.maintenance.published.files.GROUP_ROWS", 4)
    monkeypatch.setattr("lakebatch.maintenance.published.files.MAX_BYTES", 1)
    run(lake)
    run(lake)
    assert len(deltalake.DeltaTable(folder(lake)).file_uris()) > 2
    check(lake)
    monkeypatch.setattr("lakebatch.maintenance.published.files.MAX_BYTES", 10**6)
    lake["toy"].optimize()
    (uri,) = deltalake.DeltaTable(folder(lake)).file_uris()
    check(lake)
    expected = lake["toy"].reassemble()
    assert pl.read_parquet(uri).select(expected.columns).equals(expected)


def test_new_config_key_is_a_new_column(toy, lake):
    run(lake)
    code = Path("experiments/toy.py")
    text = code.read_text()
    code.write_text(
        text.replace(
            "    breach: str", '    depth: int = setting(3, help="Depth.", unit="m")\n    breach: str'
        )
    )
    two = run(lake)
    rows = check(lake)
    assert (
        dict(rows.group_by("assembly_id").agg(pl.col("config_depth").first()).iter_rows())[two.assembly_id]
        == 3
    )
    assert rows["config_depth"].null_count() == 9
    code.write_text(
        text.replace("    breach: str", '    depth: float = setting(0.5, help="Depth.")\n    breach: str')
    )
    run(lake)
    assert check(lake).schema["config_depth"] == pl.Float64()


def test_keys_with_one_column_name_get_two():
    from lakebatch.snapshot.published_layout import _keys

    keys = _keys([{"a.b_c": 1, "a_b.c": 2, "seed": 1}], {"config_seed"})
    assert [each.column for each in keys] == ["config_a__b_c", "config_a_b__c", "config_seed_"]


def test_tag_names_the_version_with_its_rows(toy, lake):
    one, two = run(lake), run(lake)
    before = lake["toy"].reassemble(version=one.results_version).height
    now = lake["toy"].tag("both")
    past = lake["toy"].tag("first", version=one.results_version)
    assert before == 9
    assert now.published_version != past.published_version
    lake["toy"].discard(one.assembly_id, "a reason")
    assert check(lake, "both").height == 18
    assert check(lake, "first").height == 9
    assert set(check(lake)["assembly_id"]) == {two.assembly_id}


def test_vacuum_keeps_tagged_versions_and_the_newest(toy, lake):
    one, _ = run(lake), run(lake)
    lake["toy"].tag("both")
    lake["toy"].discard(one.assembly_id, "a reason")
    removed = lakebatch.open_lake(lake.storage.uri)["toy"].vacuum(keep_days=0, dry_run=False)
    assert removed.filter(table=PUBLISHED)["files"].item() == 1, "the file of the first run alone"
    check(lake, "both")
    check(lake)


def test_removed_table_is_made_again_with_its_tags(toy, lake):
    one = run(lake)
    lake["toy"].tag("one")
    run(lake)
    run(lake)
    lake["toy"].tag("three")
    lake["toy"].discard(one.assembly_id, "a reason")
    shutil.rmtree(folder(lake))
    lakebatch.open_lake(lake.storage.uri)["toy"].optimize()
    assert check(lake, "one").height == 9
    assert check(lake, "three").height == 27
    assert check(lake).height == 18


def test_purged_rows_are_in_no_file(toy, lake):
    one, _ = run(lake), run(lake)
    lake["toy"].discard(one.assembly_id, "a reason")
    lake["toy"].purge(one.assembly_id, "wrong", dry_run=False)
    check(lake)
    left = [pl.read_parquet(each) for each in folder(lake).glob("*.parquet")]
    assert left
    assert all(one.assembly_id not in set(each["assembly_id"]) for each in left)


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(b"no Parquet")])
def test_lost_file_is_written_again(toy, lake, damage):
    run(lake)
    run(lake, settings=["levels=[0.0]"])
    for file in folder(lake).glob("*.parquet"):
        damage(file)
    assert published.update(lakebatch.open_lake(lake.storage.uri)["toy"])
    check(lake)


def test_flipped_bits_are_not_copied(toy, lake):
    run(lake)
    (file,) = folder(lake).glob("*.parquet")
    content = bytearray(file.read_bytes())
    content[100] ^= 0xFF
    file.write_bytes(content)
    run(lake)
    check(lake)


def test_rows_of_another_tool_leave_the_table(toy, lake):
    run(lake)
    rows = deltalake.DeltaTable(folder(lake)).to_pyarrow_table()
    deltalake.write_deltalake(folder(lake), rows, mode="append")
    with pytest.raises(AssertionError):
        check(lake)
    published.update(lake["toy"])
    check(lake)


def test_failure_to_publish_fails_no_run_and_is_named(toy, lake, caplog):
    run(lake)
    shutil.rmtree(folder(lake))
    folder(lake).write_text("in the way")
    assert run(lake).status == "completed"
    assert "The published table of toy lags behind" in caplog.text
    assert "lakebatch optimize toy --yes" in caplog.text
    folder(lake).unlink()
    lake["toy"].optimize()
    check(lake)


def test_windows_is_left_out_without_a_warning(toy, lake, monkeypatch, caplog):
    run(lake)
    shutil.rmtree(folder(lake))
    monkeypatch.setattr("lakebatch._process.IS_WINDOWS", True)
    published.bring_up_to_date(lake["toy"])
    assert published.tagged_version(lake["toy"], lake["toy"].tag_log.draft("one", None, None, {})) is None
    assert not folder(lake).exists()
    assert "lags" not in caplog.text


def test_older_lake_is_published_by_its_first_decision(tmp_path, monkeypatch):
    shutil.copytree(Path(__file__).parents[1] / "fixtures" / "lake_0_1_0" / "lake", tmp_path / "lake")
    monkeypatch.chdir(tmp_path)
    lake = lakebatch.open_lake("lake")
    lake["toy"].optimize()
    check(lake)


def test_commit_says_which_state_it_has(toy, lake):
    ended = run(lake)
    entry = deltalake.DeltaTable(folder(lake)).history(1)[0]
    assert entry["lakebatch.results_version"] == str(ended.results_version)
    assert int(entry["lakebatch.assemblies_version"]) == lake["toy"].log.table.version()
    assert len(entry["lakebatch.digest"]) == 64


def test_plan_writes_a_row_about_as_often_as_the_count_has_digits(toy, lake):
    written = 0
    for _ in range(8):
        run(lake, settings=["levels=[0.0]"])
    for entry in folder(lake).glob("_delta_log/*.json"):
        adds = [json.loads(line)["add"] for line in entry.read_text().splitlines() if '"add"' in line]
        written += sum(json.loads(each["stats"])["numRecords"] for each in adds)
    assert written <= 8 * 3 * 4


def findings(lake, **options):
    found = lakebatch.open_lake(lake.storage.uri).doctor("toy", **options).filter(check="published")
    return [(each["severity"], each["what"]) for each in found.iter_rows(named=True)]


def test_doctor_compares_it_and_repair_heals_it(toy, lake):
    one, _ = run(lake), run(lake, settings=["levels=[0.0]"])
    assert findings(lake, deep=True) == [("ok", "has the rows of 2 completed assemblies")]
    table = deltalake.DeltaTable(folder(lake))
    rows = pl.from_arrow(table.to_pyarrow_table())
    other = rows.with_columns(mse=pl.col("mse") + 1).filter(assembly_id=one.assembly_id)
    (file,) = [
        each for each in table.file_uris() if pl.read_parquet(each)["assembly_id"][0] == one.assembly_id
    ]
    entries = pl.read_parquet_metadata(file)["lakebatch.assemblies"]
    other.write_parquet(file, metadata={"lakebatch.assemblies": entries})
    assert findings(lake, deep=True) == [("problem", "it holds other values than the dataset")]
    toy = lakebatch.open_lake(lake.storage.uri)["toy"]
    assert PUBLISHED in toy.repair()["subject"].to_list()[0]
    toy.repair(dry_run=False)
    assert findings(lake, deep=True) == [("ok", "has the rows of 2 completed assemblies")]
    check(lake)


def test_doctor_names_a_table_that_lags_or_is_gone(toy, lake, monkeypatch):
    one = run(lake)
    monkeypatch.setattr("lakebatch.maintenance.published.bring_up_to_date", lambda *_: None)
    two = run(lake)
    lake["toy"].discard(one.assembly_id, "a reason")
    assert findings(lake) == [
        ("problem", f"it lacks {two.assembly_id}"),
        ("problem", f"it has {one.assembly_id}, not in the dataset"),
    ]
    lake["toy"].optimize()
    assert [severity for severity, _ in findings(lake)] == ["ok"]
    shutil.rmtree(folder(lake))
    assert findings(lake) == [("note", "is not there; it only repeats rows, for other readers")]


OPEN = """
import lakebatch
from lakebatch.maintenance import published
from lakebatch.storage.delta.reader import TableReader
toy = lakebatch.open_lake("../lake")["toy"]
"""


def test_of_two_processes_that_publish_at_once_one_commits(toy, lake, run_together):
    run(lake)
    shutil.rmtree(folder(lake))
    answers = run_together(OPEN, ["print(published.update(toy))"] * 2)
    assert "True\n" in answers
    assert deltalake.DeltaTable(folder(lake)).version() == 1
    check(lake)


KILLED = """
import os, signal, sys
import lakebatch
from lakebatch.maintenance.published import keep
from lakebatch.storage.delta import derived
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
place = sys.argv[1]
if place == "before":
    keep.update = die
elif place == "created":
    keep.commit = die
elif place == "written":
    derived.commit = die
else:
    commit = derived.commit
    derived.commit = lambda *arguments: (commit(*arguments), die())
{what}
"""
RUN = 'lakebatch.run(lakebatch.open_lake("lake"), "toy", jobs=1, progress=False)'


@pytest.mark.parametrize("place", ["before", "created", "written", "committed"])
def test_killed_process_leaves_nothing_wrong_and_the_next_heals(toy, lake, place):
    script = KILLED.format(what=RUN)
    ended = subprocess.run([sys.executable, "-c", script, place], timeout=100)
    assert ended.returncode == -signal.SIGKILL
    assert lake["toy"].reassemble().height == 9, "completed all the same"
    published.update(lake["toy"])
    check(lake)
    assert by_deltalake(folder(lake)).height == 9


def test_killed_making_goes_on_with_the_versions_of_tags(toy, lake):
    for name in ("one", "two"):
        run(lake)
        lake["toy"].tag(name)
    shutil.rmtree(folder(lake))
    script = KILLED.format(what='lakebatch.open_lake("lake")["toy"].optimize()')
    ended = subprocess.run([sys.executable, "-c", script, "committed"], timeout=100)
    assert ended.returncode == -signal.SIGKILL
    assert deltalake.DeltaTable(folder(lake)).version() == 1
    published.update(lake["toy"])
    assert (check(lake, "one").height, check(lake, "two").height, check(lake).height) == (9, 18, 18)


def test_own_columns_are_there_with_label_and_direction(tmp_path, monkeypatch):
    (tmp_path / "experiments").mkdir()
    shutil.copy(Path(__file__).parents[1] / "estimate_pi.py", tmp_path / "experiments")
    monkeypatch.chdir(tmp_path)
    lake = lakebatch.open_lake("lake")
    lakebatch.run(lake, "estimate-pi", jobs=1, progress=False, settings=["points=[10]", "repeats=2"])
    stored = lake["estimate-pi"]
    table = deltalake.DeltaTable(stored.table(PUBLISHED).uri)
    expected, rows = stored.reassemble(), pl.from_arrow(table.to_pyarrow_table())
    assert rows.select(expected.columns).equals(expected)
    fields = {each.name: each.metadata for each in table.schema().fields}
    described = {each.name: each.metadata for each in stored.results.at().schema.own}
    assert described
    assert {name: fields[name] for name in described} == described


def test_frames_of_older_scripts_are_there_once_their_assembly_is_completed(lake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pandas = pytest.importorskip("pandas")
    executor = lakebatch.create_batch_executor("toy", "90", lake=lake.storage.uri)
    executor.generate_assembly_id(0.1)
    executor.save_batch_data(
        pandas.DataFrame({"feature_set": ["last"], "model": ["m"], "level": [0.1], "R2 Score": [0.5]}),
        "my_results",
    )
    assert not folder(lake).exists()
    executor.mark_assembly_completed()
    expected = lake["toy"].reassemble()
    assert by_deltalake(folder(lake)).select(expected.columns).equals(expected)
    assert expected.height == 1


@pytest.mark.filterwarnings("ignore::lakebatch.errors.DamageWarning")
def test_rows_that_other_programs_append_to_results_are_not_there(toy, lake):
    run(lake)
    rows = deltalake.DeltaTable(lake["toy"].results.uri).to_pyarrow_table()
    deltalake.write_deltalake(lake["toy"].results.uri, rows, mode="append")
    shutil.rmtree(folder(lake))
    lakebatch.open_lake(lake.storage.uri)["toy"].optimize()
    assert check(lake).height == 9


def test_update_after_a_run_opens_no_table_of_the_run_again(toy, lake, monkeypatch):
    run(lake)
    opened, open_state, update = [], TableReader._open_state, published.bring_up_to_date

    def counted(tables):
        with monkeypatch.context() as patch:
            patch.setattr(
                TableReader,
                "_open_state",
                lambda table, version: opened.append(table.path) or open_state(table, version),
            )
            update(tables)

    monkeypatch.setattr(published, "bring_up_to_date", counted)
    for _ in range(2):
        run(lake)
    assert opened == []
    check(lake)


def test_tag_of_the_past_that_is_cut_off_is_named_and_healed_by_the_next_tag(toy, lake, monkeypatch):
    one, two = run(lake), run(lake)
    with monkeypatch.context() as patch:
        patch.setattr("lakebatch.maintenance.published.bring_up_to_date", lambda *_: None)
        lake["toy"].tag("first", version=one.results_version)
    assert findings(lake) == [("problem", f"it lacks {two.assembly_id}")]
    lake["toy"].tag("both")
    assert set(check(lake)["assembly_id"]) == {one.assembly_id, two.assembly_id}
    check(lake, "first")
