"""What an installation needs, on demand: wheels by platform, MB by package, and whether the lower bounds work.

    python tests/project/installing.py wheels   # the table of platforms in the manual
    python tests/project/installing.py sizes    # the tables of sizes in the manual
    python tests/project/installing.py lowest   # tests with the lowest versions that pyproject.toml allows

It asks the package index, and needs uv on the PATH or in the environment of the Python that runs it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.parser import HeaderParser
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = ("base", *PROJECT["optional-dependencies"])
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {
    "Linux x86-64": "x86_64-manylinux_2_28",
    "Linux ARM64": "aarch64-manylinux_2_28",
    "macOS Intel": "x86_64-apple-darwin",
    "macOS ARM64": "aarch64-apple-darwin",
    "Windows x86-64": "x86_64-pc-windows-msvc",
}
MACOS = {"MACOSX_DEPLOYMENT_TARGET": "15.0"}
# Rooms whose tests read, write, run, ask and draw; without those that need a browser, a server or an outside engine
CORE = (
    *("ground", "storage", "snapshot", "lake", "sql", "assembly", "experiment", "session", "maintenance"),
    *("virtual_cohort", "prediction", "degradation", "analysis", "legacy"),
)
LARGE = 20
"""MB from which on a package has a row of its own."""
BUILT_FROM = ("lakebatch", "experiments", "queries", "schemas", "pyproject.toml", "README.md", "LICENSE")


def uv(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [shutil.which("uv")] if shutil.which("uv") else [sys.executable, "-m", "uv"]
    done = subprocess.run(
        [*command, *map(str, arguments)], cwd=ROOT, env=os.environ | MACOS, capture_output=True, text=True
    )
    if check and done.returncode:
        sys.exit(done.stdout + done.stderr)
    return done


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def of_extra(extra: str) -> list[str]:
    return [] if extra == "base" else ["--extra", extra]


# Wheels


def resolve(extra: str, platform: str, python: str) -> subprocess.CompletedProcess[str]:
    done = uv(
        *("pip", "compile", "--quiet", "--only-binary", ":all:", "--no-header", "pyproject.toml"),
        *("--python-platform", platform, "--python-version", python, *of_extra(extra)),
        check=False,
    )
    if done.returncode and "No solution found" not in done.stderr:
        sys.exit(done.stderr)
    return done


def wheels(*extras: str) -> None:
    """Print for which Python versions every package of an extra has a wheel, and the reasons of the others."""
    say("| extra |", " | ".join(PLATFORMS), "|")
    say("|---|" + "---|" * len(PLATFORMS))
    reasons = []
    for extra in extras or EXTRAS:
        asked = [(extra, platform, python) for platform in PLATFORMS.values() for python in PYTHONS]
        with ThreadPoolExecutor(len(PLATFORMS)) as threads:
            done = dict(zip(asked, threads.map(lambda each: resolve(*each), asked), strict=True))
        spans = [
            span([python for python in PYTHONS if not done[extra, platform, python].returncode])
            for platform in PLATFORMS.values()
        ]
        say(f"| `{extra}` |" if extra != "base" else "| base |", " | ".join(spans), "|")
        reasons += [
            f"{', '.join(each)}: {' '.join(one.stderr.split())}"
            for each, one in done.items()
            if one.returncode
        ]
    sys.stderr.write("".join(f"{each}\n" for each in reasons))


def span(pythons: list[str]) -> str:
    """Return consecutive versions as a range.

    >>> span(["3.11", "3.12", "3.13"]), span(["3.11", "3.13"]), span([])
    ('3.11 to 3.13', '3.11, 3.13', 'none')
    """
    places = [PYTHONS.index(each) for each in pythons]
    if len(places) > 1 and places[-1] - places[0] == len(places) - 1:
        return f"{pythons[0]} to {pythons[-1]}"
    return ", ".join(pythons) or "none"


# Sizes


def sizes() -> None:
    """Install the base and then each extra beside it, and print the size of every package."""
    with tempfile.TemporaryDirectory() as folder:
        python = environment(Path(folder, "base"))
        uv("pip", "install", "--quiet", "--python", python, copy(Path(folder, "source")))
        base = measured(python)
        table(base)
        say("\n| extra | packages | MB more | largest |\n|---|---|---|---|")
        for extra in (each for each in EXTRAS[1:] if each != "test"):
            python = environment(Path(folder, extra))
            uv("pip", "install", "--quiet", "--python", python, f"{Path(folder, 'source')}[{extra}]")
            more = {name: size for name, size in measured(python).items() if name not in base}
            largest = sorted(more, key=lambda name: -more[name])[:4]
            named = ", ".join(f"{name} {more[name]:.0f}" for name in largest)
            say(f"| `{extra}` | {len(more)} | {sum(more.values()):.0f} | {named} |")


def environment(folder: Path) -> Path:
    uv("venv", "--quiet", "--python", sys.executable, folder)
    return folder / "bin" / "python"


def copy(folder: Path) -> Path:
    """Copy the source, because setuptools builds in its folder."""
    for name in BUILT_FROM:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, target)
    return folder


def measured(python: Path) -> dict[str, float]:
    """Return the size of each installed package in MB, by its record of files."""
    site = next(python.parents[1].glob("lib/python*/site-packages"))
    return dict(sorted(packages(site)))


def packages(site: Path) -> Iterator[tuple[str, float]]:
    for record in site.glob("*.dist-info/RECORD"):
        name = HeaderParser().parsestr((record.parent / "METADATA").read_text("utf-8"))["Name"]
        files = (site / line.rsplit(",", 2)[0].strip('"') for line in record.read_text("utf-8").splitlines())
        yield name, sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def table(found: dict[str, float]) -> None:
    large = sorted((name for name in found if found[name] >= LARGE), key=lambda name: -found[name])
    rest = [size for name, size in found.items() if name not in large]
    say("| package | MB |\n|---|---|")
    for name in large:
        say(f"| {name} | {found[name]:.0f} |")
    say(f"| {len(rest)} others | {sum(rest):.0f} |\n| all | {sum(found.values()):.0f} |")


# Lower bounds


def lowest(*arguments: str) -> None:
    """Run tests with the lowest versions that pyproject.toml allows, in an environment that is removed afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        python = environment(Path(folder, "lowest"))
        uv(
            *("pip", "install", "--quiet", "--resolution", "lowest-direct", "--only-binary", ":all:"),
            *("--no-binary", "lakebatch", "--python", python, "--editable", ".[test]"),
        )
        say(uv("pip", "freeze", "--python", python).stdout)
        tests = arguments or tuple(f"tests/{each}" for each in CORE)
        command = [python, "-m", "pytest", "-q", "-m", "not slow", "-n", "2", "--dist", "loadfile", *tests]
        sys.exit(subprocess.run(command, cwd=ROOT, env=os.environ).returncode)


if __name__ == "__main__":
    {"wheels": wheels, "sizes": sizes, "lowest": lowest}[sys.argv[1]](*sys.argv[2:])
