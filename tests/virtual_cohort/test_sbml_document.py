"""Custom models that libRoadRunner would read as another model, or cannot repeat, are refused."""

from __future__ import annotations

import antimony
import numpy as np
import pytest

from lakebatch.errors import ConfigError
from lakebatch.experiments.virtual_cohort import SbmlConfig, SimulationConfig
from lakebatch.experiments.virtual_cohort.sbml_model import load_model
from lakebatch.experiments.virtual_cohort.sbml_simulator import build_sbml_simulator

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


STOICHIOMETRY_MATH = """<sbml xmlns="http://www.sbml.org/sbml/level2/version4" level="2" version="4"><model>
<listOfCompartments><compartment id="c" size="1"/></listOfCompartments>
<listOfSpecies><species id="A" compartment="c" initialConcentration="1"/><species id="B" compartment="c"
initialConcentration="0"/></listOfSpecies><listOfParameters><parameter id="p" value="1"/></listOfParameters>
<listOfReactions><reaction id="J"><listOfReactants><speciesReference species="A"/></listOfReactants>
<listOfProducts><speciesReference species="B"><stoichiometryMath><math xmlns="http://www.w3.org/1998/Math/MathML">
<ci>p</ci></math></stoichiometryMath></speciesReference></listOfProducts>
<kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML"><ci>A</ci></math></kineticLaw>
</reaction></listOfReactions></model></sbml>"""


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("A -> n B; k * A; n = 2 * p; p = 1; k = 0.1; A = 1; B = 0", "p"),
        ("A -> n B; k * A; n = 2 * m; m = q + 1; q := p; p = 1; k = 0.1; A = 1; B = 0", "p"),
        ("A -> n B; k * A; n = 2 * C; k = 0.1; A = 1; B = 0; C = 3; C ->; k * C", "C"),
        (STOICHIOMETRY_MATH, "p"),
    ],
)
def test_stoichiometry_that_follows_from_a_varied_value_is_refused(text, source):
    with pytest.raises(
        ConfigError, match=f"A stoichiometry of the model follows from {source}, which varies"
    ):
        build_sbml_simulator(SbmlConfig(model=text, outcome="B"), SimulationConfig())


def test_stoichiometry_that_follows_patients_is_simulated():
    text = "A -> n B; A; n := 2 * p; p = 1; C -> m B; C; m = 2; A = 1; B = 0; C = 0"
    config = SbmlConfig(model=text, outcome="B", inputs=("A",), parameters=("p",))
    simulator = build_sbml_simulator(config, SimulationConfig())
    assert simulator.simulate(np.array([[1.0], [3.0]]), np.ones((2, 1))).last("B").tolist() == pytest.approx(
        [2, 6]
    )
    fixed = SbmlConfig(model=STOICHIOMETRY_MATH, outcome="B", parameters=())
    assert build_sbml_simulator(fixed, SimulationConfig()).parameter_names == ()


@pytest.mark.parametrize("text", ["model q\n A -> B; k * A; k = 1; A = 10; B = 0\nend\n", STOICHIOMETRY_MATH])
def test_byte_order_mark_of_a_file_is_skipped(text):
    assert load_model(f"\ufeff{text}").form_names == ("A", "B")


LEVEL_1 = (
    '<sbml xmlns="http://www.sbml.org/sbml/level1" level="1" version="2"><model name="m"><listOfCompartments>'
    '<compartment name="c" volume="1"/></listOfCompartments><listOfSpecies><species name="A" compartment="c" '
    'initialAmount="2"/></listOfSpecies><listOfParameters><parameter name="k" value="5"/></listOfParameters>'
    '<listOfReactions><reaction name="J"><listOfReactants><speciesReference species="A"/></listOfReactants>'
    '<kineticLaw formula="{0} * A + 0 * k"><listOfParameters><parameter name="{0}" value="1"/></listOfParameters>'
    "</kineticLaw></reaction></listOfReactions></model></sbml>"
)


def test_sbml_level_1_is_read():
    for parameters, name in [("k", "J_k"), ("m", "J_m")]:
        simulator = build_sbml_simulator(
            SbmlConfig(model=LEVEL_1.format(parameters), outcome="A", inputs=("A",)), SimulationConfig(stop=1)
        )
        assert simulator.parameter_names == ("k", name)
        courses = simulator.simulate(np.array([[5.0, 1.0], [5.0, 2.0]]), np.array([[2.0], [3.0]]))
        assert courses.last("A").tolist() == pytest.approx([2 * np.exp(-1), 3 * np.exp(-2)], rel=1e-5)
    with pytest.raises(
        ConfigError, match="the parameters of the reaction J become J_k, which something else is"
    ):
        load_model(LEVEL_1.format("k").replace('"c"', '"J_k"'))


def test_events_with_notes_and_annotations_are_read():
    notes = '<notes><p xmlns="http://www.w3.org/1999/xhtml">A <b>note</b> &amp; more</p></notes>'
    rdf = '<annotation><x xmlns="urn:x" xmlns:y="urn:y" y:z="1"/></annotation>'
    antimony.clearPreviousLoads()
    antimony.loadAntimonyString("A -> ; A; A = 1; at (time > 1): A = 2; at (time > 1): A = 3")
    text = antimony.getSBMLString(antimony.getMainModuleName())
    begin, end = text.split("<event ", 1)
    head, tail = end.split(">", 1)
    model = load_model(f"{begin}<event {head}>{notes}{rdf}{tail}")
    assert model.runner.simulate(0, 2, 3)[-1].tolist() == pytest.approx([2, 3 * np.exp(-1)], rel=1e-4)


