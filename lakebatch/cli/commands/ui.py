"""Command ``ui``: pages of the lake in the browser."""

from __future__ import annotations

from contextlib import suppress

import click

from lakebatch.cli.context import open_lake
from lakebatch.cli.stderr import sanitize


@click.command(epilog="Example: lakebatch ui --port 8800")
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
def ui(context: click.Context, host: str, port: int, opens: bool) -> None:
    """Show the lake in the browser, until Ctrl-C; nothing is changed.

    The address has a token: only who knows it can read.
    """
    from lakebatch.ui import server

    lake = open_lake(context)
    token = server.new_token()
    app = server.application(lake, token)
    listening = server.listen(host, port)
    address = f"http://{host}:{listening.getsockname()[1]}/{token}/"
    click.echo(sanitize(f"{lake.storage.uri} is shown at\n  {address}\nCtrl-C ends it."))
    if opens:
        click.launch(address)
    with suppress(KeyboardInterrupt):
        server.serve(app, listening)
