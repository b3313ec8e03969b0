"""Command ``schema``: the data dictionary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lakebatch.cli import completion
from lakebatch.cli.context import inform, open_lake
from lakebatch.cli.options import format_option, moment_options
from lakebatch.cli.output import echo, echo_text, show

if TYPE_CHECKING:
    from lakebatch.snapshot.dictionary import Dictionary
    from lakebatch.snapshot.moment import Moment


@click.command(epilog="Example: lakebatch schema response-noise --table results")
@click.argument("name", required=False, shell_complete=completion.stored)
@click.option(
    "--table",
    metavar="TABLE",
    shell_complete=completion.tables,
    help="Show this table alone.  [default: all]",
)
@moment_options
@format_option
@click.pass_context
def schema(context: click.Context, name: str | None, table: str | None, moment: Moment, form: str) -> None:
    """Show the data dictionary of experiment NAME: tables, columns, types, units, meanings and constraints.

    Without NAME, it shows the tables that every experiment has. Of an experiment that has not run, it shows what its
    code declares for its default config.
    """
    found = _dictionary(context, name, moment)
    chosen = found if table is None else found.only(table)
    if form == "json":
        from lakebatch.snapshot.values import as_json

        echo_text(as_json(chosen.as_dict()), form)
    elif form == "markdown":
        from lakebatch.snapshot.dictionary_text import markdown

        echo_text(markdown(chosen), form)
    elif form == "table":
        from lakebatch.cli.dictionary_view import lines

        echo("\n".join(lines(chosen)))
        if name is None:
            inform("Further columns and tables are an experiment's own, see: lakebatch schema NAME")
    else:
        show(chosen.frame(), form)


def _dictionary(context: click.Context, name: str | None, moment: Moment) -> Dictionary:
    """Return the dictionary of an experiment of the lake, else of one that can be run, or of every experiment."""
    from lakebatch.errors import ConfigError, UnknownNameError
    from lakebatch.snapshot import dictionary

    if name is None:
        if moment.is_past:
            raise ConfigError(f"A state, {moment}, is that of an experiment. Name it: lakebatch schema NAME")
        return dictionary.built_in()
    lake = open_lake(context)
    try:
        stored = lake[name]
    except UnknownNameError:
        if moment.is_past or not _can_be_run(name):
            raise
        return _declared(name)
    return stored.at(moment).dictionary()


def _can_be_run(name: str) -> bool:
    """Return whether an experiment of this name can be run here."""
    from lakebatch.experiment import registry
    from lakebatch.ids import ExperimentName

    return ExperimentName.parse(name).name in registry.find()


def _declared(name: str) -> Dictionary:
    from lakebatch.executor.declared import declared_schemas
    from lakebatch.experiment import config, registry
    from lakebatch.snapshot import dictionary

    source = registry.get(name)
    experiment = registry.load(source)
    resolved = config.resolve(source, experiment).model
    schemas = declared_schemas(experiment, resolved)
    return dictionary.declared(schemas, experiment.name, experiment.version)
