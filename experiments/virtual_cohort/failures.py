"""Patients that cannot be simulated: the error that names one, with its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lakebatch.errors import ExperimentError, SimulationError

MAX_SHOWN = 12
# values in a message; the file of the patient's model has all of them


def patient_error(patient: int, reason: str, values: Mapping[str, float]) -> SimulationError:
    """Return the error of a patient that cannot be simulated.

    Parameters
    ----------
    patient : int
        Its number in the cohort.
    reason : str
        A clause such as ``could not be integrated: ...``.
    values : mapping of str to float
        Its initial concentrations and parameters.

    Examples
    --------
    >>> print(patient_error(3, "could not be integrated", {"A": 10.0, "k": 0.25}))  # doctest: +ELLIPSIS
    Patient 3 could not be integrated. It has A = 10, k = 0.25. Raise simulation.max_steps, ...
    """
    shown = [f"{name} = {value:.6g}" for name, value in [*values.items()][:MAX_SHOWN]]
    more = len(values) - len(shown)
    listed = ", ".join(shown) + (f" and {more} more values" if more else "")
    return SimulationError(
        f"Patient {patient} {reason}. It has {listed}. Raise simulation.max_steps, loosen "
        'simulation.relative_tolerance, or set cohort.on_failure = "drop". All values of the clean patient: '
        f"lakebatch model NAME ASSEMBLY --sample {patient} -o FILE.xml"
    )


def check_values(values: np.ndarray, names: Sequence[str], what: str, *, lowest: float) -> None:
    """Raise unless there is one column a name, and every value can be simulated."""
    if np.ndim(values) != 2 or np.shape(values)[1] != len(names):
        raise ExperimentError(
            f"The {what} have shape {np.shape(values)}; expected (n_samples, {len(names)})."
        )
    invalid = np.argwhere(~(np.isfinite(values) & (values >= lowest)))
    if invalid.size:
        patient, column = invalid[0]
        raise SimulationError(
            f"Patient {patient} has {names[column]} = {values[patient, column]}; expected a finite number"
            f"{' that is not negative' if lowest == 0 else ''}."
        )
