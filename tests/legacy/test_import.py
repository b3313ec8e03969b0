"""The import of a partly lost study of the older layout."""

import bz2
import gzip
import hashlib
import json
import lzma
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.cli.main import main
from lakebatch.errors import AssemblyError, IncompleteWarning, LegacyError, UnknownNameError
from lakebatch.legacy.frames.results import to_results
from lakebatch.legacy.importer import execute, plan

LIST = """assembly_id,timestamp,status
0.0,20251216_142230,completed
0.05,20251216_143101,completed
0.1,20251216_144013,completed
0.2,20251216_145011,completed
0.3,20251216_150033,completed
20251216_142230_run001,20251216_142230,completed
"""
RUN = "20251216_142230_run001"
NAME = "response_noise_results"


@pytest.fixture
def bring(lake, old_folder):
    """Return a function that imports the folder and returns its findings by kind."""

    def run(**options):
        return said(lakebatch.import_legacy(lake, "response-noise", str(old_folder), **options))

    return run


def said(done):
    return {what[0]: rows for what, rows in done.report().partition_by("what", as_dict=True).items()}


def everything(lake):
    """Return all tables of the experiment, without the times of the rows."""
    stored = lake["response-noise"]
    frames = pl.scan_delta(f"{lake.storage.uri}/{stored.folder}/frames/{NAME}").collect()
    rows = stored.results.at().scan().collect()
    order = ["assembly_id", "part"]
    return [
        rows.drop("recorded_at").sort(*order, "r2", "mse"),
        frames.drop("recorded_at").sort(*order, "row"),
        stored.assemblies().select("assembly_id", "status", "rows", "parts_done"),
    ]


def test_imported_lake_is_clean_and_counted_whole(lake, bring):
    bring()
    for deep in (False, True):
        found = lake.doctor(deep=deep).filter(pl.col("severity") != "ok")
        assert set(found["advice"]) == {"It was planned so."}, found.rows()
    usage = lake.usage()
    files = [file for file in Path(lake.storage.uri).rglob("*") if file.is_file()]
    assert usage["bytes"].sum() == sum(file.stat().st_size for file in files)
    assert usage["files"].sum() == len(files)
    frames = usage.filter(table=f"frames/{NAME}")
    assert (
        frames["rows"].sum() == pl.read_delta(f"{lake['response-noise'].results.uri}/../frames/{NAME}").height
    )


def test_plan_lists_everything_and_writes_nothing(lake, old_folder, tmp_path):
    before = {file: file.read_bytes() for file in old_folder.iterdir()}
    found = plan(lake, "response-noise", str(old_folder))
    by_kind = said(found)
    assert by_kind["import"]["id"].to_list() == ["0", "0.05", "0.1", "0.5", RUN]
    assert by_kind["missing file"]["id"].to_list() == ["0.2"]
    assert by_kind["unreadable file"]["id"].to_list() == ["0.3", "9"]
    assert by_kind["unlisted file"]["file"].to_list() == [f"{NAME}_0.5.pkl"]
    assert by_kind["other spelling"].select("id", "file").rows() == [("0", f"{NAME}_0.pkl")]
    assert by_kind["duplicate rows"]["id"].to_list() == ["0.1"]
    assert by_kind["other file"]["file"].to_list() == ["notes.txt"]
    assert set(by_kind["import"]["detail"]) == {f"only in frames/{NAME}: Assembly ID, Timestamp"}
    assert (found.files, found.rows, found.left_behind) == (5, 20, 2)
    assert not (tmp_path / "lake").exists()
    assert {file: file.read_bytes() for file in old_folder.iterdir()} == before


