"""Command ``help``: pages of the manual."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping

import click
from click.shell_completion import CompletionItem

from lakebatch.cli import pages
from lakebatch.errors import UnknownNameError

MAX_WIDTH = 120  # longer lines of prose are hard to read
LINK = re.compile(r"\[([^]]+)\]\(([\w-]+)\.md\)")
"""Link to another page, on a terminal replaced by the command that shows the page."""
PICTURE = re.compile(r"!\[([^]]+)\]\([^)]+\)")


def _complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    about = {topic: pages.summary(topic) for topic in pages.TOPICS}
    about |= {
        name: each.get_short_help_str() for name, each in _commands(context).items() if name not in about
    }
    return [CompletionItem(name, help=text) for name, text in about.items() if name.startswith(incomplete)]


@click.command("help", epilog="Example: lakebatch help sql")
@click.argument("words", nargs=-1, metavar="[TOPIC]", shell_complete=_complete)
@click.pass_context
def help_(context: click.Context, words: tuple[str, ...]) -> None:
    """Show the manual page TOPIC, or the help of the command TOPIC; without TOPIC, list the pages."""
    topic = "-".join(words).lower()
    if not topic:
        click.echo(_contents(context))
    elif topic in pages.TOPICS:
        click.echo(_shown(pages.read(topic)))
    elif topic in _commands(context):
        click.echo(_help_of(context, topic))
    else:
        raise _unknown(topic, [*pages.TOPICS, *_commands(context)])


def _contents(context: click.Context) -> str:
    formatter = context.make_formatter()
    with formatter.section("Pages of the manual"):
        formatter.write_dl([(topic, pages.summary(topic)) for topic in pages.TOPICS])
    formatter.write("\nRead one with: lakebatch help TOPIC    A command's help: lakebatch help COMMAND\n")
    return formatter.getvalue().rstrip("\n")


def _shown(page: str) -> str:
    """Return a page as Markdown, on a terminal rendered."""
    if not sys.stdout.isatty():
        return page.rstrip("\n")
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    console.width = min(console.width, MAX_WIDTH)
    text = PICTURE.sub(r"*Picture: \1*", LINK.sub(r"\1 (`lakebatch help \2`)", page))
    with console.capture() as capture:
        console.print(Markdown(text, hyperlinks=False))
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _commands(context: click.Context) -> Mapping[str, click.Command]:
    group = context.find_root().command
    return group.commands if isinstance(group, click.Group) else {}


def _help_of(context: click.Context, name: str) -> str:
    command = _commands(context)[name]
    return command.get_help(click.Context(command, info_name=name, parent=context.find_root()))


def _unknown(topic: str, known: list[str]) -> UnknownNameError:
    from lakebatch._text import hint

    return UnknownNameError(
        f"Unknown topic {topic!r}. {hint(topic, known)}Pages: {', '.join(pages.TOPICS)}. "
        "Commands: lakebatch --help"
    )
