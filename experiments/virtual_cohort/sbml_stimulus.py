"""The stimuli of a custom model: what they may change, and how the model is made to change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakebatch.errors import ConfigError

from .config import SimulationConfig
from .sbml_document import elements, event_variables, parse, require_priorities
from .sbml_edits import Editor
from .sbml_model import SbmlModel, compile_again, has_events
from .stimulus_changes import Change, plan_changes
from .stimulus_config import AnyStimulus, ScheduleConfig, StimulusConfig

ASSIGNMENT_RULE, RATE_RULE, EVENT = "an assignment rule", "a rate rule", "an event"
EXPECTED = {
    "step": "a parameter that no rule or event changes",
    "value": "for a value a parameter or boundary species that no rule or event changes",
    "dose": "for a dose a species without assignment rule, or a parameter with a rate rule",
    "infusion": "for an infusion a species that reactions can change, or what has a rate rule",
}
NOTHING = Change(0.0, {}, {}, {})


@dataclass(frozen=True)
class SetStimulus:
    """The stimuli of a compiled model.

    In a model without events, they are set between spans of integration; in one with events they are the first
    of its events, so that they trigger the others.

    Attributes
    ----------
    changes : mapping of float to Change
        By their times, what is set between spans of integration; none in a model with events.
    infusions : mapping of str to str
        Parameter that holds the rate of infusion into a target.
    symbols : mapping of str to str
        By the name of a target that takes values, what libRoadRunner calls the quantity.
    initial_values : mapping of str to float
        Of parameters before the step of a stimulus.
    """

    changes: Mapping[float, Change]
    infusions: Mapping[str, str]
    symbols: Mapping[str, str]
    initial_values: Mapping[str, float]

    @property
    def times(self) -> list[float]:
        """The times between spans of integration."""
        return list(self.changes)

    def own_values(self, model: Any) -> dict[str, float]:
        """Return the values that targets have at the start of a patient, by their symbols."""
        return {symbol: model.getValue(symbol) for symbol in self.symbols.values()}

    def apply(self, model: Any, time: float, own_values: Mapping[str, float]) -> None:
        """Change the model at a time between spans of integration."""
        change = self.changes.get(time, NOTHING)
        for name, value in change.values.items():
            self._set_value(model, name, value, own_values)
        for name, rate in change.rates.items():
            model.setValue(self.infusions[name], rate)
        for name, dose in change.doses.items():
            model.setValue(name, model.getValue(name) + dose)

    def _set_value(self, model: Any, name: str, value: float | None, own_values: Mapping[str, float]) -> None:
        if value is None:
            model.setValue(self.symbols[name], own_values[self.symbols[name]])
        else:
            model.setValue(f"[{name}]" if name in model.getBoundarySpeciesIds() else name, value)

    def as_events(self, document: str) -> str:
        """Return the document of the model with all changes as events, for other programs.

        Raises
        ------
        ConfigError
            If its level of SBML cannot have them.
        """
        editor = Editor(parse(document))
        editor.add_events(self.changes.values(), self.infusions)
        return editor.text()


def set_stimuli(
    model: SbmlModel, stimuli: Sequence[AnyStimulus], span: SimulationConfig
) -> tuple[SbmlModel, SetStimulus]:
    """Return a model whose targets can be changed, and how they are.

    Raises
    ------
    ConfigError
        If the model lacks a target, or a target cannot be changed in this way; or if the model has events, and
        its stimuli cannot be events too.
    """
    for stimulus in stimuli:
        _require_target(model, stimulus)
    changes = plan_changes(stimuli, span)
    editor = Editor(parse(model.document))
    infused = {name: None for change in changes for name in change.rates}
    infusions = {name: editor.add_infusion(name) for name in infused}
    if changes and has_events(model):
        _require_start_at_zero(span)
        require_priorities(editor.root)
        editor.add_events(changes, infusions)
    valued = {name: None for change in changes for name in change.values}
    found = SetStimulus(
        {} if has_events(model) else {change.time: change for change in changes},
        infusions,
        {name: editor.symbol(name) for name in valued},
        {each.parameter: each.before for each in stimuli if isinstance(each, StimulusConfig)},
    )
    return (compile_again(model, editor.text()) if editor.changed else model), found


def _require_start_at_zero(span: SimulationConfig) -> None:
    if span.start != 0:
        raise ConfigError(
            f"Config key 'simulation.start' is {span.start:g}, and the model has events, which its stimulus can "
            "trigger from time 0 on only. Expected 0."
        )


def _require_target(model: SbmlModel, stimulus: AnyStimulus) -> None:
    """Raise if a target cannot be changed as a stimulus says."""
    step = isinstance(stimulus, StimulusConfig)
    infused = any(end > begin for begin, end in stimulus.spans)
    what = "step" if step else "value" if stimulus.kind == "value" else "infusion" if infused else "dose"
    possible = _possible_targets(model)[what]
    if stimulus.target not in possible:
        raise ConfigError(
            f"Config key 'sbml.stimulus.{'parameter' if step else 'target'}' has {stimulus.target!r}"
            f"{_reason(model, stimulus.target)}. Expected {EXPECTED[what]}: {', '.join(possible) or 'none'}."
        )
    if what == "value" and stimulus.target in model.runner.model.getBoundarySpeciesIds():
        _require_concentration(stimulus)


def _require_concentration(stimulus: AnyStimulus) -> None:
    """Raise if a species would get a negative concentration."""
    if isinstance(stimulus, ScheduleConfig) and stimulus.value is not None and stimulus.value < 0:
        raise ConfigError(
            f"Config key 'sbml.stimulus.value' of {stimulus.target} is {stimulus.value:g}. Expected a concentration, 0 "
            "or above."
        )


def _possible_targets(model: SbmlModel) -> dict[str, list[str]]:
    """Return the targets of each kind of stimulus."""
    runner, changes = model.runner.model, _changes(model)
    floating, boundary = runner.getFloatingSpeciesIds(), runner.getBoundarySpeciesIds()
    parameters = _declared_parameters(model)
    ruled = [name for name in (*boundary, *parameters) if changes.get(name) == RATE_RULE]
    reacting, fed = (
        [name for name in names if changes.get(name) != ASSIGNMENT_RULE] for names in (floating, boundary)
    )
    return {
        "step": list(model.parameters),
        "value": [name for name in (*parameters, *boundary) if name not in changes],
        "dose": [*reacting, *fed, *(name for name in ruled if name not in fed)],
        "infusion": [*reacting, *ruled],
    }


def _declared_parameters(model: SbmlModel) -> list[str]:
    """Return the parameters of a model; those of libRoadRunner include stoichiometries."""
    declared = {each.get("id", each.get("name")) for each in elements(parse(model.document), "parameter")}
    return [name for name in model.runner.model.getGlobalParameterIds() if name in declared]


def _changes(model: SbmlModel) -> dict[str, str]:
    """Return what changes a name, besides reactions."""
    runner = model.runner
    return {
        **dict.fromkeys(event_variables(parse(model.document)), EVENT),
        **dict.fromkeys(runner.getRateRuleIds(), RATE_RULE),
        **dict.fromkeys(runner.getAssignmentRuleIds(), ASSIGNMENT_RULE),
    }


def _reason(model: SbmlModel, target: str) -> str:
    """Return why a target cannot be changed, as a part of a sentence."""
    runner, changes = model.runner.model, _changes(model)
    kinds = {
        "a species that reactions can change": runner.getFloatingSpeciesIds(),
        "a boundary species": runner.getBoundarySpeciesIds(),
        "a compartment": runner.getCompartmentIds(),
        "a reaction": runner.getReactionIds(),
        "a parameter": _declared_parameters(model),
        "a stoichiometry": runner.getGlobalParameterIds(),
    }
    kind = next((kind for kind, names in kinds.items() if target in names), None)
    if kind is None:
        return ", which the model does not have"
    by = f"{' and' if 'that' in kind else ' that'} {changes[target]} changes" if target in changes else ""
    return f", {kind}{by}"
