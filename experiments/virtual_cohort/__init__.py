"""A virtual cohort: patients of a signalling network, simulated together."""

from .antimony import to_antimony
from .cohort import Cohort, generate_cohort
from .config import (
    CohortConfig,
    CohortModelConfig,
    DrugConfig,
    NetworkConfig,
    ParameterConfig,
    SimulationConfig,
)
from .network import NetworkModel, build_network
from .parameters import distort_parameters, draw_parameters, nominal_values, parameter_names
from .sbml_config import SbmlConfig
from .simulation import simulate
from .stimulus_config import ScheduleConfig, StimulusConfig

__all__ = [
    "Cohort",
    "CohortConfig",
    "CohortModelConfig",
    "DrugConfig",
    "NetworkConfig",
    "NetworkModel",
    "ParameterConfig",
    "SbmlConfig",
    "ScheduleConfig",
    "SimulationConfig",
    "StimulusConfig",
    "build_network",
    "distort_parameters",
    "draw_parameters",
    "generate_cohort",
    "nominal_values",
    "parameter_names",
    "simulate",
    "to_antimony",
]
