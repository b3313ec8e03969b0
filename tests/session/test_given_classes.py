"""Experiments that are given as classes: written in a module, a script or a cell."""

import re
import sys
from typing import ClassVar

import cloudpickle
import nbformat
import polars as pl
import pytest
from nbclient import NotebookClient

import lakebatch
from lakebatch.errors import (
    AssemblyError,
    ConfigError,
    ExperimentError,
    NameClashError,
    RunInterrupted,
    UnknownNameError,
)
from lakebatch.experiment import ConfigModel, Experiment, Part, given, metric, registry, setting
from lakebatch.experiment.written import source_text
from lakebatch.runner import check as checks
from lakebatch.runner.assembly_run import Progress

N_ROWS = 2
LARGE = pl.DataFrame({"weight": [1.0]})


def scale(x):
    """Return a number twice as large."""
    return 2 * x


class Config(ConfigModel):
    """Config of the class below."""

    levels: tuple[float, ...] = setting((0.0, 0.1), help="Levels.")
    factor: float = setting(1.0, help="Factor.")


class Given(Experiment[Config, float]):
    """An experiment that no file of experiments defines."""

    name = "given"
    number = "60"
    version = "v1"
    config_model = Config
    columns = (metric("score", "A score."),)

    def parts(self, config):
        """Return one part per level."""
        return [Part(f"level={level:g}", {"level": level}) for level in config.levels]

    def work(self, part, config):
        """Return the number of rows."""
        return N_ROWS

    def run(self, part, prepared, config, rng):
        """Return some rows."""
        score = [scale(config.factor) * float(rng.normal()) * LARGE["weight"][0] for _ in range(N_ROWS)]
        return {
            "results": pl.DataFrame(
                {"level": [part.values["level"]] * N_ROWS, "repeat": range(N_ROWS), "score": score}
            )
        }


