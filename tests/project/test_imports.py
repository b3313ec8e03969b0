"""Allowed imports between modules, checked in the source."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "lakebatch"
EXPERIMENTS = ROOT / "experiments"

ROOMS: tuple[dict[str, str], ...] = (
    {
        "session": "Runs from Python: experiments given as classes, live displays, and results that show themselves."
    },
    {"cli": "The command line: one thin command per verb; the only place that prints."},
    {
        "runner": "Run, resume, verify and check: plan an assembly, have its parts computed, and commit them.",
        "legacy": "Import of older files, the older interface, and frames of any columns; ``pickles`` is frozen.",
        "ui": "Read-only pages of a lake in the browser, live or as static files.",
    },
    {"lake": "The nouns that users hold: a lake, an experiment in it, a snapshot of all its experiments."},
    {"publication": "A tag as a folder that stands by itself, written for others and read back."},
    {
        "sql": "DuckDB over a snapshot of a lake, and named queries.",
        "analysis": "Statistics, plots and reports of snapshots.",
        "maintenance": "Optimize, vacuum, purge, disk usage and bundles; doctor and repair.",
    },
    {
        "snapshot": "Experiments at one moment: their rows, statuses, gaps and mixtures.",
        "executor": "Where parts are computed: in this process, in worker processes of this machine, or on a Dask cluster.",
    },
    {"assembly": "The life of an assembly: its events, parts, shards, leases, tags, seeds and metrics."},
    {
        "storage": "Where a lake lies, a folder or a prefix on S3, and the Delta tables in it.",
        "experiment": "What an experiment is, and how it is found, configured and identified.",
    },
    {
        "settings": "The working directory and its settings file ``lakebatch.toml``.",
        "ids": "",
    },
    {"_files": "", "_folders": "", "_process": ""},
    {"columns": "", "artifacts": ""},
    {"errors": ""},
    {"_html": "", "_public": ""},
    {"_text": "", "_version": ""},
)
"""The rooms of lakebatch/ from the roof down, with the sentence of each package: a room imports lower rows only."""

ONLY_IN = {
    "deltalake": {"storage.delta"},
    "boto3": {"storage.s3_client"},
    "botocore": {"storage.s3_client"},
    "daft": {"snapshot.dataset_files"},
    "ray": {"snapshot.dataset_files"},
    "duckdb": {"sql", "snapshot.dataset_files"},
    "IPython": {"session.notebook"},
    "click": {"cli"},
    "cloudpickle": {"experiment.given"},
    "rich": {"cli"},
    "prompt_toolkit": {"cli"},
    "loky": {"executor"},
    "dask": {"executor", "snapshot.dataset_files"},
    "dask_jobqueue": {"executor"},
    "distributed": {"executor"},
    "matplotlib": {"analysis.plots"},
    "pandas": {"legacy", "snapshot.dataset_files"},
    "plotly": {"analysis.plots"},
    "pydantic": {"experiment", "executor.open"},
    "yaml": {"experiment.yaml_files"},
    "jinja2": {"analysis.report", "ui.page"},
    "starlette": {"ui.guard", "ui.server"},
    "uvicorn": {"ui.server"},
    "markupsafe": {"analysis.report"},
}
"""Modules that may import a package."""

NOT_IN_EXPERIMENTS = {
    "os", "sys", "io", "pathlib", "shutil", "subprocess", "tempfile", "socket", "urllib", "requests", "logging.config",
    "deltalake", "duckdb", "boto3", "pyarrow", "click", "rich",
}  # fmt: skip
FILE_AND_TERMINAL = {"open", "print", "input", "breakpoint"}
READS_OR_WRITES = ("read_", "scan_", "write_", "sink_")


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imports(node: ast.AST) -> Iterator[str]:
    """Yield the modules imported at run time, inside of functions too: all but those under ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from imports(other)
        elif isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from targets(child)
        else:
            yield from imports(child)


def targets(node: ast.ImportFrom) -> list[str]:
    """Return the modules that a ``from`` statement can load: the named module, or named modules of a package."""
    prefix = "." * node.level + (node.module or "")
    if prefix == "lakebatch" or not node.module:
        return [f"{prefix}.{alias.name}" if node.module else prefix + alias.name for alias in node.names]
    return [prefix]


def module_name(file: Path) -> str:
    """Return the dotted name of a module below lakebatch; empty for the package itself."""
    steps = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(step for step in steps if step != "__init__")


def room(name: str) -> str:
    """Return the room that a module is in; the package itself and ``__main__`` are above all."""
    return name.split(".")[0]


def rooms_imported(file: Path) -> set[str]:
    found = [target.split(".") for target in imports(tree_of(file)) if target.split(".")[0] == "lakebatch"]
    return {steps[1] for steps in found if len(steps) > 1}


def ids(files: list[Path]) -> list[str]:
    return [file.relative_to(ROOT).as_posix() for file in files]


each_module = pytest.mark.parametrize("file", modules(PACKAGE), ids=ids(modules(PACKAGE)))
each_experiment = pytest.mark.parametrize("file", modules(EXPERIMENTS), ids=ids(modules(EXPERIMENTS)))


