"""What an experiment, its axis and its groups mean, in the words of its code and its tables."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from lakebatch.analysis.data import AnalysisData
from lakebatch.analysis.wording import free
from lakebatch.assembly.metrics import with_unit
from lakebatch.assembly.record import Assembly
from lakebatch.assembly.sources import Files
from lakebatch.errors import LakebatchError
from lakebatch.experiment import outline, registry
from lakebatch.experiment.contract import ConfigModel
from lakebatch.experiment.provenance import SOURCE_HASH
from lakebatch.experiment.registry import AnyExperiment

BACKTICKS = re.compile(r"`+([^`]*)`+")


@dataclass(frozen=True)
class Meaning:
    """Descriptions of one experiment.

    Attributes
    ----------
    question : str
        The first paragraph of its file; empty without one.
    summary : str
        The first paragraph of its class; empty without one.
    axis : str
        The meaning of a value of its axis.
    values : mapping
        The meaning of values of its groups, by column and value.
    """

    question: str
    summary: str
    axis: str
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def meaning(data: AnalysisData) -> Meaning:
    """Return the descriptions of an experiment: from its code, or from the recorded source if the code is not here."""
    axis = data.roles.axis
    declared = data.columns.get(axis.name)
    comment = declared.comment if declared else ""
    try:
        experiment = registry.load(registry.get(data.qualified_name))
    except LakebatchError:
        return Meaning(*recorded_texts(data.records, data.source_files, data.experiment), comment)
    key = config_help(experiment.config_model, axis.name)
    values = {free(name): texts for name, texts in experiment.meanings.items()}
    return Meaning(*_texts(experiment), key or comment, values)


def config_help(model: type[ConfigModel], axis: str) -> str:
    """Return the help of the config key with the values of an axis, named as it or its plural; empty without one."""
    for key in (axis, f"{axis}s"):
        if key in model.model_fields:
            found = model.model_fields[key]
            extra = found.json_schema_extra if isinstance(found.json_schema_extra, dict) else {}
            text = (found.description or "").rstrip(".")
            return f"{with_unit(text, str(extra.get('unit', '1')))}." if text else ""
    return ""


def paragraph(docstring: str | None) -> str:
    """Return the first paragraph of a docstring as one line without markup.

    >>> paragraph('How does ``x`` degrade?\\n\\nMore.')
    'How does x degrade?'
    """
    first = inspect.cleandoc(docstring or "").partition("\n\n")[0]
    return BACKTICKS.sub(r"\1", " ".join(first.split()))


def _texts(experiment: AnyExperiment) -> tuple[str, str]:
    kind = type(experiment)
    module = sys.modules.get(kind.__module__)
    # the text of a notebook's or a script's module is not that of the class
    question = "" if module is None or kind.__module__ == "__main__" else module.__doc__
    return paragraph(question), paragraph(kind.__doc__)


def recorded_texts(
    assemblies: Sequence[Assembly], source_files: Callable[[str], Files | None], name: str
) -> tuple[str, str]:
    """Return the texts of the file and the class of an experiment in the newest recorded source; empty without any."""
    for each in reversed(assemblies):
        files = source_files(str(each.surroundings.get(SOURCE_HASH, ""))) or {}
        for kept in files.values():
            for found in _written_texts(kept.text or "", name):
                return found
    return "", ""


def _written_texts(text: str, name: str) -> Iterator[tuple[str, str]]:
    """Yield the texts of a file and of its class if it defines an experiment of a name."""
    with suppress(SyntaxError):
        for node in outline.classes(text.encode()):
            if outline.is_experiment(node) and name in map(_string, ast.walk(node)):
                whole = ast.get_docstring(ast.parse(text))
                yield paragraph(whole), paragraph(ast.get_docstring(node))


def _string(node: ast.AST) -> object:
    return node.value if isinstance(node, ast.Constant) else None
