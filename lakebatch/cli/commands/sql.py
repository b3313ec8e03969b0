"""Command ``sql``: queries with DuckDB."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lakebatch.cli import completion as completing
from lakebatch.cli.context import open_lake
from lakebatch.cli.options import (
    format_option,
    include_options,
    moment_options,
    output_option,
)
from lakebatch.cli.output import check_output, deliver

if TYPE_CHECKING:
    from lakebatch.lake.arguments import QueryArguments
    from lakebatch.lake.snapshot import LakeSnapshot
    from lakebatch.snapshot.moment import Moment


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
