"""Modules that a recorded config may import, and files that a model's text may read."""

import subprocess
import sys

import pytest

import lakebatch
from lakebatch.errors import ConfigError
from lakebatch.experiment import registry
from lakebatch.experiment.config import from_record, importable
from lakebatch.maintenance.repair.computing import CannotComputeError, check_computable
from lakebatch.runner.verify import verify

HOSTILE = [
    "antigravity.x",
    "os.system",
    "subprocess.Popen",
    "webbrowser.open",
    "this.s",
    "builtins.eval",
    "sklearnx.Ridge",
]
SMALL = ["cohort.n_samples=12", "evaluation.n_reps=1", "levels=[0.0]", 'evaluation.feature_sets=["initial"]']
REGRESSOR = """
from sklearn.linear_model import LinearRegression
class Mine(LinearRegression):
    pass
"""


def record(path):
    return {"evaluation": {"models": [{"name": "mine", "path": path}]}}


@pytest.fixture
def noise():
    """Return the source and the config model of an experiment that trains models."""
    source = registry.get("response-noise")
    return source, registry.load(source).config_model


@pytest.mark.parametrize("path", HOSTILE)
def test_module_named_by_a_record_is_refused_before_its_import(noise, path, monkeypatch):
    source, model = noise
    asked = []
    monkeypatch.setattr("lakebatch.experiments.prediction.models.import_module", asked.append)
    with pytest.raises(ConfigError, match=r"set in lakebatch\.toml: models = \['") as caught:
        from_record(model, record(path), imports=importable(source))
    assert repr(path) in str(caught.value)
    assert from_record(model, record(path)).evaluation.models[0].path == path  # all that a reader needs
    assert asked == []


def test_module_named_within_the_arguments_of_a_record_is_refused_before_its_import(noise):
    source, model = noise
    within = {"estimator": {"path": "antigravity.x"}}
    steps = {"steps": [["a", {"path": "sklearn.pipeline.Pipeline", "arguments": within}]]}
    tree = record("sklearn.pipeline.Pipeline")
    tree["evaluation"]["models"][0]["arguments"] = steps
    with pytest.raises(ConfigError, match=r"names 'antigravity\.x', and code that a record names"):
        from_record(model, tree, imports=importable(source))
    assert from_record(model, tree).evaluation.models[0].arguments == steps


def test_record_may_name_scikit_learn_and_the_experiments_own_code(noise):
    source, model = noise
    for path in (
        "sklearn.linear_model.Ridge",
        "lakebatch.experiments.prediction.neural_network.QuickMLPRegressor",
    ):
        from_record(model, record(path), imports=importable(source))
    with pytest.raises(ConfigError, match="expected a regressor class"):
        from_record(model, record("sklearn.svm.SVC"), imports=importable(source))


def test_custom_experiment_may_name_only_its_own_module(toy):
    assert importable(registry.get(toy)) == ["sklearn", "lakebatch.experiments", "_experiments_toy"]


@pytest.mark.parametrize("named", ["'mine'", "[1]", "[['mine']]", "{a = 1}", "['']"])
def test_malformed_allow_list_is_refused(toy, tmp_path, named):
    (tmp_path / "lakebatch.toml").write_text(f"models = {named}\n")
    with pytest.raises(ConfigError, match=r"'models' in .*lakebatch.toml is .* Expected a list of packages"):
        importable(registry.get(toy))


def test_assembly_with_a_custom_regressor_needs_permission_to_verify_only(tmp_path, monkeypatch):
    (tmp_path / "my_models.py").write_text(REGRESSOR)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    lake = lakebatch.open_lake("lake")
    settings = [*SMALL, 'evaluation.models=[{name="mine", path="my_models.Mine"}]']
    run = lakebatch.run(lake, "response-noise", settings=settings, jobs=1).assembly_id
    assert lake["response-noise"].status(run) == "completed"
    del sys.modules["my_models"]
    lake["response-noise"].dataset(run, level=0.0, feature_set="initial")
    with pytest.raises(ConfigError, match=r"'my_models.Mine'.* models = \['my_models'\]"):
        verify(lake, "response-noise", run, jobs=1)
    stored = lake["response-noise"]
    with pytest.raises(CannotComputeError, match=r"'my_models.Mine'.* models = \['my_models'\]"):
        check_computable(stored, stored.log.get(run), ["level=0"])
    assert "my_models" not in sys.modules
    (tmp_path / "lakebatch.toml").write_text("models = ['my_models']\n")
    assert verify(lake, "response-noise", run, jobs=1).reproduced


IMPORTS = [
    'import "{}"',
    'import"{}"',
    'import\t /* a */ "{}"',
    'import\\\n"{}"',
    'import /* " */ /***/ "{}"',
    '/* " */ import "{}"',
]


@pytest.mark.parametrize("statement", IMPORTS)
def test_antimony_import_of_another_file_is_refused(tmp_path, statement):
    from lakebatch.experiments.virtual_cohort.sbml_model import load_model

    other = tmp_path / "other.ant"
    other.write_text("model other()\n Hidden = 5\nend\n")
    text = statement.format(other) + "\nmodel mine()\n x: other(); A -> B; k*A; k = 1; A = 1\nend\n"
    with pytest.raises(
        ConfigError, match="it imports another file, and a record must be whole without one"
    ) as caught:
        load_model(text)
    assert "Hidden" not in str(caught.value)


def test_antimony_that_only_looks_like_an_import_is_read():
    from lakebatch.experiments.virtual_cohort.sbml_model import load_model

    text = 'model m()\n // import of A\n A -> B; important*A; important = 1; A = 1; A is "import of A"\nend\n'
    assert load_model(text).form_names == ("A", "B")


def test_search_for_imports_is_fast():
    """Measured in processor time, which does not depend on load; an endless search hits the timeout."""
    script = (
        "import time\n"
        "from lakebatch.experiments.virtual_cohort.sbml_model import ANTIMONY_IMPORT as p\n"
        "begin = time.process_time()\n"
        "for text in ('import' + '/**/' * 10**5, 'import ' * 10**5, 'import' + ' ' * 10**5, 'import/*' * 2500):\n"
        "    assert not p.search(text)\n"
        "assert time.process_time() - begin < 3\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_sbml_reference_to_another_file_is_refused(tmp_path):
    from lakebatch.experiments.virtual_cohort.sbml_model import load_model

    head = '<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1" '
    comp = 'xmlns:comp="http://www.sbml.org/sbml/level3/version1/comp/version1" comp:required="true">'
    other = (
        '<comp:listOfExternalModelDefinitions><comp:externalModelDefinition comp:id="o" comp:source="o.xml"/>'
    )
    external = f"{head}{comp}<model/>{other}</comp:listOfExternalModelDefinitions></sbml>"
    with pytest.raises(ConfigError, match="it refers to a model in another file"):
        load_model(external)
    entity = f'<!DOCTYPE sbml [<!ENTITY e SYSTEM "file:///etc/passwd">]>{head}><model>&e;</model></sbml>'
    with pytest.raises(ConfigError, match="it has a document type, which SBML has not"):
        load_model(entity)


def test_character_unknown_to_antimony_is_one_line():
    from lakebatch.experiments.virtual_cohort.sbml_model import load_model

    with pytest.raises(ConfigError, match=r"cannot be simulated: .* Expected an SBML or Antimony model"):
        load_model("A -> B; k*A\u00a0; k = 1")
