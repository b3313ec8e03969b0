"""Experiments found by name, wherever they come from."""

import os
import sys
from pathlib import Path

import pytest

from lakebatch import registry
from lakebatch.errors import ConfigError, NameClashError, UnknownNameError

MINIMAL = """
from lakebatch.experiment import ConfigModel, Experiment

class {kind}(Experiment):
    name, number, version, config_model = {name!r}, {number!r}, {version!r}, ConfigModel
"""


def source(kind="Mine", name="mine", number="91", version="v1"):
    return MINIMAL.format(kind=kind, name=name, number=number, version=version)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the folder of the user's own experiments."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    return tmp_path / "experiments"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return a function that installs a package with an experiment."""

    def install(name, text, distribution="brought", module=None):
        site = tmp_path / f"site-{distribution}"
        module = module or f"{distribution}_experiment"
        information = site / f"{distribution}-1.0.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[lakebatch.experiments]\n{name} = {module}\n")
        (site / f"{module}.py").write_text(text)
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.delitem(sys.modules, module, raising=False)

    return install


def test_own_folder_is_searched_beside_the_built_in_one(folder):
    (folder / "mine.py").write_text(source())
    (folder / "_helper.py").write_text("raise SystemError")
    found = registry.find()
    assert {"mine", "expression-noise", "parameter-distortion", "response-noise"} <= found.keys()
    assert list(found) == sorted(found)
    assert (found["mine"].origin, found["mine"].file) == ("experiments/mine.py", folder / "mine.py")
    assert found["response-noise"].origin == "built in"


def test_finding_loads_nothing(folder):
    (folder / "broken.py").write_text("raise SystemError('loaded')")
    assert "broken" in registry.find()
    with pytest.raises(SystemError, match="loaded"):
        registry.load(registry.get("broken"))
    assert registry.get("broken").module not in sys.modules


def test_name_of_the_file_is_that_of_the_experiment(folder):
    (folder / "two_words.py").write_text(source(name="two-words"))
    experiment = registry.load(registry.get("two-words"))
    assert (type(experiment).__name__, experiment.name) == ("Mine", "two-words")
    assert registry.source_file(experiment) == folder / "two_words.py"


def test_folder_of_the_same_name_elsewhere_is_another(folder, tmp_path, monkeypatch):
    (folder / "mine.py").write_text(source())
    assert registry.load(registry.get("mine")).number == "91"
    (tmp_path / "elsewhere" / "experiments").mkdir(parents=True)
    (tmp_path / "elsewhere" / "experiments" / "mine.py").write_text(source(number="92"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert registry.load(registry.get("mine")).number == "92"


def test_class_that_is_only_imported_does_not_count(folder):
    (folder / "mine.py").write_text(
        "from lakebatch.experiments.response_noise import *\nfrom lakebatch.experiments import response_noise\n"
        + source()
    )
    assert registry.load(registry.get("mine")).number == "91"


def test_name_of_a_built_in_experiment_cannot_be_taken(folder):
    (folder / "response_noise.py").write_text(source(name="response-noise"))
    with pytest.raises(
        NameClashError,
        match=r"Two experiments are called 'response-noise': built in and experiments/response_noise.py. Rename",
    ):
        registry.get("response-noise")


def test_name_of_a_package_cannot_be_taken(folder, installed):
    installed("mine", source())
    (folder / "mine.py").write_text(source())
    with pytest.raises(NameClashError, match=r"experiments/mine.py and package brought"):
        registry.find()


def test_experiment_of_an_installed_package_is_found(folder, installed):
    installed("fresh-one", source(name="fresh-one"))
    found = registry.get("fresh-one")
    assert (found.origin, found.module, found.file) == ("package brought", "brought_experiment", None)
    assert registry.load(found).name == "fresh-one"


def test_two_packages_cannot_bring_one_name(folder, installed):
    installed("fresh-one", source(name="fresh-one"))
    installed("fresh-one", source(name="fresh-one"), distribution="second")
    with pytest.raises(NameClashError, match="package second and package brought"):
        registry.find()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (source(name="yours"), r"Mine in experiments/mine.py is called 'yours'. Expected 'mine', after its file"),
        (source() + source(kind="More"), "must define one subclass of Experiment. Found: Mine, More"),
        ("", "experiments/mine.py must define one subclass of Experiment. Found: none"),
        (source(number="9"), "Mine.number is '9'. Expected two digits or more"),
        (source(number="x1"), "Mine.number is 'x1'"),
        (source(number="\u0663\u0663"), "Expected two digits or more"),
        (source(number="../33"), "Expected two digits or more"),
        (source(version="v\u00b2"), "Expected e.g. 'v1'"),
        (source(version="v1/.."), "Expected e.g. 'v1'"),
        (source(version="1"), "Mine.version is '1'. Expected e.g. 'v1'"),
        (source(version="vx"), "Mine.version is 'vx'"),
        (source().replace(", ConfigModel\n", ", dict\n"), "Mine.config_model must be a subclass of ConfigModel"),
        ("from lakebatch.experiment import Experiment\nclass Mine(Experiment):\n    name = 'mine'\n",
         "Mine in experiments/mine.py lacks number, version, config_model. Set them on the class"),
    ],
)  # fmt: skip
def test_file_that_breaks_the_contract_is_refused(folder, text, fault):
    (folder / "mine.py").write_text(text)
    with pytest.raises(ConfigError, match=fault):
        registry.load(registry.get("mine"))


