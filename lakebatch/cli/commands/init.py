"""Command ``init``: a working folder."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from lakebatch.settings import is_source_tree


@click.command(epilog="Example: lakebatch init study")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
def init(folder: Path) -> None:
    """Set up FOLDER, by default the current one, as a working folder; existing files stay unchanged.

    Writes lakebatch.toml (the place of the lake), small.toml (a config), an example experiment, an example query and
    a notebook that explains them step by step.
    """
    from lakebatch.experiment.scaffold import EXAMPLE, new_folder

    if is_source_tree(folder):
        raise click.UsageError(
            "This is the source tree of lakebatch. Choose another folder: lakebatch init FOLDER"
        )
    written, kept = new_folder(folder)
    for verb, files in (("wrote", written), ("kept", kept)):
        for file in files:
            click.echo(f"{verb:<6} {file}", err=True)
    go = "" if folder.resolve() == Path.cwd() else f"  cd {shlex.quote(str(folder))}\n"
    click.echo(
        f"Continue with:\n{go}"
        "  lakebatch run response-noise --preset demo   a small study in seconds\n"
        f"  lakebatch run {EXAMPLE} --preset demo     the example experiment, experiments/batch_effect.py\n"
        "  lakebatch                                    the next commands, at any time\n"
        "  jupyter lab first-steps.ipynb                the same step by step; needs jupyterlab and lakebatch[plots]"
    )