def test_import_adds_levels_as_one_run_with_its_baseline(lake, bring, old_results, tmp_path):
    bring()
    stored = lake["response-noise"]
    with pytest.warns(IncompleteWarning, match="level=0.2 is listed as completed and could not be imported"):
        rows = stored.reassemble()
    (levels,) = set(rows["assembly_id"]) - {RUN}
    of_levels = rows.filter(pl.col("assembly_id") == levels)
    assert of_levels["part"].unique().sort().to_list() == ["level=0", "level=0.05", "level=0.1", "level=0.5"]
    assert of_levels["level"].unique().sort().to_list() == [0.0, 0.05, 0.1, 0.5]
    old = old_results(0)
    new = of_levels.filter(level=0.0).sort("r2")
    assert new["r2"].to_list() == sorted(old["R2 Score"])
    assert new["mse"].to_list() == old.sort_values("R2 Score")["Mean Squared Error"].tolist()
    assert set(new["model"]) == {"linear_regression", "neural_network"}
    assert rows.filter(pl.col("assembly_id") == RUN).height == 4
    assert not (tmp_path / "was-here").exists()
    gaps = {str(gap) for gap in stored.snapshot().gaps()}
    assert gaps == {
        f"{levels}: level={level} is listed as completed and could not be imported" for level in (0.2, 0.3)
    }


def test_frames_are_kept_as_they_were_for_the_older_interface(lake, bring, old_results):
    bring()
    executor = lakebatch.create_batch_executor("batch-response-noise", "03", "v1", lake=lake.storage.uri)
    with pytest.warns(IncompleteWarning):
        found = executor.sequential_reassembly(NAME)
    assert found.columns.tolist() == old_results(0).columns.tolist()
    assert found["Timestamp"].unique().tolist() == ["2025-12-16T14:22:30.123456"]
    assert executor.get_pending_assemblies([0, 0.0, 0.05, 0.1, 0.2, 0.3, 0.5]) == [0.2, 0.3]
    assert executor.get_assembly_status(RUN) == "completed"


def test_provenance_is_kept(lake, bring, old_folder):
    bring()
    log = lake["response-noise"].log
    config = log.get(RUN).settings
    (file,) = config["files"]
    data = (old_folder / file["file"]).read_bytes()
    assert config["source"] == str(old_folder)
    assert config["original_ids"] == [RUN]
    assert file["sha256"] == hashlib.sha256(data).hexdigest()
    assert file["list_rows"] == [[RUN, "20251216_142230", "completed"]]
    assert file["modified"].startswith("20")
    levels = next(each for each in lake["response-noise"].snapshot().assemblies if each.assembly_id != RUN)
    assert [each["written_id"] for each in levels.settings["files"]] == ["0", "0.05", "0.1", "0.5"]
    assert levels.settings["files"][0]["list_rows"] == [["0.0", "20251216_142230", "completed"]]
    assert levels.seed == -1


def test_import_again_adds_nothing(lake, bring, old_folder, tmp_path):
    bring()
    before = everything(lake)
    again = bring()
    assert "import" not in again
    assert again["already imported"]["id"].to_list() == ["0.05", "0.1", "0.5", "0", RUN]
    moved = shutil.copytree(old_folder, tmp_path / "copy")
    assert not lakebatch.import_legacy(lake, "response-noise", str(moved)).batches
    assert all(now.equals(then) for now, then in zip(everything(lake), before, strict=True))


@pytest.mark.parametrize("stop_after", [0, 2, 4])
def test_stopped_import_is_completed_by_the_next(lake, bring, old_folder, stop_after, tmp_path):
    lines = []

    def stop(line):
        lines.append(line)
        if len(lines) > stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(plan(lake, "response-noise", str(old_folder)), stop)
    begun = lake["response-noise"].assemblies()
    assert "started" in begun["status"]
    bring()
    reference = lakebatch.open_lake(tmp_path / "reference")
    lakebatch.import_legacy(reference, "response-noise", str(old_folder))
    for mine, whole in zip(everything(lake), everything(reference), strict=True):
        assert mine.drop("assembly_id").equals(whole.drop("assembly_id"))


