"""Experiments found by name: built in, in folders, in packages."""

import ast
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lakebatch.errors import ConfigError, NameClashError, UnknownNameError
from lakebatch.experiment import outline, registry
from lakebatch.experiment.installed import version
from lakebatch.experiment.scaffold import new_experiment

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


def test_custom_folder_is_searched_beside_the_built_in_one(folder):
    (folder / "mine.py").write_text(source())
    (folder / "_helper.py").write_text("raise SystemError")
    found = registry.find()
    assert {"mine", "expression-noise", "parameter-distortion", "response-noise"} <= found.keys()
    assert list(found) == sorted(found)
    assert (found["mine"].origin, found["mine"].file) == ("experiments/mine.py", folder / "mine.py")
    assert found["response-noise"].origin == "built in"


def test_package_installed_and_removed_meanwhile_is_noticed(folder, tmp_path, monkeypatch):
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    assert "mine" not in registry.find()
    assert version("brought") is None
    information = site / "brought-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: brought\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[lakebatch.experiments]\nmine = brought\n")
    assert registry.find()["mine"].origin == "package brought"
    assert version("brought") == "1.0"
    shutil.rmtree(information)
    assert "mine" not in registry.find()
    assert version("brought") is None


def test_search_loads_no_experiment(folder):
    (folder / "broken.py").write_text("raise SystemError('loaded')\n" + source(name="broken"))
    assert "broken" in registry.find()
    with pytest.raises(SystemError, match="loaded"):
        registry.load(registry.get("broken"))
    assert registry.get("broken").module not in sys.modules


def test_file_name_is_the_name_of_the_experiment(folder):
    (folder / "two_words.py").write_text(source(name="two-words"))
    experiment = registry.load(registry.get("two-words"))
    assert (type(experiment).__name__, experiment.name) == ("Mine", "two-words")
    assert registry.source_file(experiment) == folder / "two_words.py"


def test_folder_of_the_same_name_elsewhere_is_loaded_separately(folder, tmp_path, monkeypatch):
    (folder / "mine.py").write_text(source())
    assert registry.load(registry.get("mine")).number == "91"
    (tmp_path / "elsewhere" / "experiments").mkdir(parents=True)
    (tmp_path / "elsewhere" / "experiments" / "mine.py").write_text(source(number="92"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert registry.load(registry.get("mine")).number == "92"


def test_imported_class_is_no_experiment_of_the_file(folder):
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


def test_two_packages_cannot_provide_the_same_name(folder, installed):
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


def test_invalid_file_name_is_refused_when_requested(folder):
    (folder / "Mine.py").write_text(source())
    for name in ("Mine", "Mine.py"):
        with pytest.raises(ConfigError, match="'Mine' is not a valid experiment file name"):
            registry.get(name)


def test_foreign_files_are_left_out_with_one_warning(folder, tmp_path):
    (folder / "mine.py").write_text(source())
    for name in ("Train_v2.py", "my model.py", "train.py", "net.py"):
        (folder / name).write_text("class Net(Base):\n    name = 'x'\n")
    for name in ("__init__.py", ".hidden.py", "_helper.py", "notes.ipynb"):
        (folder / name).write_text("raise SystemError")
    (folder / "package").mkdir()
    (folder / "folder.py").mkdir()
    (folder / "link.py").symlink_to(tmp_path / "nowhere")
    (folder / "loop.py").symlink_to("loop.py")
    os.mkfifo(folder / "pipe.py")
    named = (
        r"Train_v2.py \(its name\), folder.py \(Is a directory\), link.py \(a link to nothing\) and 5 more"
    )
    warning = (
        rf"^Left out of ./experiments: {named}\. A file whose name begins with _ is passed over in silence\.$"
    )
    with pytest.warns(UserWarning, match=warning) as warned:
        found = registry.find()
    assert "mine" in found
    assert not {"train", "net", "folder", "link", "pipe"} & found.keys()
    assert len(warned) == 1
    with pytest.warns(UserWarning, match=warning):
        assert registry.load(registry.get("response-noise")).name == "response-noise"


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("my model", "'my model' is not a valid experiment file name"),
        ("folder", "Cannot read experiments/folder.py: Is a directory"),
        ("link", "Cannot read experiments/link.py: a link to nothing"),
        ("loop", "Cannot read experiments/loop.py: Too many levels of symbolic links"),
        ("pipe", "Cannot read experiments/pipe.py: it is not a regular file"),
        ("large", r"Cannot read experiments/large.py: it has more than 4 MB"),
    ],
)
def test_foreign_file_is_refused_in_one_line_when_requested(folder, tmp_path, name, fault):
    (folder / "my model.py").touch()
    (folder / "folder.py").mkdir()
    (folder / "link.py").symlink_to(tmp_path / "nowhere")
    (folder / "loop.py").symlink_to("loop.py")
    os.mkfifo(folder / "pipe.py")
    (folder / "large.py").write_bytes(b"#" * 5_000_000)
    with pytest.raises(ConfigError, match=f"^{fault}"):
        registry.get(name)


