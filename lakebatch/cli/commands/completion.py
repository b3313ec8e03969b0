"""Command ``completion``: scripts for shell completion."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from lakebatch.cli.completion import VARIABLE
from lakebatch.cli.usage_errors import Choice

SHELLS = ("bash", "zsh", "fish")
HOW = {
    "bash": 'eval "$(lakebatch completion bash)"   in ~/.bashrc',
    "zsh": 'eval "$(lakebatch completion zsh)"   in ~/.zshrc, after compinit',
    "fish": "lakebatch completion fish | source   in ~/.config/fish/config.fish",
}


@click.command(
    epilog="Example: lakebatch completion bash",
    help="Print the script for completion of commands, experiments, assemblies, tags and queries in SHELL.\n\n\b\n"
    + "\n".join(f"Add the line  {line}" for line in HOW.values()),
)
@click.argument("shell", type=Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "lakebatch", VARIABLE).source())
    if shell == "bash":
        click.echo("COMP_WORDBREAKS=${COMP_WORDBREAKS//@/}  # else response-noise@v1 would be three words")
