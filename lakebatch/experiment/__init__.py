"""What an experiment is, and how it is found, configured and identified."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakebatch.artifacts import Artifact, artifact
    from lakebatch.columns import Column, OwnTable
    from lakebatch.experiment.contract import (
        ConfigModel,
        Diagram,
        Edge,
        Experiment,
        Frames,
        Node,
        Part,
        Spread,
        TimeAxis,
        contained,
        setting,
    )  # fmt: skip
    from lakebatch.experiment.declare import column, metric, table
    from lakebatch.experiment.environment import environment_defaults
    from lakebatch.experiment.phases import report_phase

__all__ = [
    "Artifact", "Column", "ConfigModel", "Diagram", "Edge", "Experiment", "Frames", "Node", "OwnTable", "Part", "Spread",
    "TimeAxis", "artifact", "column", "contained", "environment_defaults", "may_import", "metric", "report_phase",
    "setting", "table",
]  # fmt: skip

HOME = {
    "Column": "lakebatch.columns",
    "OwnTable": "lakebatch.columns",
    **dict.fromkeys(("column", "metric", "table"), f"{__name__}.declare"),
    "Artifact": "lakebatch.artifacts",
    "artifact": "lakebatch.artifacts",
    "environment_defaults": f"{__name__}.environment",
    "report_phase": f"{__name__}.phases",
}
"""The modules of the names that are not in the contract."""


def __getattr__(name: str) -> Any:
    """Load the contract when one of its names is first used: it needs pydantic and numpy, and most commands do not."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOME.get(name, f"{__name__}.contract")), name)


def __dir__() -> list[str]:
    return __all__
