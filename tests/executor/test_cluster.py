"""Runs on a real Dask cluster give the rows of local runs, even if workers or the scheduler fail."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from clusters import running_cluster, running_scheduler
from distributed import Client
from processes import Command, wait_until

import lakebatch
from lakebatch.assembly.record import Assembly
from lakebatch.assembly.seeds import stream_generator
from lakebatch.cli import main
from lakebatch.errors import AssemblyError, ClusterError, ConfigError, RunInterrupted
from lakebatch.executor import cluster as cluster_module
from lakebatch.executor import dask_dispatch, dask_worker
from lakebatch.executor.cluster import Cluster
from lakebatch.executor.open import read_executor_settings
from lakebatch.executor.worker import Outcome
from lakebatch.experiment import registry
from lakebatch.experiment.config import resolve
from lakebatch.experiment.provenance import row_versions
from lakebatch.runner.assembly_run import Progress
from lakebatch.snapshot import changes
from lakebatch.storage.delta.schema import load_schema

BUILT_IN = [name for name, source in registry.find().items() if source.origin == "built in"]
SMALL = (
    "cohort.n_samples=520",  # more than one block
    "evaluation.n_reps=2",
    'evaluation.models=["linear_regression", {name = "tree", path = "sklearn.tree.ExtraTreeRegressor"}]',
    'evaluation.feature_sets=["initial", "dynamic"]',
)
PARTS = 8


class AfterFirstPart(Progress):
    """Progress hook: calls a function once, when the first part is in the table."""

    def __init__(self, act) -> None:
        self._act = act
        self.parts = 0

    def part_committed(self, outcome: Outcome, rows: int) -> None:
        self.parts += 1
        if self.parts == 1:
            self._act()


def rows_of(lake: lakebatch.Lake, name: str, assembly: Assembly, table: str) -> pl.DataFrame:
    """Return an assembly's rows of a table without volatile columns, in a fixed order."""
    volatile = [column.name for column in load_schema(table).columns if column.volatile]
    rows = lake[name].scan(table=table, include=["completed", "started", "failed"])
    frame = rows.filter(assembly_id=assembly.assembly_id).drop(volatile).collect()
    return frame.sort([column for column, dtype in frame.schema.items() if not dtype.is_nested()])


@pytest.mark.parametrize("name", BUILT_IN)
def test_cluster_with_worker_kills_gives_the_local_rows(lake, name, running, cluster) -> None:
    given = {"preset": "smoke", "settings": SMALL, "seed": 5}
    here = lakebatch.run(lake, name, jobs=1, **given)
    killer = AfterFirstPart(running.kill_worker)
    there = lakebatch.run(lake, name, executor=cluster, progress=killer, **given)

    assert killer.parts == there.parts_planned
    assert (there.status, there.rows) == ("completed", here.rows)
    for table in ("results", "samples", "trajectories"):
        assert rows_of(lake, name, there, table).equals(rows_of(lake, name, here, table)), table


def test_own_columns_and_tables_are_the_same_on_a_cluster(lake, cluster, tmp_path, monkeypatch) -> None:
    (tmp_path / "experiments").mkdir()
    shutil.copy(Path(__file__).parents[1] / "estimate_pi.py", tmp_path / "experiments")
    monkeypatch.chdir(tmp_path)
    given = {"settings": ["points=[10, 20]", "repeats=2"], "seed": 5}
    here = lakebatch.run(lake, "estimate-pi", jobs=1, **given)
    there = lakebatch.run(lake, "estimate-pi", executor=cluster, **given)
    for table, rows in (("results", 8), ("curves", 4)):
        one, other = (
            lake["estimate-pi"]
            .reassemble(table=table, assembly=each.assembly_id)
            .drop("assembly_id", "recorded_at")
            for each in (here, there)
        )
        assert one.equals(other)
        assert one.height == rows


def test_cohort_is_the_same_in_blocks() -> None:
    source = registry.get("response-noise")
    experiment = registry.load(source)
    config = resolve(source, experiment, preset="smoke", settings=SMALL).model
    calls: list[int] = []

    def spread(function, values):
        calls.append(len(values))
        return [function(each) for each in values]

    whole = experiment.prepare(config, stream_generator(5, "prepare"))
    cut = experiment.prepare_spread(config, stream_generator(5, "prepare"), spread)
    assert calls == [2]
    assert whole.cohort.time_courses.values.tobytes() == cut.cohort.time_courses.values.tobytes()
    assert whole.cohort.target.tobytes() == cut.cohort.target.tobytes()