def test_missing_file_is_imported_once_it_exists(lake, bring, old_folder, old_results):
    bring()
    old_results(0.2).to_pickle(old_folder / f"{NAME}_0.2.pkl")
    assert bring()["import"]["id"].to_list() == ["0.2"]
    rows = lake["response-noise"].reassemble(on_gap="ignore")
    assert rows.filter(level=0.2).height == 4
    assert rows.height == 24


def test_run_without_a_readable_file_fails_and_is_resumed_once_it_exists(
    lake, bring, old_folder, old_results
):
    file = old_folder / f"{NAME}_{RUN}.pkl"
    kept = file.read_bytes()
    file.unlink()
    bring()
    assert lake["response-noise"].status(RUN) == "failed"
    with pytest.warns(
        IncompleteWarning, match=f"{RUN}: left out, failed with 0 of 0 parts done: its file was missing"
    ):
        lake["response-noise"].reassemble()
    assert "import" not in bring()
    file.write_bytes(kept)
    bring()
    assert lake["response-noise"].status(RUN) == "completed"
    assert lake["response-noise"].reassemble(on_gap="ignore").filter(assembly_id=RUN).height == 4


def test_changed_file_is_refused_and_nothing_overwritten(lake, bring, old_folder, old_results):
    bring()
    before = everything(lake)
    for wanted in ("0.1", RUN):
        old_results(0.1, seed=3).to_pickle(old_folder / f"{NAME}_{wanted}.pkl")
    again = bring()
    assert again["changed file"]["id"].to_list() == ["0.1", RUN]
    assert all("nothing is overwritten" in detail for detail in again["changed file"]["detail"])
    assert all(now.equals(then) for now, then in zip(everything(lake), before, strict=True))


def test_file_changed_after_planning_stops_the_import(lake, old_folder, old_results):
    planned = plan(lake, "response-noise", str(old_folder))
    old_results(0.1, seed=3).to_pickle(old_folder / f"{NAME}_0.1.pkl")
    with pytest.raises(LegacyError, match=r"_0\.1\.pkl has changed while it was imported"):
        execute(planned)


def test_two_imports_planned_at_once_import_nothing_twice(lake, old_folder, old_results):
    first, same = (plan(lake, "response-noise", str(old_folder)) for _ in range(2))
    old_results(0.2).to_pickle(old_folder / f"{NAME}_0.2.pkl")
    other = plan(lake, "response-noise", str(old_folder))
    execute(first)
    before = everything(lake)
    execute(same)
    with pytest.raises(AssemblyError, match=r"has come into the lake meanwhile\. Import again"):
        execute(other)
    assert all(now.equals(then) for now, then in zip(everything(lake), before, strict=True))
    done = execute(plan(lake, "response-noise", str(old_folder)))
    assert [item.id for batch in done.batches for item in batch.items] == ["0.2"]


def test_two_different_files_of_one_level_are_both_skipped(lake, bring, old_folder, old_results):
    old_results(0, seed=9).to_pickle(old_folder / f"{NAME}_0.0.pkl")
    found = bring()
    assert found["several files"]["id"].to_list() == ["0"]
    assert "0" not in found["import"]["id"].to_list()
    gaps = " ".join(str(gap) for gap in lake["response-noise"].snapshot().gaps())
    assert "the baseline, level 0" in gaps
    assert "level=0 is listed as completed" in gaps


def test_two_equal_files_of_one_level_are_imported_once(bring, old_folder):
    shutil.copy(old_folder / f"{NAME}_0.pkl", old_folder / f"{NAME}_0.0.pkl")
    found = bring()
    assert found["import"]["id"].to_list().count("0") == 1
    assert found["other form"]["file"].to_list() == [f"{NAME}_0.pkl"]


