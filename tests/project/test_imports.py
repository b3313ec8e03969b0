"""Who may import whom, read from the source."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "lakebatch"
EXPERIMENTS = ROOT / "experiments"

LAYERS = (
    {
        "_text",
        "_version",
        "counters",
        "fingerprint",
        "notebook",
        "outline",
        "process",
        "reading",
        "s3_answers",
        "values",
    },
    {"_secrets", "lakebatch", "provenance", "render"},
    {"errors", "notify", "withholding"},
    {"_files", "experiment", "forks", "guard", "ids", "schema", "spool", "statistics", "times", "uris"},
    {
        "commit_copy",
        "config_text",
        "evolution",
        "foreign",
        "local",
        "moment",
        "output",
        "project",
        "records",
        "seeds",
        "yaml_text",
    },
    {"named_queries", "registry", "s3"},
    {"presets", "scaffold", "storage"},
    {"config", "deltalog", "lease", "links"},
    {"diagnosis", "workers"},
    {"assembly", "delta"},
    {"changes", "damage"},
    {"assembly_log", "bundling", "parts", "tags"},
    {"shards", "tables", "worker"},
    {"decisions", "executor", "gaps", "progress", "upkeep"},
    {"assembly_run", "mixture", "pinned"},
    {"snapshot"},
    {"completeness", "datasets", "pace", "pinning", "replicates", "summary"},
    {"cli", "diff", "doctor", "material", "snapshots"},
    {"lake_snapshot", "plots", "repair", "sql_text", "stored"},
    {"frames", "lake", "report", "resuming", "sql"},
    {"compat", "legacy", "runner"},
    {"contract", "verification"},
)
"""The modules of lakebatch/ from the ground up: when it is loaded, each imports from layers below its own only."""

ONLY_IN = {
    "deltalake": {"delta"},
    "boto3": {"s3"},
    "botocore": {"s3"},
    "duckdb": {"sql", "doctor"},
    "click": {"cli"},
    "rich": {"cli", "render"},
    "loky": {"executor"},
    "dask": {"executor"},
    "dask_jobqueue": {"executor"},
    "distributed": {"executor"},
    "matplotlib": {"plots"},
    "pandas": {"compat"},
    "plotly": {"plots"},
    "yaml": {"yaml_text"},
    "jinja2": {"report"},
    "markupsafe": {"report"},
}
"""The modules that may import a package at all."""

NOT_IN_EXPERIMENTS = {
    "os", "sys", "io", "pathlib", "shutil", "subprocess", "tempfile", "socket", "urllib", "requests", "logging.config",
    "deltalake", "duckdb", "boto3", "pyarrow", "click", "rich",
}  # fmt: skip
FILE_AND_TERMINAL = {"open", "print", "input", "breakpoint"}
READS_OR_WRITES = ("read_", "scan_", "write_", "sink_")


@dataclass(frozen=True)
class Import:
    """One imported module, and whether it is imported when the importing module is loaded."""

    target: str
    on_load: bool


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imports(node: ast.AST, on_load: bool = True) -> Iterator[Import]:
    """Yield what is imported at run time: all but what stands under ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from imports(other, on_load)
        elif isinstance(child, ast.Import):
            yield from (Import(alias.name, on_load) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from (Import(target, on_load) for target in targets(child))
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports(child, on_load and not inside)


def targets(node: ast.ImportFrom) -> list[str]:
    """Return the modules that a ``from`` statement may load: the one named, or those named of a package."""
    prefix = "." * node.level + (node.module or "")
    if prefix == "lakebatch" or not node.module:
        return [f"{prefix}.{alias.name}" if node.module else prefix + alias.name for alias in node.names]
    return [prefix]


def module_name(file: Path) -> str:
    first = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "lakebatch" if first == "__init__" else first


def own_modules(found: Iterator[Import]) -> set[str]:
    """Return the modules of lakebatch among imports that are loaded at once."""
    names = [each.target.split(".") for each in found if each.on_load]
    known = {module_name(file) for file in modules(PACKAGE)}
    own = [steps for steps in names if steps[0] == "lakebatch"]
    return {steps[1] if len(steps) > 1 and steps[1] in known else "lakebatch" for steps in own}


def ids(files: list[Path]) -> list[str]:
    return [file.relative_to(ROOT).as_posix() for file in files]


each_module = pytest.mark.parametrize("file", modules(PACKAGE), ids=ids(modules(PACKAGE)))
each_experiment = pytest.mark.parametrize("file", modules(EXPERIMENTS), ids=ids(modules(EXPERIMENTS)))


def test_every_module_has_one_layer():
    placed = [name for layer in LAYERS for name in layer]
    assert len(placed) == len(set(placed))
    assert {module_name(file) for file in modules(PACKAGE)} == set(placed), "place each module in LAYERS"


@each_module
def test_module_imports_only_layers_below(file):
    name = module_name(file)
    level = next(number for number, layer in enumerate(LAYERS) if name in layer)
    below = {other for layer in LAYERS[:level] for other in layer} | {name}
    assert own_modules(imports(tree_of(file))) <= below


@each_module
def test_module_imports_absolutely(file):
    assert not [each.target for each in imports(tree_of(file)) if each.target.startswith(".")]


@each_module
def test_module_leaves_packages_to_the_one_that_owns_them(file):
    name = module_name(file)
    for each in imports(tree_of(file)):
        owners = ONLY_IN.get(each.target.split(".")[0], {name})
        assert name in owners, f"{each.target} belongs to {', '.join(owners)}"


@each_module
def test_module_imports_no_experiment(file):
    assert not [
        each.target
        for each in imports(tree_of(file))
        if each.target.startswith(("lakebatch.experiments", "experiments"))
    ]


@each_module
def test_module_prints_nothing_itself(file):
    assert not called_functions(tree_of(file)) & {"print", "input", "breakpoint"}


@each_experiment
def test_experiment_imports_only_the_contract(file):
    depth = len(file.relative_to(EXPERIMENTS).parts)
    for each in imports(tree_of(file)):
        dots = len(each.target) - len(each.target.lstrip("."))
        assert dots <= depth, f"{each.target} leaves experiments/"
        if each.target.startswith("lakebatch"):
            assert each.target in ("lakebatch.experiment", "lakebatch.errors")


@each_experiment
def test_experiment_opens_no_table_file_or_terminal(file):
    imported = {each.target for each in imports(tree_of(file))}
    tops = imported | {target.split(".")[0] for target in imported}
    assert not tops & NOT_IN_EXPERIMENTS
    methods = called_methods(tree_of(file))
    assert not (called_functions(tree_of(file)) | methods) & FILE_AND_TERMINAL
    assert not [name for name in methods if name.startswith(READS_OR_WRITES)]


@each_experiment
def test_experiment_draws_from_no_global_generator(file):
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "numpy.random"):
            assert node.attr in ("Generator", "SeedSequence", "default_rng"), ast.unparse(node)


def called(tree: ast.Module) -> list[ast.expr]:
    return [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]


def called_functions(tree: ast.Module) -> set[str]:
    return {each.id for each in called(tree) if isinstance(each, ast.Name)}


def called_methods(tree: ast.Module) -> set[str]:
    return {each.attr for each in called(tree) if isinstance(each, ast.Attribute)}


def test_status_starts_without_what_only_computing_needs(tmp_path):
    """Numpy and pydantic would take longer to load than all else that the command does."""
    script = (
        "import sys; from lakebatch.cli.main import main; "
        f"main(['--lake', {str(tmp_path)!r}, 'status'], standalone_mode=False); "
        "print({'numpy', 'pydantic'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1:] == ["set()"], done.stderr