def test_task_that_kills_its_workers_fails_its_part_only(lake, toy, cluster) -> None:
    ended = lakebatch.run(lake, toy, executor=cluster, settings=["die=[0.1]"])
    assert ended.status == "failed"
    assert ended.failures.keys() == {"level=0.1"}
    assert "took one worker after another down with it" in ended.failures["level=0.1"]
    assert ended.parts_done == 2


def test_tasks_queued_behind_one_that_kills_the_worker_are_computed(lake, toy, tmp_path) -> None:
    """Dask counts a worker's death against all its tasks, so that all reach the limit together."""
    file = Path("experiments/toy.py")
    kill = "    if level in config.die:\n"
    file.write_text(file.read_text().replace(kill, f"{kill}        time.sleep(1.0)\n"))
    many = "levels=[" + ", ".join(str(level) for level in range(12)) + "]"
    with running_cluster(tmp_path / "single", {"ALLOWED_FAILURES": "1"}, workers=1) as single:
        ended = lakebatch.run(lake, toy, executor=Cluster(single.client), settings=[many, "die=[6]"])
    assert ended.failures.keys() == {"level=6"}
    assert ended.parts_done == 11


def test_part_that_raises_is_recorded_with_its_reason(lake, toy, cluster) -> None:
    traces = []

    class Listener(Progress):
        def part_failed(self, outcome: Outcome) -> None:
            traces.append(outcome.trace)

    ended = lakebatch.run(lake, toy, executor=cluster, settings=["fail=[0.1]"], progress=Listener())
    assert ended.failures == {"level=0.1": "ValueError: level 0.1 is bad"}
    assert "_misbehave(level, config)" in traces[0]
    Path("mended").touch()
    (Path(cluster._client.run(os.getcwd).popitem()[1]) / "mended").touch()
    resumed = lakebatch.resume(lake, toy, executor=cluster)
    assert (resumed.status, resumed.rows) == ("completed", 9)


def test_preparation_that_fails_fails_every_part(lake, toy, cluster) -> None:
    file = Path("experiments/toy.py")
    file.write_text(file.read_text().replace("return float(rng.normal())", "raise ValueError('no cohort')"))
    ended = lakebatch.run(lake, toy, executor=cluster)
    assert set(ended.failures.values()) == {"ValueError: no cohort"}
    assert len(ended.failures) == 3


def test_interrupted_run_is_resumed_on_the_cluster(lake, toy, cluster, running) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(RunInterrupted, match=r"Interrupted with 1 of 3 parts done"):
        lakebatch.run(lake, toy, executor=cluster, progress=AfterFirstPart(interrupt))
    wait_until(lambda: not running.client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))
    counter = AfterFirstPart(lambda: None)
    resumed = lakebatch.resume(lake, toy, executor=cluster, progress=counter)
    assert (resumed.status, resumed.rows, counter.parts) == ("completed", 9, 2)


def test_run_discarded_meanwhile_leaves_nothing_on_the_cluster(
    lake, slow, cluster, running, monkeypatch
) -> None:
    def discard() -> None:
        with monkeypatch.context() as patch:
            patch.setattr("lakebatch._process.namespace", lambda: "elsewhere")
            lake["toy"].discard(lake["toy"].log.events()["assembly_id"][0], "wrong dose")

    monkeypatch.setattr("lakebatch.runner.assembly_run.CHECK_SECONDS", 0.0)
    many = ["levels=[" + ", ".join(str(level) for level in range(40)) + "]", "pause=0.05"]
    with pytest.raises(AssemblyError, match="was discarded meanwhile"):
        lakebatch.run(lake, "toy", executor=cluster, settings=many, progress=AfterFirstPart(discard))
    assert lake["toy"].assemblies().select("status", "rows").rows() == [("discarded", 3)]
    wait_until(lambda: not running.client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))


def test_code_changed_during_a_run_is_not_run_on_the_cluster(lake, toy, cluster) -> None:
    file = Path("experiments/toy.py")

    def edit() -> None:
        file.write_text(file.read_text().replace("** 2", "** 4"))

    many = ["levels=[" + ", ".join(str(level) for level in range(12)) + "]"]
    ended = lakebatch.run(lake, toy, executor=cluster, settings=many, progress=AfterFirstPart(edit))
    assert ended.status == "failed"
    assert all("has changed since the run began" in each for each in ended.failures.values())


