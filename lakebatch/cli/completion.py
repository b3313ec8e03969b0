"""What a shell offers to complete: names from the lake and the registry, quickly, and nothing where that fails."""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from lakebatch.cli.context import common

if TYPE_CHECKING:
    from lakebatch.lake.lake import Lake

TIMEOUT_SECONDS = 5.0
"""How long a lake, perhaps one that cannot be reached, is waited for."""
VARIABLE = "_LAKEBATCH_COMPLETE"


Found = Iterable[tuple[str, str]]
"""What can be completed, and what is said beside it."""
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]


def completer(find: Callable[[click.Context], Found], patience: float | None = TIMEOUT_SECONDS) -> Completer:
    """Return a completer of what a function finds; whatever goes wrong, or takes too long, completes nothing."""

    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        found: list[CompletionItem[str]] = []

        def look() -> None:
            try:
                matching = [each for each in find(context) if each[0].startswith(incomplete)]
            except Exception:  # noqa: BLE001
                return  # nobody asked to see an error in the middle of typing
            found.extend(CompletionItem(value, help=about or None) for value, about in matching)

        _be_silent()
        importlib.import_module("lakebatch.lake.lake")  # which does not count as waiting for a lake
        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        thread.join(patience)
        if thread.is_alive():
            atexit.register(_leave)
        return list(found)

    return complete


def _leave() -> None:
    """End the process although the lake is still waited for: an engine whose thread is cut off aborts, and says so."""
    sys.stdout.flush()
    os._exit(0)


def _be_silent() -> None:
    logging.disable()
    warnings.simplefilter("ignore")


def _lake(context: click.Context) -> Lake:
    from lakebatch.lake.lake import open_lake

    return open_lake(common(context).lake)


def _name(context: click.Context) -> str | None:
    """Return the experiment named before; click leaves it among the arguments while an option lacks its value."""
    return context.params.get("name") or next(iter(context.args), None)


def _runnable(context: click.Context) -> Found:
    from lakebatch.experiment import registry

    return [(name, source.origin) for name, source in registry.find().items()]


def _stored(context: click.Context) -> Found:
    return [(each.name, each.folder) for each in _lake(context).experiments()]


def _assemblies(context: click.Context) -> Found:
    stored = _lake(context)[_name(context) or ""]
    return [(each.assembly_id, each.state) for each in reversed(stored.log.latest())]


def _tags(context: click.Context) -> Found:
    lake, name = _lake(context), _name(context)
    chosen = [lake[name]] if name else lake.experiments()
    return [(each.tag, each.note or "") for stored in chosen for each in stored.tag_log.all()]


def _moments(context: click.Context) -> Found:
    return [*_tags(context), *_assemblies(context), ("now", "the newest state")]


def _queries(_: click.Context) -> Found:
    from lakebatch.sql import named as named_queries

    return [(query.name, query.help) for query in named_queries.find().values()]


def _presets(context: click.Context) -> Found:
    from lakebatch.experiment import presets, registry

    source = registry.get(_name(context) or "")
    return [(name, "") for name in presets.names(source, registry.load(source))]


runnable = completer(_runnable, patience=None)
"""Completes an experiment that can be run."""
stored = completer(_stored)
"""Completes an experiment that the lake has something of."""
assemblies = completer(_assemblies)
"""Completes an assembly of the experiment named before it."""
tags = completer(_tags)
"""Completes a tag of the experiment named before it, or of the whole lake."""
moments = completer(_moments)
"""Completes a tag or an assembly."""
queries = completer(_queries, patience=None)
"""Completes a named query."""
presets = completer(_presets, patience=None)
"""Completes a preset of the experiment named before it."""
