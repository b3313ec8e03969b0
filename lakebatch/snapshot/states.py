"""States of an experiment that a text names: an experiment version, or a version, a time or a tag."""

from __future__ import annotations

from lakebatch.assembly.tables import ExperimentTables
from lakebatch.errors import ConfigError, warn
from lakebatch.ids import FOLDER, VERSION, ExperimentName
from lakebatch.snapshot.moment import NEWEST, parse
from lakebatch.snapshot.pin import pin
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.snapshot.times import Time


def state(tables: ExperimentTables, which: int | Time) -> Snapshot:
    """Return a state of an experiment.

    Parameters
    ----------
    which : int, str or date
        An experiment version (``v1``, ``NAME@v1`` or its folder) in its newest state, or a version, a time, a tag, or
        ``now``. A tag that is called like an experiment version wins, with a warning.

    Raises
    ------
    UnknownNameError
        If there is no such experiment version or tag.
    ConfigError
        If the text names another experiment, or no state.
    """
    version = _version(tables, str(which))
    if version is None:
        return pin(tables, parse(which))
    return pin(tables.sibling(version), NEWEST)


def _version(tables: ExperimentTables, text: str) -> str | None:
    """Return the experiment version that a text names, as NAME@v1 or a folder; None if it names something else."""
    if VERSION.fullmatch(text):
        qualified = f"{tables.name}@{text}"
        if all(each.tag != text for each in tables.tag_log.all()):
            return qualified
        warn(f"{text!r} is read as the tag of that name. The experiment version is called {qualified}.")
        return None
    if "@" not in text and not FOLDER.fullmatch(text):
        return None
    if ExperimentName.parse(text).name != tables.name:
        raise ConfigError(
            f"{text!r} is another experiment. Expected an experiment version of {tables.name}, "
            f"e.g. {tables.name}@{tables.experiment_version}, or a version, a time or a tag of it."
        )
    return text
