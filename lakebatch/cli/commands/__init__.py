"""Commands of the command line, one module per command."""

from collections.abc import Sequence

import click

from lakebatch.cli.commands import (
    artifacts,
    check,
    completeness,
    completion,
    config,
    dataset,
    diff,
    discard,
    doctor,
    du,
    help,
    history,
    import_legacy,
    import_published,
    init,
    list,
    logs,
    model,
    new,
    note,
    optimize,
    plot,
    publish,
    purge,
    queries,
    reassemble,
    repair,
    replicates,
    report,
    resume,
    run,
    schema,
    sql,
    status,
    sweeps,
    tag,
    ui,
    vacuum,
    verify,
    watch,
)

SECTIONS: dict[str, Sequence[click.Command]] = {
    "Run and watch": (run.run, resume.resume, watch.watch),
    "Read": (
        status.status, sweeps.sweeps, list.list_, logs.logs, reassemble.reassemble, dataset.dataset, model.model,
        artifacts.artifacts,
        history.history, schema.schema, sql.sql, queries.queries_, config.config,
    ),
    "Draw, report and show": (plot.plot, report.report, publish.publish, ui.ui),
    "Curate a dataset": (
        tag.tag, note.note, discard.discard, discard.restore, completeness.completeness, replicates.replicates, diff.diff,
        verify.verify,
    ),
    "Maintain a lake": (
        optimize.optimize, vacuum.vacuum, purge.purge, du.du, doctor.doctor, repair.repair,
    ),
    "Write your own": (init.init, new.new, check.check),
    "Import and completion": (import_legacy.import_legacy, import_published.import_published, completion.completion),
    "Read the manual": (help.help_,),
}  # fmt: skip