class StopAfterFirst(Progress):
    """Stops a run as Ctrl-C does."""

    def part_committed(self, outcome, rows):
        """Interrupt."""
        raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    """Work in an empty folder, where no other test has given a class."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_given", {})


def test_class_runs_with_its_source_recorded(lake):
    ended = lakebatch.run(lake, Given, levels=[0.0, 0.1, 0.2], set={"factor": 2.0}, jobs=1)
    assert (ended.status, ended.rows) == ("completed", 6)
    assert ended.settings["factor"] == 2.0
    files = lake["given"].source(ended.assembly_id)
    assert list(files) == ["given.py"]
    assert files["given.py"] == source_text(Given)
    assert str(lakebatch.verify(lake, Given, ended.assembly_id, jobs=1)) == "verified: 6 rows, all the same"
    assert lakebatch.verify(lake, "given", ended.assembly_id, jobs=1).reproduced  # by its name, from then on


def test_source_is_one_file_with_all_that_the_class_uses():
    text = source_text(Given)
    for line in ("import polars as pl", "N_ROWS = 2", "def scale(x):", "class Config(ConfigModel):"):
        assert f"\n{line}\n" in f"\n{text}"
    assert "# LARGE: polars.dataframe.frame.DataFrame, SHA-256 of its pickle " in text
    assert "StopAfterFirst" not in text
    assert text == source_text(Given)


def test_source_can_be_saved_as_a_file_of_experiments(tmp_path, lake):
    text = source_text(Given).replace(
        "# LARGE: polars.dataframe.frame.DataFrame", "LARGE = {'weight': [1.0]}  #"
    )
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "given.py").write_text(text)
    assert lakebatch.run(lake, "given", jobs=1).status == "completed"


def test_edited_class_is_other_source(lake, monkeypatch):
    with pytest.raises(RunInterrupted) as stopped:
        lakebatch.run(lake, Given, jobs=1, progress=StopAfterFirst())
    newest = lake["given"].snapshot().assemblies[-1].assembly_id
    assert f'Continue with: lakebatch.resume(lake, Given, "{newest}")' in str(stopped.value)
    monkeypatch.setattr(sys.modules[__name__], "N_ROWS", 3)
    with pytest.raises(
        AssemblyError, match=r"was begun with other code or packages: source was \w+, is \w+"
    ) as refused:
        lakebatch.resume(lake, Given, newest, jobs=1)
    assert f'lakebatch.resume(lake, Given, "{newest}", accept_changes=True)' in str(refused.value)
    ended = lakebatch.resume(lake, Given, newest, jobs=1, accept_changes=True)
    assert (ended.status, ended.rows) == ("completed", 5)


def test_other_source_is_named_when_a_run_begins(lake, monkeypatch, caplog):
    lakebatch.run(lake, Given, levels=[0.0], jobs=1)
    monkeypatch.setattr(sys.modules[__name__], "N_ROWS", 3)
    lakebatch.run(lake, Given, levels=[0.0], jobs=1)
    assert "The source has changed since" in caplog.text
    assert "raise version in the class Given" in caplog.text


def test_result_shows_itself_and_reads_its_rows(lake):
    lakebatch.run(lake, Given, levels=[0.0], jobs=1)
    ended = lakebatch.run(lake, Given, levels=[0.0], jobs=1)
    assert ended == lake["given"].log.get(ended.assembly_id)
    assert ended.reassemble()["assembly_id"].unique().to_list() == [ended.assembly_id]
    assert "completed, 1 of 1 parts, 2 rows" in repr(ended)
    assert ended.assembly_id in ended._repr_html_()
    assert cloudpickle.loads(cloudpickle.dumps(ended)) == ended


def test_check_works_with_a_class(monkeypatch):
    def broken(trial):
        """A promise that is broken."""
        raise ExperimentError(f"{trial.plan().keys}")

    monkeypatch.setattr(checks, "CHECKS", (checks.check_plan, broken))
    found = lakebatch.check(Given, set={"levels": [0.5]})
    assert found["fault"].to_list() == [None, "('level=0.5',)"]
    assert found["promise"][1] == "A promise that is broken."


@pytest.mark.parametrize("wrong", [int, 3, Given(), None])
def test_what_is_no_experiment_is_refused(lake, wrong):
    with pytest.raises(
        ConfigError, match=r"is no experiment\. Expected its name, or a subclass of Experiment"
    ):
        lakebatch.run(lake, wrong)


def test_class_without_a_version_is_refused(lake):
    class Half(Given):
        version = "one"

    with pytest.raises(ConfigError, match=r"Half\.version is 'one'\. Expected e\.g\. 'v1'"):
        lakebatch.run(lake, Half)
    with pytest.raises(UnknownNameError):
        registry.get("given")


def test_class_with_the_name_of_a_file_is_refused(lake, toy):
    class Toy(Given):
        name = "toy"

    with pytest.raises(
        NameClashError, match=r"Two experiments are called 'toy': experiments/toy\.py and the class Toy"
    ):
        lakebatch.run(lake, Toy)


def test_class_of_a_file_of_experiments_is_that_experiment(lake, toy):
    kind = type(registry.load(registry.get(toy)))
    assert registry.get(kind) == registry.get(toy)


def test_class_goes_to_other_processes_by_value(monkeypatch):
    """So that a worker needs no file of it, and cannot find another one."""
    payload = given.pack(Given, "given")
    monkeypatch.setattr(given, "_classes", {})
    monkeypatch.delitem(sys.modules, __name__)
    kind, state = given.unpack(payload)
    assert kind.name == "given"
    assert "class Given(" in state.files[0].text
    assert __name__ not in sys.modules


def test_class_whose_source_cannot_be_had_is_refused(lake):
    space = {"__name__": "typed", "Given": Given}
    exec("class Typed(Given):\n    name = 'typed'\n", space)
    with pytest.raises(
        ConfigError, match=r"The source of the class Typed cannot be had.*Write it in a notebook cell"
    ):
        given.pack(space["Typed"], "typed")


ID = r"\d{8}_\d{6}_run\d{3}"
CELLS = [
    """
import lakebatch, polars as pl
from lakebatch.experiment import ConfigModel, Experiment, Part, setting
lake = lakebatch.open_lake("lake")
class Config(ConfigModel):
    levels: tuple[float, ...] = setting((0.0, 0.1), help="Levels.")
""",
    """