def test_csv_and_parquet_are_imported_and_replace_a_broken_pickle(lake, bring, old_folder, old_results):
    old_results(0.3).to_csv(old_folder / f"{NAME}_0.3.csv", index=False)
    old_results(0.2).to_parquet(old_folder / f"{NAME}_0.2.parquet")
    found = bring()
    assert {f"{NAME}_0.3.csv", f"{NAME}_0.2.parquet"} <= set(found["import"]["file"])
    assert f"{NAME}_0.3.pkl" in found["unreadable file"]["file"].to_list()
    rows = lake["response-noise"].reassemble(on_gap="refuse")
    assert rows["level"].unique().sort().to_list() == [0.0, 0.05, 0.1, 0.2, 0.3, 0.5]
    assert rows.filter(level=0.3)["r2"].sort().to_list() == sorted(old_results(0.3)["R2 Score"])


def test_level_that_was_only_started_is_kept_as_failed(lake, bring, old_folder):
    table = old_folder / "assembly_list.csv"
    text = table.read_text()
    table.write_text(text.replace("0.05,20251216_143101,completed", "0.05,20251216_143101,started"))
    assert bring()["not completed"]["id"].to_list() == ["0.05"]
    stored = lake["response-noise"]
    assert stored.reassemble(on_gap="ignore").filter(level=0.05).is_empty()
    assert stored.reassemble(include=("failed",), on_gap="ignore").filter(level=0.05).height == 4
    assert "import" not in bring()
    table.write_text(text)
    assert bring()["import"]["id"].to_list() == ["0.05"]
    assert stored.reassemble(on_gap="ignore").filter(level=0.05).height == 4


def test_second_import_names_a_level_that_the_first_one_completed_wrongly(lake, bring, old_folder):
    table = old_folder / "assembly_list.csv"
    text = table.read_text().replace("0.05,20251216_143101,completed", "0.05,20251216_143101,started")
    table.unlink()
    bring()
    table.write_text(text)
    found = bring()
    assert "not completed" not in found
    assert found["wrong status"]["id"].to_list() == ["0.05"]
    (detail,) = found["wrong status"]["detail"]
    command = detail.partition("Take them out with: lakebatch ")[2].removesuffix(" TEXT, and import again")
    done = CliRunner().invoke(main, ["--lake", lake.storage.uri, *command.split(), "was only started"])
    assert done.exit_code == 0, done.output
    bring()
    stored = lake["response-noise"]
    rows = stored.reassemble(on_gap="ignore")
    assert rows.filter(level=0.05).is_empty()
    assert rows.filter(level=0.5).height == 4
    assert stored.reassemble(include=("failed",), on_gap="ignore").filter(level=0.05).height == 4


def test_second_import_records_a_run_as_failed_that_the_first_one_completed_wrongly(lake, bring, old_folder):
    table = old_folder / "assembly_list.csv"
    text = table.read_text()
    table.unlink()
    bring()
    table.write_text(text.replace(f"{RUN},20251216_142230,completed", f"{RUN},20251216_142230,started"))
    command = ["--lake", lake.storage.uri, "import-legacy", "response-noise", str(old_folder)]
    looked = CliRunner().invoke(main, command)
    assert looked.stderr.rstrip().endswith(f"; to be recorded as failed: {RUN}. Do it with --yes.")
    stored = lake["response-noise"]
    assert stored.status(RUN) == "completed"
    assert "to be recorded as failed" in bring()["wrong status"]["detail"][0]
    assert stored.status(RUN) == "failed"
    assert stored.reassemble(on_gap="ignore").filter(assembly_id=RUN).is_empty()
    assert bring()["not completed"]["id"].to_list() == [RUN]
    assert set(lake.doctor(deep=True)["severity"]) <= {"ok", "note"}
    table.write_text(text)
    bring()
    assert stored.status(RUN) == "completed"
    assert stored.reassemble(on_gap="ignore").filter(assembly_id=RUN).height == 4