def test_file_name_that_cannot_be_a_name_is_refused(folder):
    (folder / "Mine.py").write_text(source())
    with pytest.raises(ConfigError, match="'Mine' is not a valid experiment file name"):
        registry.find()


def test_mistyped_name_is_named_with_the_right_ones(folder):
    with pytest.raises(
        UnknownNameError, match=r"Unknown experiment 'response-nois'. Did you mean 'response-noise'\? Known: "
    ):
        registry.get("response-nois")


def test_experiment_that_has_changed_is_loaded_anew_with_what_stands_beside_it(toy, monkeypatch):
    """As a notebook expects, and a worker that outlives a run."""
    helper = Path("experiments/helpers/numbers_of_toy.py")
    helper.parent.mkdir()
    helper.write_text("NUMBER = 3\n")
    file = Path("experiments/toy.py")
    monkeypatch.syspath_prepend(helper.parent.absolute())
    text = file.read_text().replace("N_REPEATS = 3", "N_REPEATS = NUMBER")
    file.write_text(text.replace("import os\n", "import os\nfrom numbers_of_toy import NUMBER\n"))
    found = registry.get(toy)
    first = registry.load(found)
    assert type(registry.load(found)) is type(first)
    assert not registry.is_stale(found)
    times = (helper.stat().st_atime, helper.stat().st_mtime)
    helper.write_text("NUMBER = 4\n")  # of the same size and the same second, as Python sees it
    os.utime(helper, times)
    second = registry.load(found)
    assert type(second) is not type(first)
    assert sys.modules[type(second).__module__].N_REPEATS == 4


def test_experiment_is_what_its_file_says_whatever_was_compiled_of_an_earlier_one(toy):
    file = Path("experiments/toy.py")
    times = (file.stat().st_atime, file.stat().st_mtime)
    assert registry.load(registry.get(toy)).version == "v1"
    del sys.modules["_experiments_toy"]  # as in another process
    file.write_text(file.read_text().replace('version = "v1"', 'version = "v2"'))
    os.utime(file, times)
    assert registry.load(registry.get(toy)).version == "v2"


def test_built_in_code_that_has_changed_is_known_to_be_stale(monkeypatch):
    found = registry.get("response-noise")
    registry.load(found)
    assert not registry.is_stale(found)
    monkeypatch.setitem(registry._loaded, found.module, "0")
    assert registry.is_stale(found)


def test_loading_one_experiment_leaves_another_of_the_folder_loaded(toy):
    file = Path("experiments/toy.py")
    Path("experiments/other.py").write_text(file.read_text().replace('name = "toy"', 'name = "other"'))
    first = registry.load(registry.get(toy))
    registry.load(registry.get("other"))
    assert registry.source_file(first) == file.absolute()
    assert type(registry.load(registry.get(toy))) is type(first)
