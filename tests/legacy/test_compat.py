"""The older interface, called as in older scripts."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import lakebatch
from lakebatch import create_batch_executor
from lakebatch.assembly.part_writer import PartWriter
from lakebatch.assembly.record import Plan, now
from lakebatch.errors import AssemblyError, ConfigError, IncompleteWarning, LakebatchError, SchemaError

NAME = "parameter_distortion_results"
ARGUMENTS = ("batch-parameter-distortion", "01", "v1")


@pytest.fixture
def executor(tmp_path, monkeypatch):
    monkeypatch.setenv("LAKEBATCH_LAKE", str(tmp_path / "lake"))
    return create_batch_executor(*ARGUMENTS)


def save(executor, value, frame, name=NAME):
    executor.generate_assembly_id(value)
    executor.save_batch_data(frame, name)
    executor.mark_assembly_completed()


def test_older_script_runs_and_its_data_is_in_the_lake(executor, old_results, tmp_path):
    levels = [0, 0.05, 0.1]
    assert executor.get_pending_assemblies(levels) == levels
    for level in executor.get_pending_assemblies(levels):
        assembly_id = executor.generate_assembly_id(level)
        assert executor.get_assembly_status(assembly_id) == "started"
        executor.save_batch_data(old_results(level), NAME)
        executor.mark_assembly_completed()
    assert executor.cleanup_assembly_list() is True
    again = create_batch_executor(
        notebook_name="batch-parameter-distortion",
        exp_number="01",
        version_number="v1",
        section_number="4",
        storage_backend="local",
    )
    combined = again.sequential_reassembly(NAME)
    pd.testing.assert_frame_equal(
        combined, pd.concat([old_results(level) for level in levels], ignore_index=True)
    )
    listed = again.load_assembly_list()
    assert listed[listed["status"] == "completed"]["assembly_id"].tolist() == ["0", "0.05", "0.1"]
    assert listed["timestamp"].str.fullmatch(r"\d{8}_\d{6}").all()
    stored = lakebatch.open_lake(tmp_path / "lake")["parameter-distortion"]
    rows = stored.reassemble(on_gap="refuse")
    assert rows["level"].unique().sort().to_list() == [0.0, 0.05, 0.1]
    assert sorted(rows["r2"]) == sorted(combined["R2 Score"])
    assert stored.assemblies()["status"].to_list() == ["completed"] * 3


def test_shifts_between_saved_frames_are_not_tested(executor, old_results, tmp_path):
    """The seed, and so the cohort, of saved frames is unknown."""
    for level in (0, 0.1):
        save(executor, level, old_results(level))
    stored = lakebatch.open_lake(tmp_path / "lake")["parameter-distortion"]
    found = stored.diff(*stored.assemblies()["assembly_id"])
    assert found.untested == "imported assemblies have no known cohort"


def test_zero_and_zero_point_zero_are_one_level(executor, old_results):
    save(executor, 0, old_results(0))
    assert executor.get_pending_assemblies([0.0, "0.0", "0", 0, np.float64(0), 0.5, "x"]) == [0.5, "x"]
    assert {executor.get_assembly_status(text) for text in (0, 0.0, "0", "0.0", "0.00")} == {"completed"}


def test_statuses_follow_the_calls(executor, old_results):
    assert executor.get_assembly_status("0.3") == "not_found"
    assert executor.load_assembly_list().columns.tolist() == ["assembly_id", "timestamp", "status"]
    assert executor.load_assembly_list().empty
    executor.generate_assembly_id(0.3)
    assert executor.get_assembly_status(0.3) == "started"
    executor.mark_assembly_failed("no convergence")
    assert executor.get_assembly_status(0.3) == "failed"
    assert executor.get_pending_assemblies([0.3]) == [0.3]
    save(executor, 0.3, old_results(0.3))
    assert executor.get_assembly_status(0.3) == "completed"
    assert executor.load_assembly_list()["status"].tolist() == ["completed"]


def test_id_without_a_value_is_an_assembly_id(executor, old_results):
    assembly_id = executor.generate_assembly_id()
    assert executor.get_assembly_status(assembly_id) == "started"
    executor.save_batch_data(old_results(1.5), NAME)
    executor.mark_assembly_completed()
    assert executor.load_assembly_list()["assembly_id"].tolist() == [assembly_id]


def test_saving_again_adds_nothing_and_overwrites_nothing(executor, old_results):
    frame = old_results(0.1)
    executor.generate_assembly_id(0.1)
    executor.save_batch_data(frame, NAME)
    executor.save_batch_data(frame, NAME)
    with pytest.raises(AssemblyError, match="already holds other rows"):
        executor.save_batch_data(old_results(0.1, seed=1), NAME)
    executor.mark_assembly_completed()
    save(executor, 0.1, frame)
    with pytest.raises(AssemblyError, match="already holds other rows"):
        save(executor, 0.1, old_results(0.1, seed=1))
    with pytest.raises(AssemblyError, match=r"0\.1 is completed, nothing more can be saved in it as 'other'"):
        executor.save_batch_data(frame, "other")
    pd.testing.assert_frame_equal(executor.sequential_reassembly(NAME), frame)


def test_incomplete_attempt_is_replaced_by_the_next(executor, old_results):
    executor.generate_assembly_id(0.1)
    executor.save_batch_data(old_results(0.1, seed=1), NAME)  # the crash
    save(create_batch_executor(*ARGUMENTS), 0.1, old_results(0.1, seed=2))
    pd.testing.assert_frame_equal(executor.sequential_reassembly(NAME), old_results(0.1, seed=2))
    assert executor.load_assembly_list()["assembly_id"].tolist() == ["0.1"]
    with pytest.raises(AssemblyError, match="is discarded"):
        executor.save_batch_data(old_results(0.1), NAME)


def test_level_of_a_container_is_taken_over_when_its_lease_expires(executor, monkeypatch):
    other = create_batch_executor(*ARGUMENTS)
    with monkeypatch.context() as patch:
        patch.setattr("lakebatch._process.namespace", lambda: "another")
        other.generate_assembly_id(0.1)
    with pytest.raises(AssemblyError, match=f"being worked on by process {os.getpid()}"):
        executor.generate_assembly_id(0.1)
    (lease,) = Path(executor.stored.storage.uri, executor.stored.folder, "leases").iterdir()
    os.utime(lease, (0, 0))
    assert executor.generate_assembly_id(0.1) == "0.1"
    other._lease.close()


def test_level_of_a_running_process_is_not_taken_over(executor, tmp_path):
    script = (
        "from lakebatch import create_batch_executor\n"
        f"create_batch_executor(*{ARGUMENTS}).generate_assembly_id(0.1)\n"
        "print('on', flush=True)\n"
        "input()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout.readline() == "on\n"
        with pytest.raises(AssemblyError, match=f"being worked on by process {other.pid}"):
            executor.generate_assembly_id(0.1)
        other.communicate("\n")
    assert executor.generate_assembly_id(0.1) == "0.1"


def test_frames_with_other_columns_and_types_come_back_uncast(executor):
    first = pd.DataFrame({"Distortion Factor": [0], "n": [2**60], "flag": [True]})
    second = pd.DataFrame({"Distortion Factor": [1.1], "extra": [[1.0, 2.0]], "R 2": ["text"], 7: [0.5]})
    save(executor, 0, first)
    save(executor, 1.1, second)
    found = executor.sequential_reassembly(NAME)
    assert found["Distortion Factor"].tolist() == [0.0, 1.1]
    assert found["n"].tolist() == [2**60, pd.NA]
    assert found["flag"].tolist() == [True, pd.NA]
    assert found["R 2"].tolist()[1] == "text"
    assert found["7"].tolist()[1] == 0.5
    assert list(found["extra"][1]) == [1.0, 2.0]
    save(executor, 2.0, pd.DataFrame({"n": ["many"]}))
    assert executor.sequential_reassembly(NAME)["n"].tolist() == [2**60, None, "many"]


def test_named_index_becomes_a_column(executor):
    save(executor, 0, pd.DataFrame({"x": [1, 2]}, index=pd.Index(["a", "b"], name="patient")))
    assert executor.sequential_reassembly(NAME)["patient"].tolist() == ["a", "b"]


def test_missing_data_is_warned_of(executor, old_results):
    save(executor, 0, old_results(0))
    save(executor, 0.1, old_results(0.1), name="other_name")
    with pytest.warns(IncompleteWarning, match=f"0.1: completed, nothing was saved as {NAME}"):
        assert len(executor.sequential_reassembly(NAME)) == 4


def test_results_of_runs_are_among_those_of_older_scripts(executor, old_results):
    save(executor, 2, old_results(2).rename(columns={"Response Noise Level": "Distortion Factor"}))
    stored = executor.stored
    plan = Plan({"levels": [0.0]}, ("level=0",), 42, None, (), "0.1.0", {})
    run = stored.log.start(plan, stored.results.version())
    rows = pl.DataFrame({"level": [0.0], "feature_set": ["last"], "model": ["ridge"], "r2": [0.25]})
    PartWriter(stored.results, run.assembly_id, {}).append("level=0", rows, now())
    stored.log.record(run, "completed", parts_done=1, rows=1, results_version=stored.results.version())
    found = executor.sequential_reassembly(NAME)
    assert found["Distortion Factor"].tolist() == [2.0] * 4 + [0.0]
    assert found["R2 Score"].tolist()[-1] == 0.25
    assert found["Assembly ID"].tolist() == ["2"] * 4 + [run.assembly_id]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: e.save_batch_data(pd.DataFrame({"x": [1]}), NAME), "No assembly is begun"),
        (lambda e: e.mark_assembly_completed(), "No assembly is begun"),
        (lambda e: e.sequential_reassembly(NAME), "no completed assembly"),
        (lambda e: save(e, 1, pd.DataFrame({"x": []})), "has no rows"),
        (lambda e: save(e, 1, pd.DataFrame({"x": [1]}), "../up"), "not a name to save under"),
        (
            lambda e: (save(e, 1, pd.DataFrame({"x": [1]})), e.sequential_reassembly("other")),
            f"Saved: {NAME}",
        ),
    ],
)
def test_wrong_use_is_a_value_error_in_one_line(executor, call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(executor)
    assert isinstance(caught.value, LakebatchError)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ([1, 2], "Cannot save a list"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "two columns are called 'x'"),
        (pd.DataFrame({"x": [1, "a"]}), "column 'x'"),
        (pd.DataFrame({"x": [object()]}), "column 'x'"),
        (pd.DataFrame({"x": pd.to_timedelta([1], unit="s")}), "column 'x'"),
    ],
)
def test_frame_that_cannot_be_kept_is_refused_by_column(executor, frame, message):
    executor.generate_assembly_id(1)
    with pytest.raises(SchemaError, match=message):
        executor.save_batch_data(frame, NAME)


def test_backend_must_match_the_lake(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("LAKEBATCH_LAKE", "S3_BUCKET_NAME", "AWS_BUCKET_NAME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=r"storage_backend is 's3' and the lake is .*Set S3_BUCKET_NAME"):
        create_batch_executor(*ARGUMENTS, storage_backend="s3")
    with pytest.raises(ConfigError, match="Expected 'local' or 's3'"):
        create_batch_executor(*ARGUMENTS, storage_backend="disk")
    monkeypatch.setenv("S3_BUCKET_NAME", "bucket")
    assert str(tmp_path) in repr(create_batch_executor(*ARGUMENTS, storage_backend="local"))
    assert "s3://bucket" in repr(create_batch_executor(*ARGUMENTS, storage_backend="s3"))
    monkeypatch.setenv("LAKEBATCH_LAKE", "s3://other/lake")
    with pytest.raises(ConfigError, match="storage_backend is 'local' and the lake is s3://other/lake"):
        create_batch_executor(*ARGUMENTS, storage_backend="local")


@pytest.mark.parametrize(
    "names", [("Batch X", "01", "v1"), ("../up", "01", "v1"), ("x", "one", "v1"), ("x", "01", "1")]
)
def test_invalid_folder_names_are_refused(names):
    with pytest.raises(ConfigError, match="cannot be an experiment's folder"):
        create_batch_executor(*names)


def test_missing_pandas_is_named_with_how_to_install_it(tmp_path):
    script = (
        "import sys; sys.modules['pandas'] = None\n"
        "import lakebatch\n"
        "try: lakebatch.create_batch_executor('x', '01')\n"
        "except lakebatch.errors.MissingDependencyError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert "pip install 'lakebatch[pandas]'" in done.stdout, done.stderr


def test_older_interface_raises_no_warning(executor, old_results):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(executor, 0, old_results(0))
        executor.sequential_reassembly(NAME)
