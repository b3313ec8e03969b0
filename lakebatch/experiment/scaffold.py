"""Files that a user starts from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from string import Template

from lakebatch.errors import NameClashError, StorageError
from lakebatch.experiment import registry
from lakebatch.ids import check_new_name

FIRST_NUMBER = 10
"""Lower numbers belong to built-in experiments."""
EXAMPLE = "batch-effect"
EXAMPLE_TEXTS = {
    "question": "What happens to prediction when each measurement of expression is biased by its own factor?",
    "level": "Spread of the bias of a column",
    "about": "Biased expression; the response stays clean.",
    "remark": "",
}
TEXTS = {
    "question": "What happens to prediction under {}?",
    "level": "Level of {}",
    "about": "Prediction under {}.",
    "remark": "\n        # An example to be replaced by what {} means: a factor for each column",
}
"""Texts about an experiment with any name, in the config and the pictures too: true also if nobody changes them."""
TEMPLATES = {
    "lakebatch.toml": "lakebatch.toml",
    "small.toml": "small.toml",
    "queries/loss.sql": "loss.sql",
}
"""Files of a new folder, and their templates."""
NOTEBOOK = "first-steps.ipynb"


def new_experiment(name: str, directory: Path) -> Path:
    """Write a commented, working experiment into ``experiments`` below a directory, and return its file.

    Raises
    ------
    NameClashError
        If an experiment has the name already.
    """
    check_new_name(name)
    if known := registry.find().get(name):
        raise NameClashError(f"There is an experiment {name!r} already: {known.origin}. Choose another name.")
    file = directory / registry.FOLDER / _file_name(name)
    if not _write(file, _experiment(name, _free_number())):
        raise StorageError(f"Cannot write {file}: it exists. Choose another name, or remove the file.")
    return file


def new_folder(folder: Path) -> tuple[list[Path], list[Path]]:
    """Write a config, an experiment, a query and a notebook into a folder.

    Returns
    -------
    written, kept : lists of files
        New files, and files that existed before and are unchanged.
    """
    files = {folder / name: _template(template) for name, template in TEMPLATES.items()}
    notebook = resources.files(registry.BUILT_IN).joinpath(NOTEBOOK)
    files[folder / NOTEBOOK] = notebook.read_text(encoding="utf-8")
    files[folder / registry.FOLDER / _file_name(EXAMPLE)] = _experiment(EXAMPLE, f"{FIRST_NUMBER:02d}")
    written = [file for file, text in files.items() if _write(file, text)]
    return written, [file for file in files if file not in written]


def _experiment(name: str, number: str) -> str:
    title = name.title().replace("-", "")
    texts = EXAMPLE_TEXTS if name == EXAMPLE else {key: text.format(name) for key, text in TEXTS.items()}
    return Template(_template("experiment.py")).substitute(texts, name=name, title=title, number=number)


def _file_name(name: str) -> str:
    return f"{name.replace('-', '_')}.py"


def _template(name: str) -> str:
    return resources.files("lakebatch").joinpath("templates", f"{name}.txt").read_text(encoding="utf-8")


def _write(file: Path, text: str) -> bool:
    """Write a file and return True; leave an existing one unchanged and return False."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as target:
            target.write(text)
    except FileExistsError as error:
        if file.is_file():
            return False
        raise StorageError(f"Cannot write {file}: {error.strerror}. Choose another folder.") from error
    except OSError as error:
        raise StorageError(f"Cannot write {file}: {error.strerror}. Choose another folder.") from error
    return True


def _free_number() -> str:
    """Return the lowest number that no experiment has."""
    taken = registry.numbers()
    return f"{next(number for number in range(FIRST_NUMBER, 10_000) if number not in taken):02d}"
