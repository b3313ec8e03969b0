"""The report and the pictures of a publication."""

from __future__ import annotations

from lakebatch._folders import NewFolder
from lakebatch.analysis import plots, report
from lakebatch.analysis.plots import Picture
from lakebatch.errors import LakebatchError, MissingDependencyError
from lakebatch.publication.environments import to_json
from lakebatch.publication.material import Material
from lakebatch.publication.omitted import place

FORMS = ("png", "svg")


def write_report(material: Material, new: NewFolder) -> None:
    """Write the report at the tag, and note its findings."""
    written = report.report(material.snapshot, on_gap="ignore")
    material.findings.extend(written.findings)
    beginning = place(material.snapshot)  # of files that it names as damaged
    new.write("report/report.html", written.html().replace(beginning, "").encode())
    new.write("report/report.md", written.markdown("pictures").replace(beginning, "").encode())
    for name, content in written.pictures.items():
        new.write(f"report/pictures/{name}.svg", content)


def write_pictures(material: Material, new: NewFolder) -> None:
    """Write each kind of picture that the dataset has the data of, with its caption and origin as JSON."""
    for kind in plots.KINDS:
        try:
            picture = plots.picture(material.snapshot, kind, on_gap="ignore")
            contents = {form: picture.render(form) for form in FORMS}
        except MissingDependencyError:
            raise
        except LakebatchError:  # the experiment has no such data, e.g. no trajectories
            continue
        for form, content in contents.items():
            new.write(f"pictures/{kind}.{form}", content)
        new.write(f"pictures/{kind}.json", to_json(_described(picture)))


def _described(picture: Picture) -> dict[str, object]:
    origin = {} if picture.origin is None else picture.origin.facts
    return {"title": picture.title, "caption": picture.caption, "origin": origin}