def test_stop_request_lets_started_tasks_finish(lake, slow, cluster) -> None:
    class Stop(AfterFirstPart):
        def wants_to_stop(self) -> bool:
            return self.parts > 0

    many = ["levels=[" + ", ".join(str(level) for level in range(40)) + "]", "pause=0.05"]
    with pytest.raises(RunInterrupted):
        lakebatch.run(lake, "toy", executor=cluster, settings=many, progress=(stop := Stop(lambda: None)))
    assert 1 <= stop.parts < 40
    assert lake["toy"].assemblies()["parts_done"].to_list() == [stop.parts]


def test_command_on_a_cluster_survives_the_death_of_a_worker(lake, slow, running) -> None:
    running.client.wait_for_workers(2, timeout=60)
    arguments = ("--lake", str(lake.storage.uri), "run", "toy", "--seed", "7", "--scheduler", running.address)
    command = Command(slow, *arguments)
    command.wait_for_lines(3)
    running.kill_worker()
    assert command.wait() == 0, command.err
    local = lakebatch.run(lake, "toy", jobs=1, seed=7, settings=["pause=0"])
    first, second = lake["toy"].log.get(local.assembly_id), lake["toy"].snapshot().assemblies[0]
    assert second.status == "completed"
    columns = ["level", "repeat", "mse", "r2"]
    frames = [rows_of(lake, "toy", each, "results").select(columns) for each in (first, second)]
    assert frames[0].equals(frames[1])


def test_run_without_its_scheduler_can_be_resumed(lake, slow, tmp_path) -> None:
    with running_cluster(tmp_path / "lost", {}) as lost:
        arguments = ("--lake", str(lake.storage.uri), "run", "toy", "--seed", "7", "--set", "pause=0.3")
        command = Command(slow, *arguments, "--scheduler", lost.address)
        command.wait_for_lines(3)
        lost.scheduler.kill()
        assert command.wait() == 1, command.err
    told = [line for line in command.err.splitlines() if "committed, " not in line]
    assert "The connection to the scheduler" in told[-1]
    assert "go on, when there is a cluster again, with: lakebatch resume" in told[-1]
    (state,) = lake["toy"].assemblies()["status"]
    assert state == "interrupted"
    resumed = lakebatch.resume(lake, "toy", jobs=1)
    rows = rows_of(lake, "toy", resumed, "results")
    assert resumed.status == "completed"
    assert rows.height == rows.select("part", "repeat").n_unique() == PARTS * 3


def test_scheduler_lost_while_a_result_is_fetched_is_reported(lake, toy, tmp_path, monkeypatch) -> None:
    """At the worst moment: the client knows that a task is finished, and fetches its result."""
    with running_cluster(tmp_path / "lost", {}) as lost:
        fetch = dask_dispatch._computed

        def fetch_too_late(future):
            lost.scheduler.send_signal(signal.SIGSTOP)
            threading.Timer(0.5, lost.scheduler.kill).start()
            return fetch(future)

        monkeypatch.setattr(dask_dispatch, "_computed", fetch_too_late)
        with pytest.raises(ClusterError, match=r"The connection to the scheduler .* is lost"):
            lakebatch.run(lake, "toy", executor=Cluster(lost.client))
    assert lake["toy"].assemblies()["status"].to_list() == ["interrupted"]


def test_tasks_of_a_hanging_worker_are_computed_elsewhere(lake, slow, tmp_path) -> None:
    with running_cluster(tmp_path / "hanging", {"WORKER_TTL": "5s"}) as hanging:
        victim = hanging.workers()[0]
        stop = AfterFirstPart(lambda: os.kill(victim, signal.SIGSTOP))
        ended = lakebatch.run(lake, "toy", executor=Cluster(hanging.client), progress=stop)
    assert (ended.status, ended.rows) == ("completed", PARTS * 3)


def pretend(monkeypatch, toy, **changes):
    """Let this process record another environment than the workers; return that of the workers."""
    source = registry.get(toy)
    there = dask_worker.environment(source, registry.load(source).version)
    packages = there["packages"] | changes.pop("packages", {})
    monkeypatch.setattr(
        cluster_module.origin, "environment", lambda *_: {**there, "packages": packages, **changes}
    )
    return there


