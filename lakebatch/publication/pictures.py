"""The report and the pictures of a publication."""

from __future__ import annotations

from lakebatch._folders import NewFolder
from lakebatch.analysis import plots, report
from lakebatch.analysis.plots import Picture
from lakebatch.errors import LakebatchError, MissingDependencyError
from lakebatch.publication.environments import to_json
from lakebatch.publication.material import Material

FORMS = ("png", "svg")


def write_report(material: Material, new: NewFolder) -> None:
    """Write the report at the tag, and note its findings."""
    written = report.report(material.snapshot, on_gap="ignore")
    material.findings.extend(written.findings)
    new.write("report/report.html", material.impersonal(written.html()).encode())
    new.write("report/report.md", material.impersonal(written.markdown("pictures")).encode())
    for name, content in written.pictures.items():
        new.write(f"report/pictures/{name}.svg", content)


def write_pictures(material: Material, new: NewFolder) -> None:
    """Write each kind of picture with its caption and origin as JSON, and note those that the data does not allow."""
    for kind in plots.KINDS:
        try:
            picture = plots.picture(material.snapshot, kind, on_gap="ignore")
            contents = {form: picture.render(form) for form in FORMS}
        except MissingDependencyError:
            raise
        except LakebatchError as error:  # the experiment has no such data, e.g. no trajectories
            material.not_drawn[kind] = material.impersonal(str(error))
            continue
        for form, content in contents.items():
            new.write(f"pictures/{kind}.{form}", content)
        new.write(f"pictures/{kind}.json", to_json(_described(picture)))


def _described(picture: Picture) -> dict[str, object]:
    origin = {} if picture.origin is None else picture.origin.facts
    return {"title": picture.title, "caption": picture.caption, "origin": origin}
