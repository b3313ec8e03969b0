"""Custom models that libRoadRunner would read as another model, or cannot repeat, are refused."""

from __future__ import annotations

import antimony
import pytest

from lakebatch.errors import ConfigError
from lakebatch.experiments.virtual_cohort.sbml_model import load_model

LEVEL_3 = "http://www.sbml.org/sbml/level3/version1"
SUBMODELS = """
model inner()
  species S; S -> ; k * S; k = 0.5; S = 10
end
model outer()
  A: inner(); species S, Y; S = 10; Y = 0; A.S is S; -> Y; S
end"""


def sbml(package="comp", required="true", body=""):
    """Return an SBML document that declares a package."""
    head = f'<sbml xmlns="{LEVEL_3}/core" xmlns:p="{LEVEL_3}/{package}/version1" level="3" version="1"'
    return f'{head} p:required="{required}"><model>{body}</model></sbml>'


def refusal(text):
    """Return the reason why a model is refused."""
    with pytest.raises(ConfigError) as caught:
        load_model(text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_sbml_with_submodels_is_refused_with_the_way_to_flatten_it(tmp_path):
    antimony.clearPreviousLoads()
    antimony.loadAntimonyString(SUBMODELS)
    (tmp_path / "outer.xml").write_text(antimony.getCompSBMLString("outer"))
    reason = refusal((tmp_path / "outer.xml").read_text())
    assert "it has submodels (SBML comp); write it as one model with roadrunner.RoadRunner(PATH)" in reason
    import roadrunner

    flat = roadrunner.RoadRunner(str(tmp_path / "outer.xml")).getCurrentSBML()
    assert load_model(flat).runner.simulate(0, 10, 2)[-1].tolist() == pytest.approx(
        [10, 0.067, 19.87], rel=1e-2
    )


def test_submodels_of_antimony_are_read():
    assert load_model(SUBMODELS).runner.simulate(0, 10, 2)[-1].tolist() == pytest.approx(
        [10, 0.067, 19.87], rel=1e-2
    )


def test_required_package_that_is_not_read_is_refused():
    assert "it needs the SBML package spatial, which libRoadRunner does not read" in refusal(sbml("spatial"))
    assert load_model(sbml("layout", required="false")).form_names == ()
    assert load_model(sbml("comp")).form_names == ()


@pytest.mark.parametrize(
    "text",
    [
        "A -> B; k * A; k = 0.1; A = 10; B = 0; at (time > 5): B = B + uniform(0, 10)",
        "A -> B; k * A; k = normal(1, 0.3); A = 10; B = 0",
        "A -> B; k * A; k = 1; A = 10; B = 0; A = poisson(2)",
    ],
)
def test_random_draws_are_refused(text):
    assert "it draws random numbers, and rows must be the same" in refusal(text)


def test_uncertainty_of_a_value_is_no_random_draw():
    assert load_model("A -> B; k * A; k = 1; A = 10; B = 0; A.mean = 2; A.stdev = 3").form_names == ("A", "B")


def test_random_draw_in_an_annotated_function_is_refused():
    distribution = '<distribution xmlns="http://sbml.org/annotations/distribution" definition="http://x"/>'
    function = f'<functionDefinition id="f"><annotation>{distribution}</annotation></functionDefinition>'
    body = f"<listOfFunctionDefinitions>{function}</listOfFunctionDefinitions>"
    assert "it draws random numbers" in refusal(sbml(body=body))
