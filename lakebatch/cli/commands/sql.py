"""Command ``sql``: queries with DuckDB."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lakebatch._text import redact
from lakebatch.cli import completion
from lakebatch.cli.context import open_lake
from lakebatch.cli.exit_codes import ERROR, INTERRUPTED
from lakebatch.cli.options import format_option, gap_option, output_option, selection_options
from lakebatch.cli.output import check_output, show_or_save
from lakebatch.cli.stderr import print_stderr
from lakebatch.errors import LimitError

if TYPE_CHECKING:
    import polars as pl

    from lakebatch.lake.arguments import QueryArguments
    from lakebatch.lake.lake import Lake
    from lakebatch.lake.snapshot import LakeSnapshot
    from lakebatch.snapshot.selection import Selection


@click.command(
    epilog='Example: lakebatch sql "SELECT level, avg(r2) FROM response_noise.results GROUP BY level"'
)
@click.argument("text", metavar="[SQL]", required=False)
@click.option(
    "--query",
    "query_name",
    metavar="NAME",
    shell_complete=completion.queries,
    help="Named query, see: lakebatch queries",
)
@click.option("-f", "--file", type=click.Path(path_type=Path), metavar="FILE", help="File with one query.")
@click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    shell_complete=completion.parameters,
    help="Value of $NAME; can be repeated.",
)
@selection_options
@click.option(
    "--also",
    multiple=True,
    metavar="NAME=MOMENT",
    help="A second state, by version, time or tag: --also before=paper-v1 adds before.response_noise.results; "
    "can be repeated.",
)
@gap_option
@click.option("--timeout", type=float, metavar="SECONDS", help="Time limit of a query.  [default: none]")
@click.option(
    "--memory",
    metavar="SIZE",
    help="Memory limit of a query, e.g. 4GB or 25%.  [default: 50% of the machine or container]",
)
@click.option(
    "--print-setup",
    is_flag=True,
    help="Print the statements that create the same views in a plain DuckDB shell.",
)
@output_option
@format_option
@click.pass_context
def sql(
    context: click.Context,
    /,
    text: str | None,
    query_name: str | None,
    file: Path | None,
    parameters: tuple[str, ...],
    selection: Selection,
    also: tuple[str, ...],
    print_setup: bool,
    output: Path | None,
    form: str,
    **limits: Any,
) -> None:
    """Answer one SQL query over the lake with DuckDB: from the argument, a file, a named query or standard input.

    On a terminal, without a query, a prompt reads one query after the other. Each experiment is a schema with the
    views results, samples, trajectories, assemblies, configs, events and gaps: response_noise in its newest experiment
    version, response_noise_v1 in another. lake.results, lake.assemblies, lake.configs and lake.gaps combine all.
    """
    if sum(each is not None for each in (text, query_name, file)) > 1:
        raise click.UsageError("Several of SQL, --query and --file were given. Expected one of them.")
    check_output(output)
    lake = open_lake(context)
    if print_setup:
        click.echo(lake.select(selection).sql_setup(on_gap=limits["on_gap"]))
        return
    options = _options(lake, selection, also, **limits)
    if text is None and not (query_name or file) and sys.stdin.isatty():
        _prompt(lambda: lake.select(selection), form, options)
        return
    if query_name is None and text is None:
        text = _read(file)
    selected = lake.select(selection)
    frame = _answer(lambda: _ask(selected, query_name, text or "", parameters, options))
    from lakebatch.sql import kept_columns

    none = f"The query returns no row. Its columns: {', '.join(frame.columns)}"
    show_or_save(
        frame,
        output,
        form,
        lambda: _origin(lake, selected, query_name or text or "", parameters),
        none=none,
        described=lambda: kept_columns.described(selected, text or ""),
    )


def _origin(lake: Lake, selected: LakeSnapshot, query: str, parameters: Sequence[str]) -> dict[str, Any]:
    """Return what a file with the answer says of where it comes from."""
    from lakebatch.snapshot import file_origin

    values = dict(each.split("=", 1) for each in parameters)
    return file_origin.of_query(selected, str(lake.storage.uri), redact(query), values)


def _options(
    lake: Lake,
    selection: Selection,
    also: Sequence[str],
    on_gap: Any,
    timeout: float | None,
    memory: str | None,
) -> QueryArguments:
    from lakebatch.snapshot.moment import parse

    others = {}
    for argument in also:
        name, _, moment = argument.partition("=")
        if not (name and moment):
            raise click.UsageError("Cannot read --also. Expected NAME=MOMENT, e.g. --also before=paper-v1.")
        others[name] = lake.select(replace(selection, moment=parse(moment)))
    return {"on_gap": on_gap, "also": others, "timeout": timeout, "memory_limit": memory}


def _ask(
    snapshot: LakeSnapshot, name: str | None, text: str, parameters: Sequence[str], options: QueryArguments
) -> pl.DataFrame:
    from lakebatch.sql import named

    if name:
        return snapshot.query(name, named.bind(parameters, named.get(name)), **options)
    return snapshot.sql(text, named.bind(parameters), **options)


def _answer(ask: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    """Return an answer; end the process if it was interrupted and DuckDB still computes."""
    try:
        return ask()
    except KeyboardInterrupt:
        _exit_if_busy("Interrupted.", INTERRUPTED)
        raise
    except LimitError as error:
        _exit_if_busy(f"Error: {error}", ERROR)
        raise


def _exit_if_busy(message: str, code: int) -> None:
    from lakebatch.sql import supervision

    if supervision.is_busy():
        print_stderr(message)
        supervision.leave(code)


def _prompt(pin: Callable[[], LakeSnapshot], form: Any, options: QueryArguments) -> None:
    from lakebatch.cli.sql_prompt import Prompt
    from lakebatch.lake.arguments import query_options
    from lakebatch.sql import supervision
    from lakebatch.sql.session import Session

    prompt = Prompt(lambda: Session(pin(), query_options(options)), form)
    try:
        prompt.loop()
    finally:
        prompt.close()
    if supervision.is_busy():
        supervision.leave(0)


def _read(file: Path | None) -> str:
    """Return the text of a file, or of standard input, without a byte order mark."""
    try:
        content = file.read_bytes() if file else sys.stdin.buffer.read()
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(
            f"Cannot read {file or 'standard input'}: {getattr(error, 'strerror', None) or error}. "
            "Expected a text file with one query."
        ) from error