def test_workers_with_other_packages_or_code_are_refused(toy, running, monkeypatch) -> None:
    running.client.wait_for_workers(2, timeout=60)
    there = pretend(monkeypatch, toy, packages={"numpy": "1.0"}, python="3.9.1")
    expected = (
        rf"other versions than this machine: python 3\.\d+ instead of 3\.9, numpy {there['packages']['numpy']} instead of "
        r"1\.0 on tcp://\S+, tcp://\S+\. Install the same ones, or compute with both "
        r"by accept_changes=True \(--accept-changes\)"
    )
    with pytest.raises(ClusterError, match=expected):
        lakebatch.run(lakebatch.open_lake("lake"), toy, executor=Cluster(running.client))
    pretend(monkeypatch, toy, source_hash="0")
    with pytest.raises(ClusterError, match=r"A worker has source hash .* Install the same code"):
        lakebatch.run(lakebatch.open_lake("lake"), toy, executor=Cluster(running.client), accept_changes=True)
    assert not Path("lake").exists()


def test_accepted_versions_of_workers_are_recorded(toy, lake, running, monkeypatch, caplog) -> None:
    running.client.wait_for_workers(2, timeout=60)
    there = pretend(monkeypatch, toy, packages={"numpy": "1.0", "duckdb": "1.0"})
    cluster = Cluster(running.client)
    ended = lakebatch.run(lake, toy, executor=cluster, accept_changes=True)
    assert ended.status == "completed"
    (recorded,) = ended.surroundings["workers"]
    assert recorded == row_versions(there)
    assert "numpy" in caplog.text
    assert "duckdb" not in caplog.text
    assert lake[toy].snapshot().mixtures() == {}, "all workers are alike"
    mixed = {**ended.surroundings, "workers": [recorded, recorded | {"numpy": "1.0"}]}
    events = lake[toy].log.events().with_columns(environment=pl.lit(json.dumps(mixed)))
    (what,) = changes.mixtures(events, lake[toy].snapshot().attempts).values()
    numpy = there["packages"]["numpy"]
    assert what == f"its parts were computed by 2 codes: numpy {numpy}; numpy 1.0"


def test_piece_of_a_worker_with_other_versions_is_not_accepted(toy, lake, running, monkeypatch) -> None:
    """The worker joined after the last check."""
    running.client.wait_for_workers(2, timeout=60)
    cluster = Cluster(running.client)
    check = cluster._check_workers

    def as_if_numpy_were_another(*given, **options):
        check(*given, **options)
        cluster._here = cluster._here | {"numpy": "1.0"}

    monkeypatch.setattr(cluster, "_check_workers", as_if_numpy_were_another)
    with pytest.raises(ClusterError, match=r"numpy \S+ instead of 1\.0\. Install the same"):
        lakebatch.run(lake, toy, executor=cluster)
    assert lake[toy].assemblies()["parts_done"].to_list() == [0]


def test_experiment_that_a_worker_cannot_load_is_refused_before_the_start(toy, running, monkeypatch) -> None:
    """The experiment imports a module that exists on this side only."""
    file = Path("experiments/toy.py")
    file.write_text(file.read_text().replace("import os\n", "import os\nos.environ['ONLY_HERE']\n"))
    monkeypatch.setenv("ONLY_HERE", "1")
    source = registry.get(toy)
    running.client.wait_for_workers(2, timeout=60)
    with pytest.raises(
        ClusterError, match=r"The worker tcp://.* cannot load toy: KeyError: 'ONLY_HERE'.*the same path"
    ):
        Cluster(running.client).check(source)


def another_lakebatch(folder: Path) -> Path:
    """Return a copy of lakebatch, to be imported from the folder above it."""
    return shutil.copytree(Path(lakebatch.__file__).parent, folder / "other" / "lakebatch")


@pytest.mark.parametrize(
    ("version", "fault", "advice"),
    [
        (
            "",
            "cannot hand on work: it has another lakebatch, or none (",
            f"Install lakebatch {lakebatch.__version__} there.",
        ),
        ("__version__ = '0.1.9'", "has lakebatch 0.1.9, here it is ", "Install the same one on the cluster."),
    ],
    ids=["another layout", "another version"],
)
def test_scheduler_with_another_lakebatch_is_one_line(toy, tmp_path, version, fault, advice) -> None:
    """The scheduler unpickles the work that it hands on."""
    other = another_lakebatch(tmp_path)
    (other / "_version.py").write_text(version)
    environment = {**os.environ, "PYTHONPATH": str(other.parent)}
    with (
        running_scheduler(tmp_path / "old", environment) as (address, _),
        Client(address, set_as_default=False) as client,
        pytest.raises(ClusterError) as raised,
    ):
        lakebatch.run(lakebatch.open_lake("lake"), toy, executor=Cluster(client))
    message = str(raised.value)
    assert message.startswith(f"The scheduler {address} {fault}")
    assert message.endswith(advice)
    assert not Path("lake").exists()