class Cell(Experiment[Config, None]):
    name = "cell"
    number = "61"
    version = "v1"
    config_model = Config
    def parts(self, config):
        return [Part(f"level={level:g}", {"level": level}) for level in config.levels]
    def run(self, part, prepared, config, rng):
        return {"results": pl.DataFrame({"level": [part.values["level"]], "repeat": [0], "mse": [rng.random() + SHIFT]})}
SHIFT = 1
first = lakebatch.run(lake, Cell, levels=[0, 0.1, 0.2], jobs=2)
first
""",
    """
print(lake["cell"].source(first.assembly_id)["cell.py"])
""",
    """
SHIFT = 2
second = lakebatch.run(lake, Cell, jobs=1)
print(lakebatch.verify(lake, Cell, first.assembly_id, jobs=1))
""",
    """
lakebatch.run(lake, Cell, replicates=2, jobs=1).decision
""",
    """
lakebatch.run(lake, Cell, sweep={"levels": [[0], [1]]}, sweep_name="two", jobs=1).counts["done"]
""",
    """
lakebatch.run(lake, Cell, levels=[0], jobs=1, progress=False).rows
""",
    """
from lakebatch.runner import check
def broken(trial):
    "A promise that is <b>broken</b>."
    raise lakebatch.errors.ExperimentError("Rows differ.")
check.CHECKS = check.CHECKS[:1] + (broken,)
lakebatch.check(Cell)
""",
    """
SHIFT = "<i>"
lakebatch.run(lake, Cell, levels=[0], jobs=1).status
""",
]


class Listener(NotebookClient):
    """A notebook's client that keeps the texts of all outputs, also of those that were replaced."""

    texts: ClassVar[list[str]] = []

    def process_message(self, msg, cell, cell_index):
        """Keep the text of a display."""
        self.texts.append(msg["content"].get("data", {}).get("text/plain", ""))
        return super().process_message(msg, cell, cell_index)


def test_class_of_a_cell_runs_in_a_kernel(tmp_path):
    cells = [nbformat.v4.new_code_cell(text) for text in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    Listener(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [["".join(_texts(each)) for each in cell.outputs] for cell in notebook.cells]
    line = rf"cell, {ID}: completed, 3 of 3 parts, 3 of 3 rows in \d+ s"
    assert re.fullmatch(line, shown[1][0])
    html = notebook.cells[1].outputs[0]["data"]["text/html"]
    assert re.fullmatch(rf"<div><strong>cell, {ID}</strong>: completed, [^<]*</div>", html)
    assert "<RunResult" in shown[1][1]
    assert len(shown[1]) == 2
    assert "SHIFT = 1\n\n\nclass Config(ConfigModel):" in shown[2][0]
    edited = "".join(shown[3])
    assert "The source has changed since" in edited
    assert "not reproduced: 3 rows differ in results.mse (source was" in edited
    assert re.search(rf"cell, verification of {ID}: completed, 3 of 3 parts", edited)
    replicates, sweep, silent, checked, failed = shown[4:]
    assert re.fullmatch(r"cell: 2 completed assemblies, 4 rows in \d+ s", replicates[0])
    assert re.fullmatch(r"cell, sweep two: 2 completed of 2 assemblies, 2 rows in \d+ s", sweep[0])
    assert [len(replicates), len(sweep), silent] == [2, 2, ["1"]]
    assert checked[0] == "check of cell: 1 of 2 promises kept\nRows differ."
    table = notebook.cells[7].outputs[1]["data"]["text/html"]
    assert "1 of 2 promises kept" in table
    assert "A promise that is &lt;b&gt;broken&lt;/b&gt;." in table
    assert re.search(
        r": failed, 0 of 1 parts, 0 of 1 rows in \d+ s\nfailed level=0: TypeError: .*'str'", failed[-2]
    )
    before = [each for each in Listener.texts if "preparing" in each or "now: " in each]
    assert before[0].endswith(
        ": 0 of 3 parts, 0 of 3 rows: preparing and computing the first parts, nothing committed yet, 0 failed"
    )
    assert before[-2] == "check of cell: 1 of 2 promises checked; now: A promise that is <b>broken</b>."


def _texts(output):
    """Return the texts of an output of a cell."""
    if output.output_type == "stream":
        return [output.text]
    return [output["data"]["text/plain"]]
