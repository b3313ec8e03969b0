"""The commands that read: status, list, reassemble, history, sql, queries, config."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lakebatch.cli import completion as completing
from lakebatch.cli.context import open_lake
from lakebatch.cli.options import (
    config_option,
    format_option,
    include_options,
    moment_options,
    output_option,
    preset_option,
    settings_option,
)
from lakebatch.cli.output import check_output, deliver, explain, save, show
from lakebatch.cli.terminal import harmless, say
from lakebatch.cli.usage import Choice

if TYPE_CHECKING:
    import polars as pl

    from lakebatch.lake.arguments import QueryArguments
    from lakebatch.lake.experiment import StoredExperiment
    from lakebatch.lake.snapshot import LakeSnapshot
    from lakebatch.snapshot.moment import Moment


@click.command(epilog="Example: lakebatch status response-noise")
@click.argument("name", required=False, shell_complete=completing.stored)
@click.argument("assembly", required=False, shell_complete=completing.assemblies)
@format_option
@click.pass_context
def status(context: click.Context, name: str | None, assembly: str | None, form: str) -> None:
    """Show the assemblies of experiment NAME, of the whole lake, or everything about one ASSEMBLY.

    How far each is, how long ago it last wrote to the lake (age), and how long a running one may still take (eta).
    """
    from lakebatch.cli.status_table import state_table, states

    lake = open_lake(context)
    stored = [lake[name]] if name else lake.experiments()
    if not stored:
        say(f"Nothing has been run in {lake.storage.uri} yet. Start with: lakebatch run response-noise")
        return
    if assembly:
        show(_details(stored[0], assembly), form)
        return
    found = states(lake, name)
    if form != "table":
        show(found, form)
        return
    click.echo(harmless(state_table(found)))


@click.command("list", epilog="Example: lakebatch list")
@format_option
@click.pass_context
def list_(context: click.Context, form: str) -> None:
    """List the experiments that can be run, and what the lake has of each."""
    import polars as pl

    from lakebatch.experiment import registry

    stored = {each.name: each for each in open_lake(context)}
    origins = {name: source.origin for name, source in registry.find().items()}
    names = sorted(origins.keys() | stored.keys())
    rows = [_listed(name, origins.get(name), stored.get(name)) for name in names]
    show(pl.DataFrame(rows, infer_schema_length=None), form)


@click.command(epilog="Example: lakebatch reassemble response-noise --version 7 -o results.parquet")
@click.argument("name", shell_complete=completing.stored)
@moment_options
@include_options
@click.option(
    "--table",
    type=Choice(["results", "samples", "trajectories"]),
    default="results",
    show_default=True,
    help="Rows of which table.",
)
@output_option
@format_option
@click.pass_context
def reassemble(
    context: click.Context,
    name: str,
    moment: Moment,
    include: tuple[Any, ...],
    on_gap: Any,
    table: Any,
    output: Path | None,
    form: str,
) -> None:
    """Read every completed assembly of experiment NAME as one dataset, now or at any past state."""
    check_output(output)
    pinned = open_lake(context)[name].at(moment)
    if output is None:
        show(pinned.reassemble(include, table=table, on_gap=on_gap), form)
    else:
        save(pinned.pieces(include, table=table, on_gap=on_gap), output)


@click.command(
    epilog="Example: lakebatch dataset response-noise 20261123_142230_run001 --level 0.1 --features dynamic -o x.csv"
)
@click.argument("name", shell_complete=completing.stored)
@click.argument("assembly", shell_complete=completing.assemblies)
@click.option("--level", type=float, required=True, metavar="L", help="Level of the perturbation.")
@click.option("--features", required=True, metavar="SET", help="Name of the feature set, e.g. dynamic.")
@output_option
@format_option
@click.pass_context
def dataset(
    context: click.Context,
    name: str,
    assembly: str,
    level: float,
    features: str,
    output: Path | None,
    form: str,
) -> None:
    """Give back what models were trained on in one ASSEMBLY: the features, and the target as last column."""
    check_output(output)
    stored = open_lake(context)[name]
    columns, target = stored.dataset(assembly, level=level, feature_set=features)
    deliver(columns.with_columns(target), output, form)


@click.command(epilog="Example: lakebatch history response-noise")
@click.argument("name", shell_complete=completing.stored)
@format_option
@click.pass_context
def history(context: click.Context, name: str, form: str) -> None:
    """Show what happened to experiment NAME, oldest first, with the versions to read it at."""
    show(open_lake(context)[name].history(), form)


@click.command(
    epilog='Example: lakebatch sql "SELECT level, avg(r2) FROM response_noise.results GROUP BY level"'
)
@click.argument("text", metavar="[SQL]", required=False)
@click.option(
    "--query",
    "query_name",
    metavar="NAME",
    shell_complete=completing.queries,
    help="A named query, see: lakebatch queries",
)
@click.option("-f", "--file", type=click.Path(path_type=Path), metavar="FILE", help="A file with one query.")
@click.option(
    "--param", "parameters", multiple=True, metavar="NAME=VALUE", help="Value of $NAME; can be repeated."
)
@moment_options
@click.option(
    "--also",
    multiple=True,
    metavar="NAME=MOMENT",
    help="Another state beside it, a version, time or tag: with --also before=paper-v1 there is "
    "before.response_noise.results; can be repeated.",
)
@include_options
@click.option(
    "--timeout", type=float, metavar="SECONDS", help="End a query that takes longer.  [default: none]"
)
@click.option(
    "--memory",
    metavar="SIZE",
    help="Most memory of a query, e.g. 4GB or 25%.  [default: 50% of the machine or container]",
)
@click.option(
    "--print-setup", is_flag=True, help="Print what makes a plain DuckDB shell see the same views instead."
)
@output_option
@format_option
@click.pass_context
def sql(
    context: click.Context,
    text: str | None,
    query_name: str | None,
    file: Path | None,
    parameters: tuple[str, ...],
    moment: Moment,
    also: tuple[str, ...],
    include: tuple[Any, ...],
    on_gap: Any,
    timeout: float | None,
    memory: str | None,
    print_setup: bool,
    output: Path | None,
    form: str,
) -> None:
    """Answer one SQL query over the lake with DuckDB: the argument, a file, a named query, or standard input.

    On a terminal, without any of them, a prompt answers one query after the other. Each experiment is a
    schema with the views results, assemblies, events and gaps; lake.results, lake.assemblies and lake.gaps
    hold those of all experiments.
    """
    from lakebatch.cli.asking import answered, prompt
    from lakebatch.lake.snapshot import LakeSnapshot
    from lakebatch.sql import named as named_queries

    if sum(each is not None for each in (text, query_name, file)) > 1:
        raise click.UsageError("Several of SQL, --query and --file were given. Expected one of them.")
    check_output(output)
    lake = open_lake(context)

    def pin() -> LakeSnapshot:
        return LakeSnapshot.pin(lake.experiments(), moment)

    if print_setup:
        click.echo(pin().sql_setup(include, on_gap))
        return
    others = {
        name: LakeSnapshot.pin(lake.experiments(), other) for name, other in _named_moments(also).items()
    }
    options: QueryArguments = {
        "include": include, "on_gap": on_gap, "also": others, "timeout": timeout, "memory_limit": memory,
    }  # fmt: skip
    if text is None and not (query_name or file) and sys.stdin.isatty():
        prompt(pin, form, options)
        return
    if query_name:
        bound = named_queries.bind(parameters, named_queries.get(query_name))
        answer = answered(lambda: pin().query(query_name, bound, **options))
    else:
        asked, bound = _from_file(file) if text is None else text, named_queries.bind(parameters)
        answer = answered(lambda: pin().sql(asked, bound, **options))
    deliver(answer, output, form)


@click.command("queries", epilog="Example: lakebatch queries")
@format_option
def queries_(form: str) -> None:
    """List the named queries for: lakebatch sql --query NAME

    Parameters in brackets can be left out; the others are given with --param NAME=VALUE.
    """
    import polars as pl

    from lakebatch.sql import named as named_queries

    rows = [
        {"name": each.name, "parameters": each.describe_parameters(), "help": each.help}
        for each in named_queries.find().values()
    ]
    show(pl.DataFrame(rows), form)


@click.command(epilog="Example: lakebatch config response-noise --preset original")
@click.argument("name", shell_complete=completing.runnable)
@preset_option
@config_option
@settings_option
@format_option
def config(name: str, preset: str, config_file: Path | None, settings: tuple[str, ...], form: str) -> None:
    """Show every key of experiment NAME's config: value, unit, where it comes from, what it means."""
    import polars as pl

    from lakebatch.experiment import config as configs
    from lakebatch.experiment import registry

    source = registry.get(name)
    resolved = configs.resolve(
        source, registry.load(source), preset=preset, file=config_file, settings=settings
    )
    explain(pl.DataFrame(list(configs.describe(resolved))), form, _key, "meaning")


