"""What an experiment is, and how it is found, configured and identified."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from lakebatch.experiment.environment import environment_defaults

__all__ = [
    "ConfigModel", "Diagram", "Edge", "Experiment", "Frames", "Node", "Part", "Spread", "TimeAxis", "contained",
    "environment_defaults",
    "may_import", "setting",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Load the contract when one of its names is first used: it needs pydantic and numpy, and most commands do not."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "environment" if name == "environment_defaults" else "contract"
    return getattr(import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return __all__
