"""Command ``ui``: pages of the lake in the browser, or as files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lakebatch.cli import completion
from lakebatch.cli.context import group_options, open_lake
from lakebatch.cli.options import gap_option, selection_options
from lakebatch.cli.stderr import print_stderr, sanitize

if TYPE_CHECKING:
    from lakebatch.lake.lake import Lake
    from lakebatch.snapshot.selection import Selection
    from lakebatch.ui.page_state import PageState


@click.command(epilog="Example: lakebatch ui --export pages")
@click.argument("name", required=False, shell_complete=completion.stored)
@selection_options
@gap_option
@click.option(
    "--export",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write the pages to a new folder, as files that need no server, instead of showing them.",
)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default="any free one",
    metavar="N",
    help="Port to listen on.",
)
@click.option("--open/--no-open", "opens", default=True, help="Open the page in the default browser.")
@click.pass_context
def ui(
    context: click.Context,
    name: str | None,
    selection: Selection,
    on_gap: Any,
    folder: Path | None,
    host: str,
    port: int,
    opens: bool,
) -> None:
    """Show the lake in the browser, until Ctrl-C, or write the pages to a folder; the lake stays as it is.

    NAME and the options of a dataset choose what the first page shows, or what is written. The address has a token: only
    who knows it can read.
    """
    from lakebatch.ui.page_state import PageState

    lake, state = open_lake(context), PageState(name, selection)
    if folder is not None:
        _export(context, lake, state, folder, on_gap)
        return
    _show(lake, state, host, port, opens)


def _show(lake: Lake, state: PageState, host: str, port: int, opens: bool) -> None:
    from lakebatch.cli.open_page import open_page
    from lakebatch.ui import guard, server
    from lakebatch.ui import page as pages

    if state.experiment is not None:
        lake[state.experiment]  # an error if there is none
    pages.environment()  # an error if Jinja is missing
    token = server.new_token()
    app = server.application(lake, token, host)
    listening = server.listen(host, port)
    address = guard.address_of(host, listening.getsockname()[1], token) + state.query
    if host not in guard.LOOPBACK:
        print_stderr("Warning: Others on the network can read the lake with this address, unencrypted.")
    click.echo(f"{sanitize(lake.storage.uri)} is shown at\n  {address}\nCtrl-C ends it.")
    with open_page(address if opens else None):
        server.serve(app, listening)


def _export(context: click.Context, lake: Lake, state: PageState, folder: Path, on_gap: Any) -> None:
    from lakebatch.cli.render import byte_size
    from lakebatch.ui.export import export

    done = export(lake, state, folder, on_gap=on_gap, progress=_progress(context))
    for each in done.broken:
        print_stderr(f"Warning: {each}")
    if done.changed:
        print_stderr(
            "Warning: The lake changed during the export, so some pages are newer than others. Export a tag: "
            "lakebatch tag NAME TAG"
        )
    click.echo(sanitize(str(folder / "index.html")))
    if not group_options(context).quiet:
        print_stderr(f"{done.pages} pages, {byte_size(done.size)}")


def _progress(context: click.Context) -> Callable[[int, int, str], None]:
    """Return what shows the page that is being made, on a terminal only."""
    if group_options(context).quiet or not sys.stderr.isatty():
        return lambda done, known, path: None

    def show(done: int, known: int, path: str) -> None:
        end = "\r\033[K" if done == known else ""
        sys.stderr.write(sanitize(f"{done}/{known} {path}")[:70].join(["\r\033[K", end]))
        sys.stderr.flush()

    return show