def test_second_import_names_rows_that_an_earlier_version_read_otherwise(
    lake, bring, old_folder, old_results, monkeypatch
):
    old_results(0.2).drop(columns="Response Noise Level").to_csv(old_folder / f"{NAME}_0.2.csv", index=False)
    old_results(0.3).to_pickle(old_folder / f"{NAME}_7.pkl")

    def of_an_earlier_version(frame, level=None):
        found = to_results(frame, level)
        if "Response Noise Level" in frame.columns:
            return found
        return replace(found, rows=found.rows.with_columns(r2=None, error=pl.lit("lost")))

    with monkeypatch.context() as patch:
        patch.setattr("lakebatch.legacy.frames.record.to_results", of_an_earlier_version)
        patch.setattr("lakebatch.legacy.files._check_level", lambda named, levels: None)
        assert "wrong rows" not in bring()
    found = bring()
    assert dict(found["wrong rows"].select("id", "detail").iter_rows()) == {
        "0.2": found["wrong rows"]["detail"][0],
        "7": found["wrong rows"]["detail"][1],
    }
    first, second = found["wrong rows"]["detail"]
    assert first.startswith(
        "4 of its 4 rows are others now, completed in the lake. Take it out with: lakebatch discard"
    )
    assert second.startswith("it cannot be imported now (its name says level 7, its rows say 0.3. ")
    command = first.partition(": lakebatch ")[2].removesuffix(" TEXT, and import again")
    CliRunner().invoke(main, ["--lake", lake.storage.uri, *command.split(), "wrong rows"])
    assert "wrong rows" not in bring()
    rows = lake["response-noise"].reassemble(on_gap="ignore")
    assert rows.filter(level=0.2)["r2"].sort().to_list() == sorted(old_results(0.2)["R2 Score"])


def test_unlisted_files_can_be_left_out(lake, bring):
    found = bring(unlisted=False)
    assert found["unlisted file"]["id"].to_list() == ["0.5", "9"]
    assert lake["response-noise"].reassemble(on_gap="ignore").filter(level=0.5).is_empty()


def test_without_a_list_all_files_are_imported(bring, old_folder):
    (old_folder / "assembly_list.csv").unlink()
    found = bring()
    assert len(found["import"]) == 5
    assert "unlisted file" not in found


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xfe\x00", "it is not text in UTF-8 or UTF-16. Save it as UTF-8"),
        (LIST.replace("status", "status\xe9").encode("latin-1"), "it is not text in UTF-8 or UTF-16"),
        (LIST.encode("utf-16-le"), "it has zero bytes, as UTF-16 without its mark has"),
        (b"a,b\n1,2\n", "it has no column assembly_id and no status, only a, b"),
        (f"{LIST}0.5,1,started,more\n".encode(), "it is not a CSV that can be read"),
        (b"assembly_id;status\n0,5;started\n0.1;started\n", "'assembly_id' has decimal commas and decimal"),
    ],
)
def test_list_that_cannot_be_read_stops_the_import(bring, lake, old_folder, content, reason):
    (old_folder / "assembly_list.csv").write_bytes(content)
    with pytest.raises(LegacyError, match="move it away to import all files as completed") as refused:
        bring()
    assert "assembly_list.csv cannot be read: " in str(refused.value)
    assert reason in str(refused.value)
    assert not lake.keys()


def test_empty_list_lists_nothing(bring, old_folder):
    (old_folder / "assembly_list.csv").write_bytes(b"")
    assert len(bring()["unlisted file"]) == 5


