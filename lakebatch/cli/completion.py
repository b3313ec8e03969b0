"""Shell completion of names in the lake, the registry and the queries."""

from __future__ import annotations

import faulthandler
import importlib
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, TypeAlias

import click
from click.shell_completion import CompletionItem

from lakebatch.cli.context import group_options

if TYPE_CHECKING:
    from lakebatch.lake.experiment import StoredExperiment
    from lakebatch.lake.lake import Lake

TIMEOUT_SECONDS = 5.0
VARIABLE = "_LAKEBATCH_COMPLETE"

Found = Iterable[tuple[str, str]]
"""Names that can be completed, each with a description."""
# in quotes, since older releases of click have no types of completions
Completer: TypeAlias = "Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]"


def completer(find: Callable[[click.Context], Found], *, asks_lake: bool = True) -> Completer:
    """Return a completer of names; it completes nothing after an error or the timeout."""

    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        _be_silent()
        importlib.import_module("lakebatch.lake.lake")  # outside of the timeout, which is for the lake
        # an error has no place in a line that is being typed
        with suppress(Exception), _timeout() if asks_lake else nullcontext():
            found = [each for each in find(context) if each[0].startswith(incomplete)]
            return [CompletionItem(value, help=about or None) for value, about in found]
        return []

    return complete


@contextmanager
def _timeout() -> Iterator[None]:
    """End the process after the timeout: no exception reaches an engine that waits for a server."""
    with open(os.devnull, "w") as nothing:
        faulthandler.dump_traceback_later(TIMEOUT_SECONDS, exit=True, file=nothing)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def _be_silent() -> None:
    logging.disable()
    warnings.simplefilter("ignore")


def _lake(context: click.Context) -> Lake:
    from lakebatch.lake.lake import open_lake

    return open_lake(group_options(context).lake)


def _name(context: click.Context) -> str | None:
    """Return the experiment typed before; click leaves it among the arguments while an option lacks its value."""
    return context.params.get("name") or next(iter(context.args), None)


def _runnable(context: click.Context) -> Found:
    from lakebatch.experiment import registry

    return [(name, source.origin) for name, source in registry.find().items()]


def _stored(context: click.Context) -> Found:
    return [(each.reference, each.folder) for each in _lake(context).experiments()]


def _assemblies(context: click.Context) -> Found:
    stored = _lake(context)[_name(context) or ""]
    known = list(reversed(stored.log.latest()))
    return [
        *((each.assembly_id, each.state) for each in known),
        *((each.name, f"{each.state}, {each.assembly_id}") for each in known if each.name),
    ]


def _artifacts(context: click.Context) -> Found:
    assembly = context.params.get("assembly") or next(iter(context.args[1:]), None)
    found = _lake(context)[_name(context) or ""].snapshot().artifacts(assembly)
    return dict(found.select("name", "media_type").iter_rows()).items()


def _tags(context: click.Context) -> Found:
    lake, name = _lake(context), _name(context)
    chosen = [lake[name]] if name else lake.experiments()
    return [(each.tag, each.note or "") for stored in chosen for each in stored.tag_log.all()]


def _tables(context: click.Context) -> Found:
    return [(name, "") for name in _lake(context)[_name(context) or ""].data_tables()]


def _moments(context: click.Context) -> Found:
    return [*_versions(context), *_tags(context), *_assemblies(context), ("now", "the newest state")]


def _versions(context: click.Context) -> Found:
    lake = _lake(context)
    name = lake[_name(context) or ""].name
    known = [each.experiment_version for each in lake.experiments() if each.name == name]
    return [(each, "experiment version") for each in known] if len(known) > 1 else []


def _metrics(context: click.Context) -> Found:
    roles = _lake(context)[_name(context) or ""].snapshot().roles
    return [(each.name, each.label) for each in roles.metrics]


def _groups(context: click.Context) -> Found:
    roles = _lake(context)[_name(context) or ""].snapshot().roles
    return [*((each, roles.word(each)) for each in roles.groups), ("config", "config")]


def _queries(_: click.Context) -> Found:
    from lakebatch.sql import named as named_queries

    return [(query.name, query.help) for query in named_queries.find().values()]


def _presets(context: click.Context) -> Found:
    from lakebatch.experiment import registry
    from lakebatch.experiment.config import preset_summaries

    source = registry.get(_name(context) or "")
    return preset_summaries(source, registry.load(source)).items()


def _keys(context: click.Context) -> Found:
    from lakebatch.experiment import registry
    from lakebatch.experiment.config_keys import meanings

    experiment = registry.load(registry.get(_name(context) or ""))
    return [(f"{key}=", about) for key, about in meanings(experiment.config_model)]


def _stored_keys(context: click.Context) -> Found:
    from lakebatch.ids import leaves

    configs = {each.config: each.settings for stored in _chosen(context) for each in stored.log.latest()}
    return dict.fromkeys((f"{key}=" for each in configs.values() for key, _ in leaves(each)), "").items()


def _parameters(context: click.Context) -> Found:
    from lakebatch.sql import named as named_queries

    query = named_queries.get(context.params["query_name"])
    return [(f"{name}=", about) for name, about in query.parameters.items()]


def _configs(context: click.Context) -> Found:
    numbers = _lake(context)[_name(context) or ""].snapshot().config_numbers
    return [(str(number), f"config hash {config_hash}") for config_hash, number in numbers.items()]


def _unfinished(context: click.Context) -> Found:
    return [*_sweeps(context), *_assemblies(context)]


def _sweeps(context: click.Context) -> Found:
    found = [each.sweeps() for each in _chosen(context)]
    return [(name, keys) for frame in found for name, keys in frame.select("sweep", "keys").iter_rows()]


def _chosen(context: click.Context) -> list[StoredExperiment]:
    """Return the experiment typed before, or all of the lake for commands without NAME."""
    lake, name = _lake(context), context.params.get("name")
    if name is None and any(each.name == "name" for each in context.command.params):
        name = _name(context)
    return [lake[name]] if name else lake.experiments()


runnable = completer(_runnable, asks_lake=False)
"""Completes an experiment that can be run."""
stored = completer(_stored)
"""Completes an experiment in the lake."""
assemblies = completer(_assemblies)
"""Completes an assembly of the experiment typed before it."""
artifacts = completer(_artifacts)
"""Completes an artifact of the experiment and the assembly typed before it."""
tags = completer(_tags)
"""Completes a tag of the experiment typed before it, or of the whole lake."""
tables = completer(_tables)
"""Completes a table of the experiment typed before it."""
moments = completer(_moments)
"""Completes a tag, an assembly or an experiment version."""
metrics = completer(_metrics)
"""Completes a metric of the experiment typed before it."""
groups = completer(_groups)
"""Completes a group of the experiment typed before it."""
queries = completer(_queries, asks_lake=False)
"""Completes a named query."""
presets = completer(_presets, asks_lake=False)
"""Completes a preset of the experiment typed before it."""
keys = completer(_keys, asks_lake=False)
"""Completes a config key of the experiment typed before it."""
stored_keys = completer(_stored_keys)
"""Completes a config key of the assemblies in the lake."""
parameters = completer(_parameters, asks_lake=False)
"""Completes a parameter of the named query typed before it."""
configs = completer(_configs)
"""Completes the number of a config of the experiment typed before it."""
unfinished = completer(_unfinished)
"""Completes a sweep or an assembly of the experiment typed before it."""
sweeps = completer(_sweeps)
"""Completes a sweep of the experiment typed before it."""