COMMANDS = (status, list_, reassemble, dataset, history, sql, queries_, config)


def _key(row: dict[str, Any]) -> str:
    """Return a key of a config, its value, unit and origin in one line."""
    unit = f" {row['unit']}" if row["unit"] not in (None, "", "1") else ""
    return f"{row['key']} = {row['value']}{unit}   ({row['origin']})"


def _listed(name: str, origin: str | None, stored: StoredExperiment | None) -> dict[str, Any]:
    """Return a row of the list; without numbers where the tables are damaged."""
    from lakebatch.storage.delta.damage import reported

    row: dict[str, Any] = {"experiment": name, "origin": origin or "only in the lake", "folder": None}
    if stored is None:
        return row | {"assemblies": 0, "completed": 0}
    row |= {"folder": stored.folder, "assemblies": None, "completed": None}
    with reported(name):
        states = stored.assemblies()["status"]
        row |= {"assemblies": states.len(), "completed": int((states == "completed").sum())}
    return row


def _details(stored: StoredExperiment, assembly: str) -> pl.DataFrame:
    """Return everything that is recorded of one assembly, one row per field."""
    import polars as pl

    stored.log.get(assembly)
    row = stored.assemblies().filter(pl.col("assembly_id") == assembly).row(0, named=True)
    return pl.DataFrame(
        {"field": list(row), "value": [None if value is None else str(value) for value in row.values()]}
    )


def _named_moments(texts: tuple[str, ...]) -> dict[str, Moment]:
    from lakebatch.snapshot.moment import parse

    pairs = [text.partition("=") for text in texts]
    for name, equals, _ in pairs:
        if not (name and equals):
            raise click.UsageError("Cannot read --also. Expected NAME=MOMENT, e.g. --also before=paper-v1.")
    return {name: parse(moment) for name, _, moment in pairs}


def _from_file(file: Path | None) -> str:
    """Return the text of a file, or of standard input; a mark of the byte order is no part of it."""
    try:
        content = file.read_bytes() if file else sys.stdin.buffer.read()
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(
            f"Cannot read {file or 'standard input'}: {getattr(error, 'strerror', None) or error}. "
            "Expected a text file with one query."
        ) from error
