"""Prompt for SQL: statements over several lines, history, completion of names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import polars as pl
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from lakebatch._text import excerpt
from lakebatch.cli.output import show
from lakebatch.cli.stderr import print_stderr
from lakebatch.errors import LakebatchError
from lakebatch.sql import named as named_queries

if TYPE_CHECKING:
    from lakebatch.sql.session import Session

ALL_ROWS = 'lakebatch sql --format csv "..."'
MAX_MEANING = 100  # characters beside a word that is completed
HISTORY = Path(".lakebatch_history")
KEYWORDS = (
    "SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "HAVING", "LIMIT", "JOIN", "USING", "AVG", "COUNT", "MEDIAN",
    "SUMMARIZE", "DESCRIBE",
)  # fmt: skip
HELP = """\
A statement ends with ';' and can span several lines.
  .tables          the views and their columns
  DESCRIBE VIEW;   the columns of a view, with type, meaning and unit
  .queries         the named queries
  .query NAME [parameter=value ...]   answer a named query
  .refresh         read the newest state of the lake
  .quit            end, as Ctrl-D, quit and exit do
Ctrl-C drops what has been typed."""
WORDS = {
    **dict.fromkeys(("exit", "quit", "\\q", ".exit", ".q"), ".quit"),
    **dict.fromkeys(("help", "\\h", "\\?", "?"), ".help"),
    **dict.fromkeys(("\\d", "\\dt", "tables"), ".tables"),
}
"""Words of other SQL shells, and the command of each here."""


class Prompt:
    """Reads statements from a terminal and prints their answers, until Ctrl-D or ``.quit``."""

    def __init__(self, open_session: Callable[[], Session], form: Any) -> None:
        self._open_session = open_session
        self._session = open_session()
        self._form = form
        self._ask: PromptSession[str] = PromptSession(history=_history(), completer=_completer(self._session))

    def loop(self) -> None:
        """Answer statements until Ctrl-D or ``.quit``."""
        snapshot = self._session.snapshot
        names = ", ".join(names[-1] for names in snapshot.schemas().values())
        click.echo(f"{names or 'An empty lake'}: {snapshot.moment}. Type .help for help.", err=True)
        for statement in self._statements():
            if statement == ".quit":
                return
            try:
                self._execute(statement)
            except KeyboardInterrupt:
                click.echo("Interrupted.", err=True)

    def close(self) -> None:
        """Close the session."""
        self._session.close()

    def _statements(self) -> Iterator[str]:
        lines: list[str] = []
        while True:
            try:
                lines.append(self._ask.prompt("lake> " if not lines else "  ... "))
            except KeyboardInterrupt:
                lines = []
                continue
            except EOFError:
                return
            text = "\n".join(lines).strip()
            text = WORDS.get(text.rstrip("; ").lower(), text) if len(lines) == 1 else text
            if not text or text.startswith(".") or text.endswith(";"):
                lines = []
                if text:
                    yield text

    def _execute(self, statement: str) -> None:
        try:
            if statement.startswith("."):
                self._command(*statement[1:].split())
            else:
                self._show(self._session.answer(statement))
        except LakebatchError as error:
            print_stderr(f"Error: {error}")

    def _command(self, name: str = "help", *arguments: str) -> None:
        if name == "tables":
            show(self._tables(), self._form)
        elif name == "queries":
            for query in named_queries.find().values():
                click.echo(f"{query.name}: {query.help}")
        elif name == "query" and arguments:
            query = named_queries.get(arguments[0])
            bound = named_queries.bind(arguments[1:], query)
            self._show(self._session.query(query.name, bound))
        elif name == "refresh":
            newer = self._open_session()
            self._session.close()
            self._session = newer
        else:
            click.echo(HELP)

    def _show(self, answer: pl.DataFrame) -> None:
        none = f"No row. Columns: {', '.join(answer.columns)}"
        show(answer, self._form, none=none, all_rows=ALL_ROWS)

    def _tables(self) -> pl.DataFrame:
        """Return the views and their columns, those of the newest experiment version once."""
        shown = ["lake", *(names[-1] for names in self._session.snapshot.schemas().values())]
        return self._session.answer(TABLES).filter(pl.col("view").str.split(".").list.first().is_in(shown))


TABLES = """
    SELECT table_schema || '.' || table_name AS view, string_agg(column_name, ', ' ORDER BY ordinal_position) AS columns
    FROM information_schema.columns WHERE table_catalog = 'memory' GROUP BY ALL ORDER BY view
"""

WORDS_AND_MEANINGS = """
    SELECT schema_name || '.' || view_name AS word, comment FROM duckdb_views() WHERE NOT internal
    UNION SELECT schema_name || '.' || table_name, comment FROM duckdb_tables() WHERE NOT internal
    UNION ALL SELECT column_name, arg_min(lower(data_type) || coalesce(': ' || comment, ''),
        CASE WHEN table_name = 'results' THEN 0 WHEN table_name IN ('configs', 'sweeps') THEN 2 ELSE 1 END)
    FROM duckdb_columns() WHERE NOT internal GROUP BY column_name ORDER BY word
"""


def _completer(session: Session) -> WordCompleter:
    """Return a completer of keywords, views and columns, which shows the type and the meaning of each."""
    meanings = dict(session.answer(WORDS_AND_MEANINGS).iter_rows())
    return WordCompleter(
        [*KEYWORDS, *meanings],
        meta_dict={word: excerpt(meaning, MAX_MEANING) for word, meaning in meanings.items() if meaning},
        sentence=False,
        WORD=True,
    )


def _history() -> History:
    """Return the history of earlier prompts of this user, or an empty one if the file cannot be written."""
    file = Path.home() / HISTORY
    try:
        file.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(file))