ABOVE_ALL = {"", "__main__"}
ROW = {name: number for number, row in enumerate(ROOMS) for name in row}
PUBLISHED = {"experiments", "queries", "schemas"}
"""Folders beside lakebatch/ that are installed into it."""


def test_every_module_is_in_one_room():
    assert sum(map(len, ROOMS)) == len(ROW)
    assert {room(module_name(file)) for file in modules(PACKAGE)} - ABOVE_ALL == set(ROW), "place it in ROOMS"


@each_module
def test_module_imports_only_lower_rooms(file):
    own = room(module_name(file))
    if own not in ABOVE_ALL:
        below = {other for row in ROOMS[ROW[own] + 1 :] for other in row} | {own}
        assert rooms_imported(file) - PUBLISHED <= below


def modules_imported(file: Path, known: Collection[str]) -> set[str]:
    """Return the names below lakebatch of the modules that one imports, inside of functions too."""
    names = set()
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lakebatch":
            base = (node.module or "").removeprefix("lakebatch").strip(".")
            below = [f"{base}.{alias.name}".strip(".") for alias in node.names]
            names |= {name if name in known else base for name in below}
    return names - {""}


def test_modules_import_each_other_in_no_circle():
    """Imports for type checkers count as well: who reads one of two such modules has to read the other."""
    files = {module_name(file): file for file in modules(PACKAGE)}
    packages = {name for name, file in files.items() if file.name == "__init__.py"}
    graph = {name: modules_imported(file, files.keys()) - {name} for name, file in files.items()}
    order = graphlib.TopologicalSorter(
        {name: graph[name] - packages for name in graph if name not in packages}
    )
    order.prepare()  # raises CycleError, which names the modules


@pytest.mark.parametrize("name", [name for row in ROOMS for name, sentence in row.items() if sentence])
def test_room_has_a_docstring_of_one_sentence(name):
    file = PACKAGE / name / "__init__.py" if (PACKAGE / name).is_dir() else PACKAGE / f"{name}.py"
    assert ast.get_docstring(tree_of(file)) == ROOMS[ROW[name]][name]


def test_delta_tables_know_no_backend():
    """Tables use only the interface of a storage, not its backends."""
    files = modules(PACKAGE / "storage" / "delta")
    assert {
        target for file in files for target in imports(tree_of(file)) if target.endswith(".storage.s3")
    } == set()


@each_module
def test_module_imports_absolutely(file):
    assert not [target for target in imports(tree_of(file)) if target.startswith(".")]


@each_module
def test_package_is_imported_only_by_its_owner(file):
    name = module_name(file)
    for target in imports(tree_of(file)):
        owners = ONLY_IN.get(target.split(".")[0], {name})
        is_owner = any(f"{name}.".startswith(f"{owner}.") for owner in owners)
        assert is_owner, f"{target} belongs to {', '.join(owners)}"


@each_module
def test_module_imports_no_experiment(file):
    assert not [
        target
        for target in imports(tree_of(file))
        if target.startswith(("lakebatch.experiments", "experiments"))
    ]


@each_module
def test_module_does_not_print(file):
    assert not called_functions(tree_of(file)) & {"print", "input", "breakpoint"}


@each_experiment
def test_experiment_imports_only_the_contract(file):
    depth = len(file.relative_to(EXPERIMENTS).parts)
    for target in imports(tree_of(file)):
        dots = len(target) - len(target.lstrip("."))
        assert dots <= depth, f"{target} leaves experiments/"
        if target.startswith("lakebatch"):
            assert target in ("lakebatch.experiment", "lakebatch.errors")


@each_experiment
def test_experiment_opens_no_table_file_or_terminal(file):
    if file.name == "compiling.py":  # reads the sources of what it compiles
        return
    imported = set(imports(tree_of(file)))
    tops = imported | {target.split(".")[0] for target in imported}
    assert not tops & NOT_IN_EXPERIMENTS
    methods = called_methods(tree_of(file))
    assert not (called_functions(tree_of(file)) | methods) & FILE_AND_TERMINAL
    assert not [name for name in methods if name.startswith(READS_OR_WRITES)]


@each_experiment
def test_experiment_draws_from_no_global_generator(file):
    allowed = {"Generator", "SeedSequence", "default_rng"}
    if file.name == "randomness.py":  # seeds it for estimators that draw from it, and draws nothing
        allowed |= {"get_state", "seed", "set_state"}
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "numpy.random"):
            assert node.attr in allowed, ast.unparse(node)


def called(tree: ast.Module) -> list[ast.expr]:
    return [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]


def called_functions(tree: ast.Module) -> set[str]:
    return {each.id for each in called(tree) if isinstance(each, ast.Name)}


def called_methods(tree: ast.Module) -> set[str]:
    return {each.attr for each in called(tree) if isinstance(each, ast.Attribute)}


def test_status_starts_without_numpy_and_pydantic(tmp_path):
    """Numpy and pydantic would take longer to import than the rest of the command."""
    script = (
        "import sys; from lakebatch.cli.main import main; "
        f"main(['--lake', {str(tmp_path)!r}, 'status'], standalone_mode=False); "
        "print({'numpy', 'pydantic'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1:] == ["set()"], done.stderr