SPELLINGS = {
    "semicolons": lambda text: text.replace(",", ";").encode(),
    "decimal commas": lambda text: text.replace(",", ";").replace("0.", "0,").encode(),
    "tabs": lambda text: text.replace(",", "\t").encode(),
    "spaces": lambda text: text.replace(",", " , ").encode(),
    "mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "Windows": lambda text: text.replace("\n", "\r\n").encode(),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_list_of_a_spreadsheet_is_read(bring, old_folder, spelling):
    text = LIST.replace("0.05,20251216_143101,completed", "0.05,20251216_143101,started")
    (old_folder / "assembly_list.csv").write_bytes(SPELLINGS[spelling](text))
    found = bring()
    assert found["not completed"]["id"].to_list() == ["0.05"]
    assert found["missing file"]["id"].to_list() == ["0.2"]
    assert found["unlisted file"]["id"].to_list() == ["0.5"]
    assert "unknown id" not in found


def csv_of(results, spelling):
    if spelling == "decimal commas":
        return results.to_csv(index=False, sep=";", decimal=",").encode()
    text = results.to_csv(index=False)
    return text.replace(",R2", " , R2").encode() if spelling == "spaces" else SPELLINGS[spelling](text)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_results_of_a_spreadsheet_are_read(lake, bring, old_folder, old_results, spelling):
    (old_folder / f"{NAME}_0.2.csv").write_bytes(csv_of(old_results(0.2), spelling))
    bring()
    rows = lake["response-noise"].reassemble(on_gap="ignore").filter(level=0.2)
    assert rows["r2"].sort().to_list() == sorted(old_results(0.2)["R2 Score"])
    assert rows["error"].null_count() == 4


@pytest.mark.parametrize("ending", ["pkl.gz", "pkl", "csv.gz"])
def test_gzip_is_decompressed(lake, bring, old_folder, old_results, ending):
    results = old_results(0.2)
    data = results.to_csv(index=False).encode() if "csv" in ending else pickle.dumps(results)
    (old_folder / f"{NAME}_0.2.{ending}").write_bytes(gzip.compress(data, mtime=0))
    assert f"{NAME}_0.2.{ending}" in bring()["import"]["file"].to_list()
    rows = lake["response-noise"].reassemble(on_gap="ignore").filter(level=0.2)
    assert rows["r2"].sort().to_list() == sorted(results["R2 Score"])


@pytest.mark.parametrize(
    ("ending", "content", "reason"),
    [
        (
            "pkl.bz2",
            bz2.compress(b"x"),
            "it is compressed with bzip2, which is not read. Decompress it first",
        ),
        ("pkl", lzma.compress(b"x"), "it is compressed with xz"),
        ("csv", b"PK\x03\x04", "it is compressed with zip"),
        ("pkl.gz", gzip.compress(b"x" * 1000, mtime=0)[:20], "it is a damaged gzip file"),
        ("pkl.gz", gzip.compress(bytes(200_000), mtime=0), "it has more than 0.0 GB once decompressed"),
        ("pkl.gz", gzip.compress(b"x", mtime=0), "it is not a whole pickle"),
    ],
)
def test_other_compressed_files_are_named(bring, old_folder, monkeypatch, ending, content, reason):
    monkeypatch.setattr("lakebatch.legacy.files._max_bytes", lambda: 100_000)
    (old_folder / f"{NAME}_0.2.{ending}").write_bytes(content)
    details = dict(bring()["unreadable file"].select("file", "detail").iter_rows())
    assert details[f"{NAME}_0.2.{ending}"].startswith(reason)


@pytest.mark.parametrize("levels", [0.3, [0.0, 0.0, 0.3, 0.3]])
def test_file_whose_rows_are_of_another_level_is_named(lake, bring, old_folder, old_results, levels):
    old_results(levels).to_pickle(old_folder / f"{NAME}_0.pkl")
    details = dict(bring()["unreadable file"].select("file", "detail").iter_rows())
    assert details[f"{NAME}_0.pkl"] == "its name says level 0, its rows say 0.3. Rename it, or mend its rows"
    assert "the baseline, level 0" in " ".join(str(gap) for gap in lake["response-noise"].snapshot().gaps())


def test_other_frames_are_kept_under_their_name(lake, bring, old_folder):
    pl.DataFrame({"species": ["A"], "value": [1.5]}).write_parquet(old_folder / "features_0.1.parquet")
    found = bring()
    assert "holds no results, only in frames/features" in found["import"]["detail"].to_list()
    kept = pl.scan_delta(f"{lake.storage.uri}/03_v1_response-noise/frames/features").collect()
    assert kept.select("species", "value", "part").rows() == [("A", 1.5, "features/level=0.1")]
    assert (
        lake["response-noise"].results.at().scan().collect()["part"].str.starts_with(f"{NAME}/level=").sum()
        == 16
    )


def test_id_that_exists_in_the_lake_is_not_imported(lake, old_folder, toy):
    executor = lakebatch.create_batch_executor("response-noise", "03", "v1", lake=lake.storage.uri)
    own = executor.generate_assembly_id()
    (old_folder / f"{NAME}_{RUN}.pkl").rename(old_folder / f"{NAME}_{own}.pkl")
    found = said(plan(lake, "response-noise", str(old_folder)))
    assert found["changed file"]["id"].to_list() == [own]


def test_interrupted_import_cannot_be_resumed_as_a_run(lake, old_folder):
    def stop(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(plan(lake, "response-noise", str(old_folder)), stop)
    with pytest.raises(AssemblyError, match="Nothing to resume"):
        lakebatch.resume(lake, "response-noise")
    (begun,) = lake["response-noise"].assemblies()["assembly_id"]
    log = lake["response-noise"].log
    log.record(log.get(begun), "started", pid=None)  # as if the process had ended
    with pytest.raises(AssemblyError, match="comes from import-legacy and not from a run"):
        lakebatch.resume(lake, "response-noise", begun)
    with pytest.raises(AssemblyError, match="comes from import-legacy and not from a run"):
        lake["response-noise"].dataset(begun, level=0.1, feature_set="dynamic")


def test_command_plans_first_and_imports_on_request(old_folder, tmp_path):
    command = [
        "--lake",
        str(tmp_path / "lake"),
        "import-legacy",
        "response-noise",
        str(old_folder),
        "--format",
        "json",
    ]
    looked = CliRunner().invoke(main, command)
    assert looked.exit_code == 0, looked.output
    assert "5 files with 20 rows would be imported" in looked.stderr
    assert looked.stderr.rstrip().endswith("Do it with --yes.")
    assert not (tmp_path / "lake").exists()
    done = CliRunner().invoke(main, [*command, "--yes"])
    assert done.exit_code == 3  # two files could not be imported
    assert json.loads(done.stdout) == json.loads(looked.stdout)
    assert "2 could not be imported" in done.stderr
    status = CliRunner().invoke(main, ["--lake", str(tmp_path / "lake"), "status", "--format", "csv"])
    assert status.stdout.count("completed") == 2


def test_experiment_of_another_name_is_given_by_its_folder(lake, old_folder):
    with pytest.raises(UnknownNameError, match=r"Unknown experiment 'trial'.*give the whole name"):
        plan(lake, "trial", str(old_folder))
    lakebatch.import_legacy(lake, "07_v2_trial", str(old_folder))
    assert plan(lake, "trial", str(old_folder)).batches == ()


@pytest.mark.parametrize("inside", [[], ["03_v1_x"]])
def test_folder_with_nothing_of_the_older_layout_is_refused(lake, tmp_path, inside):
    empty = tmp_path / "empty"
    empty.mkdir()
    for name in inside:
        (empty / name).mkdir()
    with pytest.raises(LegacyError, match=f"nothing to import in .*{''.join(inside)}"):
        plan(lake, "response-noise", str(empty))
    with pytest.raises(UnknownNameError, match="No such file or directory"):
        plan(lake, "response-noise", str(tmp_path / "nowhere"))


def test_empty_frames_and_files_are_named(bring, old_folder):
    (old_folder / f"{NAME}_0.05.pkl").write_bytes(b"")
    (old_folder / f"{NAME}_0.1.pkl").write_bytes(pickle.dumps(pl.DataFrame({"a": []}).to_pandas()))
    unreadable = dict(bring()["unreadable file"].select("id", "detail").iter_rows())
    assert unreadable["0.05"] == "it is empty"
    assert unreadable["0.1"] == "its frame has no rows"