def test_script_without_experiment_is_not_executed(folder):
    (folder / "train.py").write_text("raise SystemError('run')")
    with pytest.raises(
        ConfigError, match=r"experiments/train.py must define one subclass of Experiment. Found: none"
    ):
        registry.load(registry.get("train"))


@pytest.mark.parametrize(
    "text",
    [
        "import lakebatch.experiments.response_noise as r\nclass Mine(r.ResponseNoise):\n    name, number = 'mine', '91'\n",
        "import lakebatch.experiment as e\nclass Mine(e.Experiment[e.ConfigModel, None]): pass\n",
        "if True:\n    class Mine(Base):\n        name: str = 'mine'\n        version: str = 'v1'\n",
        "\ufeffclass Mine(Experiment): pass\n",
        "class Mine(Experiment: syntax error\n",
    ],
)
def test_experiment_is_recognised_by_its_source(folder, text):
    (folder / "mine.py").write_text(text)
    assert "mine" in registry.find()


def test_class_derived_from_a_custom_base_is_loaded_when_requested(folder):
    text = "from lakebatch.experiment import Experiment as Base\n" + source().replace("Experiment)", "Base)")
    (folder / "mine.py").write_text(
        text.replace("name, number, version, config_model", "Mine_, number, version, config_model")
    )
    with pytest.raises(ConfigError, match=r"lacks name\."):
        registry.load(registry.get("mine"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("import no_such_package\nclass Mine(Experiment): ...", r"No module named 'no_such_package'"),
        ("class Mine(Experiment: ...", r"invalid syntax.*line 1"),
        ("class Mine(Experiment): ...\0", "null bytes"),
        ("raise SystemExit(0)\nclass Mine(Experiment): ...", "it ends the program"),
    ],
)
def test_file_that_cannot_be_loaded_is_one_line_when_requested(folder, text, fault):
    (folder / "mine.py").write_text(text)
    registry.load(registry.get("response-noise"))
    with pytest.raises(ConfigError, match=rf"^Cannot load experiments/mine.py: .*{fault}"):
        registry.load(registry.get("mine"))


def test_package_with_an_invalid_experiment_name_is_left_out(folder, installed):
    installed("Bad_Name", source())
    with pytest.warns(UserWarning, match=r"^Left out of package brought: 'Bad_Name'"):
        assert "response-noise" in registry.find()


def test_free_number_is_found_beside_files_that_cannot_be_loaded(folder):
    (folder / "mine.py").write_text("import no_such_package\nclass Mine(Experiment):\n    number = '10'\n")
    assert 'number = "11"' in new_experiment("fresh", folder.parent).read_text()


def test_mistyped_name_lists_the_known_ones(folder):
    with pytest.raises(
        UnknownNameError, match=r"Unknown experiment 'response-nois'. Did you mean 'response-noise'\? Known: "
    ):
        registry.get("response-nois")


def test_changed_experiment_is_reloaded_with_modules_beside_it(toy, monkeypatch):
    """As needed in notebooks, and in workers that outlive a run."""
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
    helper.write_text("NUMBER = 4\n")  # same size and same second, the key of Python's bytecode cache
    os.utime(helper, times)
    second = registry.load(found)
    assert type(second) is not type(first)
    assert sys.modules[type(second).__module__].N_REPEATS == 4


def test_stale_bytecode_of_an_experiment_is_ignored(toy):
    file = Path("experiments/toy.py")
    times = (file.stat().st_atime, file.stat().st_mtime)
    assert registry.load(registry.get(toy)).version == "v1"
    del sys.modules["_experiments_toy"]  # as in another process
    file.write_text(file.read_text().replace('version = "v1"', 'version = "v2"'))
    os.utime(file, times)
    assert registry.load(registry.get(toy)).version == "v2"


def test_changed_built_in_code_is_stale(monkeypatch):
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


def test_source_is_parsed_again_after_a_fault_of_the_interpreter(monkeypatch):
    """Python 3.11 raises SystemError if another thread parses at the same time."""
    parse, calls = ast.parse, []

    def parse_beside_another_thread(*arguments, **options):
        calls.append(arguments)
        if len(calls) < 3:
            raise SystemError("AST constructor recursion depth mismatch (before=171, after=222)")
        return parse(*arguments, **options)

    monkeypatch.setattr(ast, "parse", parse_beside_another_thread)
    assert [each.name for each in outline.classes(b"class A(B): ...")] == ["A"]
    assert len(calls) == 3


def test_threads_that_load_one_file_at_once_all_get_its_experiment(folder):
    (folder / "mine.py").write_text(
        "import time\n" + source().replace("\nclass", "\ntime.sleep(0.3)\n\nclass")
    )
    with ThreadPoolExecutor(4) as threads:
        loaded = list(threads.map(lambda _: registry.load(registry.get("mine")), range(4)))
    assert len({type(each) for each in loaded}) == 1