@pytest.mark.parametrize(
    "moved", ["executor/dask_worker.py", "experiment/registry.py"], ids=["no function", "no value"]
)
def test_worker_with_another_layout_of_lakebatch_is_one_line(toy, tmp_path, moved) -> None:
    """The worker can unpickle neither the function nor its arguments."""
    other = another_lakebatch(tmp_path)
    (other / moved).rename(other / "elsewhere.py")
    with running_cluster(tmp_path / "old", {}, {"PYTHONPATH": str(other.parent)}) as old:
        with pytest.raises(ClusterError) as raised:
            lakebatch.run(lakebatch.open_lake("lake"), toy, executor=Cluster(old.client))
        assert len(old.workers()) == 2
    message = str(raised.value)
    assert message.startswith("The worker tcp://")
    assert "cannot load toy: it has another lakebatch, or none (" in message
    assert message.endswith(f"Install lakebatch {lakebatch.__version__} there.")
    assert "\n" not in message
    assert not Path("lake").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--scheduler", "tcp://127.0.0.1:1"), 1, "There is no scheduler at tcp://127.0.0.1:1"),
        (("--scheduler", "nowhere"), 1, "There is no scheduler at nowhere"),
        (
            ("--scheduler", "tcp://127.0.0.1:1", "--jobs", "2"),
            2,
            "jobs=N (--jobs) is the number of processes on this",
        ),
        (("--executor", "spark"), 2, "'spark'"),
    ],
)
def test_unusable_cluster_is_one_line(slow, monkeypatch, arguments, code, message) -> None:
    monkeypatch.setattr("lakebatch.executor.open.CONNECT_SECONDS", 1)
    done = CliRunner().invoke(main, ["run", "toy", *arguments])
    assert (done.exit_code, message in done.stderr) == (code, True), done.stderr
    assert not Path("lake").exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            'kind = "spark"',
            "Config key 'executor.kind' is 'spark' (from lakebatch.toml). Expected 'local' or 'dask'.",
        ),
        ("core = 4", "Unknown config key 'executor.core' (from lakebatch.toml). Did you mean 'cores'?"),
        ("adaptive = [4, 2]", "adaptive is [4, 2], expected [min, max] jobs, e.g. [0, 16]"),
        ('scheduler = "tcp://a:1"\nsystem = "slurm"', "both scheduler and system are set, expected one"),
    ],
)
def test_invalid_settings_are_named(slow, table, message) -> None:
    Path("lakebatch.toml").write_text(f"[executor]\n{table}\n")
    with pytest.raises(ConfigError) as raised:
        read_executor_settings({})
    assert message in str(raised.value)


def test_workers_run_as_jobs_of_a_batch_system(lake, slow) -> None:
    """The jobs are processes here; the code that submits them is the same as for SLURM, PBS or LSF."""
    Path("lakebatch.toml").write_text(
        '[executor]\nkind = "dask"\nsystem = "local"\ncores = 1\nmemory = "1GB"\nscale = 2\n'
    )
    command = Command(slow, "--lake", str(lake.storage.uri), "run", "toy", "--set", "pause=0")
    assert command.wait() == 0, command.err
    assert lake["toy"].assemblies()["rows"].to_list() == [PARTS * 3]


def test_worker_with_stale_code_is_refused(toy, monkeypatch) -> None:
    source = registry.get(toy)
    assert dask_worker.environment(source, "v1")["source_hash"]
    monkeypatch.setattr(registry, "is_stale", lambda _: True)
    with pytest.raises(ClusterError, match=r"has changed since the worker loaded it; restart the workers"):
        dask_worker.environment(source, "v1")


def test_missing_dask_is_named_with_what_to_install(slow) -> None:
    code = "import sys; sys.modules['distributed'] = None; from lakebatch.cli import main; main()"
    command = [sys.executable, "-c", code, "run", "toy", "--executor", "dask"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.endswith("Install it with: pip install 'lakebatch[dask]'")
