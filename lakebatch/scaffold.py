"""Writes the files that a user starts from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from string import Template

from lakebatch import registry
from lakebatch.errors import NameClashError, StorageError
from lakebatch.ids import check_name

FIRST_NUMBER = 10
"""Numbers below belong to what is built in."""


def new_experiment(name: str, directory: Path) -> Path:
    """Write a commented, working experiment into ``experiments`` below a directory, and return its file.

    Raises
    ------
    NameClashError
        If an experiment has the name already.
    """
    check_name(name)
    if known := registry.find().get(name):
        raise NameClashError(f"There is an experiment {name!r} already: {known.origin}. Choose another name.")
    file = directory / registry.FOLDER / f"{name.replace('-', '_')}.py"
    template = (
        resources.files("lakebatch").joinpath("templates", "experiment.py.txt").read_text(encoding="utf-8")
    )
    text = Template(template).substitute(
        name=name, title=name.title().replace("-", ""), number=_free_number()
    )
    try:
        file.parent.mkdir(exist_ok=True)
        with file.open("x", encoding="utf-8") as target:
            target.write(text)
    except OSError as error:
        raise StorageError(f"Cannot write {file}: {error.strerror}.") from error
    return file


def _free_number() -> str:
    """Return the lowest number that no experiment that can be loaded has."""
    taken = {int(registry.load(source).number) for source in registry.find().values()}
    return f"{next(number for number in range(FIRST_NUMBER, 10_000) if number not in taken):02d}"
