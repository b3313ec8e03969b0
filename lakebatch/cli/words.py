"""Words of other tools in place of a command, each with the command that does what is meant."""

from __future__ import annotations

import click

from lakebatch._text import hint

ALIASES = {
    "ls": "list",
    "experiments": "list",
    "ps": "status",
    "runs": "status",
    "log": "logs",
    "compare": "diff",
}
"""Other names of commands, for people who know them from other tools; no help text lists them."""

WRITE = ("write a dataset to a file", "reassemble NAME -o FILE")
FIELDS = ("see all fields of an assembly", "status NAME ASSEMBLY")
STOP = ("stop a run from elsewhere than by Ctrl-C in its terminal", "discard NAME ASSEMBLY --reason TEXT")
DISCARD = ("leave an assembly out of every dataset", "discard NAME ASSEMBLY --reason TEXT")
FILES = ("remove the files that no version needs", "vacuum")
SHARE = ("hand on a tag with all that belongs to it", "publish NAME --tag TAG -o FOLDER")
DRAW = ("draw a picture", "plot NAME -o FILE.png")
GO_ON = ("compute the missing parts of a run", "resume NAME ASSEMBLY")
MEANINGS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("export", "save", "download", "dump", "read"), WRITE),
    **dict.fromkeys(("show", "info", "describe", "get"), FIELDS),
    **dict.fromkeys(("stop", "cancel", "kill", "abort"), STOP),
    **dict.fromkeys(("delete", "remove", "rm"), DISCARD),
    **dict.fromkeys(("clean", "gc", "prune"), FILES),
    **dict.fromkeys(("share", "push"), SHARE),
    **dict.fromkeys(("draw", "figure", "graph"), DRAW),
    **dict.fromkeys(("continue", "retry"), GO_ON),
    "columns": ("see the tables and what their columns mean", "schema NAME"),
    "query": ("answer a named query", "sql --query NAME"),
    "presets": ("see the presets of an experiment", "run NAME --help"),
    "tags": ("list the tags of an experiment", "tag NAME"),
    "undo": ("take a discarded assembly back", "restore NAME ASSEMBLY --reason TEXT"),
    "compact": ("make reading faster", "optimize"),
    "import": ("import older files", "import-legacy NAME FOLDER, or: lakebatch import-published FOLDER"),
    "start": ("run an experiment", "run NAME"),
    "version": ("see the installed version", "--version"),
    "top": ("watch the runs", "watch"),
    "test": ("check an experiment of your own", "check NAME"),
}
"""What a word stands for, and the command that does it."""


def unknown_command(word: str, known: list[str], program: str) -> str:
    """Return that there is no such command, and the command that is meant."""
    fault = f"There is no command {word!r}. "
    if word in MEANINGS:
        purpose, command = MEANINGS[word]
        return f"{fault}To {purpose}: {program} {command}"
    return f"{fault}{hint(word, known)}List all with: {program} --help"


def alias_of(group: click.Group, word: str) -> click.Command | None:
    """Return the command of which a word is an alias."""
    return group.commands.get(ALIASES.get(word, ""))
