"""Command ``config``: keys of a config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lakebatch.cli import completion
from lakebatch.cli.configured import Configured, levels_option, overrides
from lakebatch.cli.options import (
    config_option,
    format_option,
    preset_option,
    settings_option,
)
from lakebatch.cli.output import show_with_text


@click.command(
    cls=Configured, epilog="Example: lakebatch config response-noise --preset original --levels 0 0.1"
)
@click.argument("name", shell_complete=completion.runnable)
@preset_option
@config_option
@settings_option
@levels_option
@format_option
def config(
    name: str,
    preset: str,
    config_file: Path | None,
    settings: tuple[str, ...],
    levels: tuple[float, ...],
    form: str,
) -> None:
    """Show every key in the config of experiment NAME: value, unit, origin and meaning."""
    import polars as pl

    from lakebatch.experiment import config as configs
    from lakebatch.experiment import registry

    source = registry.get(name)
    given: dict[str, Any] = {"file": config_file, "settings": settings, "overrides": overrides(levels)}
    resolved = configs.resolve(source, registry.load(source), preset=preset, **given)
    show_with_text(pl.DataFrame(list(configs.describe(resolved))), form, _key, "meaning")


def _key(row: dict[str, Any]) -> str:
    """Return key, value, unit and origin in one line."""
    unit = f" {row['unit']}" if row["unit"] not in (None, "", "1") else ""
    return f"{row['key']} = {row['value']}{unit}   ({row['origin']})"