LOCAL = """<listOfCompartments><compartment id="c" size="1" constant="true"/></listOfCompartments><listOfSpecies>
<species id="{0}" compartment="c" initialConcentration="2" hasOnlySubstanceUnits="false" boundaryCondition="false"
constant="false"/></listOfSpecies><listOfReactions><reaction id="J" reversible="false" fast="false"><listOfReactants>
<speciesReference species="{0}" stoichiometry="1" constant="true"/></listOfReactants><kineticLaw>
<math xmlns="http://www.w3.org/1998/Math/MathML"><apply><times/><ci>k</ci><ci>{0}</ci></apply></math>
<listOfLocalParameters><localParameter id="k" value="1"/></listOfLocalParameters></kineticLaw></reaction>
</listOfReactions>"""


def test_parameter_of_a_reaction_that_would_take_an_id_is_refused():
    reason = refusal(sbml("layout", required="false", body=LOCAL.format("J_k")))
    assert "the parameter k of a reaction becomes J_k, which something else is called" in reason
    assert load_model(sbml("layout", required="false", body=LOCAL.format("B"))).parameters == {"J_k": 1.0}


def test_stoichiometry_that_nothing_changes_is_no_parameter():
    text = "A -> n B; k * A; n = 2; m = 3; m' = 1; B -> m C; B; k = 0.1; A = 1; B = 0; C = 0"
    model = load_model(text)
    assert (set(model.parameters), set(model.other_inputs)) == ({"k"}, set())


MATH = '<math xmlns="http://www.w3.org/1998/Math/MathML"><ci>k</ci></math>'
SPECIES = (
    '<species id="A" compartment="c" initialConcentration="1" hasOnlySubstanceUnits="false" boundaryCondition="false" '
    'constant="false"/>'
)
PARAMETER = '<parameter id="k" value="1" constant="true"/>'
REACTION = (
    '<reaction id="r" reversible="false" fast="false"><listOfReactants><speciesReference species="A" stoichiometry="1" '
    f'constant="true"/></listOfReactants><kineticLaw>{MATH}</kineticLaw></reaction>'
)
RULE = f'<assignmentRule variable="q">{MATH}</assignmentRule>'
EVENT = (
    '<event id="e" useValuesFromTriggerTime="true"><trigger initialValue="true" persistent="true"><math xmlns='
    '"http://www.w3.org/1998/Math/MathML"><true/></math></trigger><listOfEventAssignments><eventAssignment variable="q">'
    f"{MATH}</eventAssignment></listOfEventAssignments></event>"
)


def small_model(species=SPECIES, parameters=PARAMETER, rules="", reactions=REACTION, events=""):
    """Return a model with a species that decays, and with the elements that are given."""
    lists = {
        "listOfCompartments": '<compartment id="c" size="1" constant="true"/>',
        "listOfSpecies": species,
        "listOfParameters": parameters,
        "listOfRules": rules,
        "listOfReactions": reactions,
        "listOfEvents": events,
    }
    body = "".join(f"<{name}>{inside}</{name}>" for name, inside in lists.items() if inside)
    return f'<sbml xmlns="{LEVEL_3}/core" level="3" version="1"><model id="m">{body}</model></sbml>'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (small_model(species=2 * SPECIES), "2 of its elements have the id 'A'"),
        (small_model(species=SPECIES + SPECIES.replace('id="A"', 'id="c"')), "2 of its elements have the id 'c'"),
        (small_model(parameters=3 * PARAMETER), "3 of its elements have the id 'k'"),
        (small_model(reactions=2 * REACTION), "2 of its elements have the id 'r'"),
        (small_model(reactions=REACTION.replace('id="r"', 'id="A"')), "2 of its elements have the id 'A'"),
        (small_model(species=SPECIES + SPECIES.replace('id="A"', 'id=""')), "one of its elements has an empty id"),
        (small_model(reactions=REACTION.replace('species="A"', 'species="Z"')), "a reaction refers to 'Z', which it lacks"),
        (small_model(rules=RULE), "a rule refers to 'q', which it lacks"),
        (small_model(events=EVENT), "an event refers to 'q', which it lacks"),
        (small_model(parameters=PARAMETER.replace("k", "q") + PARAMETER, rules=2 * RULE), "2 rules determine 'q'"),
    ],
)  # fmt: skip
def test_ids_that_are_double_or_missing_are_refused(text, reason):
    """Of double ids libRoadRunner ends the process, and what refers to a missing one it leaves out."""
    assert reason in refusal(text)


def test_parameter_of_a_reaction_may_have_the_id_of_another_ones():
    local = "<listOfLocalParameters><localParameter id='k' value='2'/></listOfLocalParameters></kineticLaw>"
    reaction = REACTION.replace("</kineticLaw>", local)
    model = load_model(small_model(reactions=reaction + reaction.replace('id="r"', 'id="s"')))
    assert model.runner.simulate(0, 0.1, 2)[-1][1] == pytest.approx(0.6)
