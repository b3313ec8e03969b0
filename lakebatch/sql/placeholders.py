"""Placeholders of named queries, such as ``{{metric}}``, replaced by the columns that an experiment declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from lakebatch.assembly.metrics import Metric, Roles
from lakebatch.errors import ConfigError, IncompleteError, UnknownNameError
from lakebatch.sql.catalog import quote_identifier, string_literal

PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
NO_GROUPS = ("config_hash",)
"""The groups in SQL of an experiment that declares none: ``lake.results`` has this column."""
METRIC = "metric"
# The parameter that chooses the metric: bound only where the statement has it beside the placeholder
PARAMETER, COMMENT = re.compile(rf"\${METRIC}\b"), re.compile("--.*")


def is_needed(text: str) -> bool:
    """Whether a query has placeholders.

    >>> is_needed("SELECT {{metric}} FROM t"), is_needed("SELECT {'a': {'b': 1}}")
    (True, False)
    """
    return PLACEHOLDER.search(text) is not None


def fill(name: str, text: str, roles: Roles, values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a query with columns in place of its placeholders, and the parameters that are left to bind.

    Every name is that of a declared column and is quoted, so a parameter never becomes a part of the statement.

    Raises
    ------
    ConfigError
        If there is no such placeholder.
    UnknownNameError
        If the experiment has no such metric.
    IncompleteError
        If the query needs a baseline and the experiment declares none.
    """
    asked = values.get(METRIC)
    try:
        metric = roles.metric(None if asked is None else str(asked))
    except UnknownNameError as error:
        raise UnknownNameError(f"Query {name!r}: {error}") from None

    def column(match: re.Match[str]) -> str:
        return _text(name, match[1], roles, metric)

    filled = PLACEHOLDER.sub(column, text)
    is_bound = PARAMETER.search(COMMENT.sub("", filled)) is not None
    return filled, {key: value for key, value in values.items() if is_bound or key != METRIC}


def _text(query: str, placeholder: str, roles: Roles, metric: Metric) -> str:
    if placeholder not in TEXTS:
        known = ", ".join(sorted(TEXTS))
        raise ConfigError(
            f"Query {query!r} has the unknown placeholder {{{{{placeholder}}}}}. Known: {known}."
        )
    if placeholder.startswith("baseline") and roles.axis.baseline is None:
        raise IncompleteError(
            f"Query {query!r} needs a baseline, and the experiment declares none. Set baseline = ... in its class, to one "
            f"of the {roles.axis.plural}, and run it once more."
        )
    return TEXTS[placeholder](roles, metric)


def _groups(roles: Roles) -> list[str]:
    return [quote_identifier(name) for name in roles.groups or NO_GROUPS]


def _baseline(roles: Roles) -> str:
    value = roles.axis.baseline
    if isinstance(value, bool):
        return str(value).lower()
    return repr(float(value)) if isinstance(value, int | float) else string_literal(str(value))


def _summary(roles: Roles, metric: Metric) -> str:
    """Return the mean and spread of the metric, and the mean of the next one."""
    column, end = quote_identifier(metric.name), metric.short
    functions = {"mean": "avg", "std": "stddev_samp", "min": "min", "max": "max"}
    found = [f"{function}({column}) AS {word}_{end}" for word, function in functions.items()]
    after = roles.metrics[roles.metrics.index(metric) + 1 :][:1]
    return ", ".join(
        [*found, *(f"avg({quote_identifier(each.name)}) AS mean_{each.short}" for each in after)]
    )


TEXTS: dict[str, Callable[[Roles, Metric], str]] = {
    "metric": lambda _, metric: quote_identifier(metric.name),
    "higher_is_better": lambda _, metric: str(metric.higher_is_better).lower(),
    "summary": _summary,
    "axis": lambda roles, _: quote_identifier(roles.axis.name),
    "axis_values": lambda roles, _: string_literal(roles.axis.plural),
    "baseline": lambda roles, _: _baseline(roles),
    "baseline_text": lambda roles, _: string_literal(roles.axis.at(roles.axis.baseline)),
    "groups": lambda roles, _: ", ".join(_groups(roles)),
    "groups_reversed": lambda roles, _: ", ".join(reversed(_groups(roles))),
    "group": lambda roles, _: _groups(roles)[0],
    "last_group": lambda roles, _: _groups(roles)[-1],
    "other_groups": lambda roles, _: ", ".join(["''", *_groups(roles)[1:]]),
}
"""The SQL of each placeholder."""
