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
KEYS_IN_BASH = (
    "    return 0\n}",
    "    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2> /dev/null\n\n    return 0\n}",
)
"""The end of click's function, and one that puts no space after ``KEY=``, which a value follows."""


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
    source = kind(context.find_root().command, {}, "lakebatch", VARIABLE).source()
    click.echo(source.replace(*KEYS_IN_BASH) if shell == "bash" else source)
    if shell == "bash":
        click.echo("COMP_WORDBREAKS=${COMP_WORDBREAKS//@/}  # else response-noise@v1 would be three words")
