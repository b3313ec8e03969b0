"""Messages that name an option of the command line: a person in Python finds the keyword in them too."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "lakebatch"
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]*)")
COMMAND = re.compile(r"(?:lakebatch|git|dask|pip|command)\b[^.;:()]*? \(?--[a-z-]+[^;()]*")
VALUE = re.compile(r"\{[^{}]*\}")
BRACKETS = re.compile(r"\([^()]*\)")
KEYWORDS = {"memory": "memory_limit", "from": "start_from", "set": "overrides"}
"""Keywords with another name than their option."""
STAY = {"lake", "nthreads", "max-replicates"}
"""Options of the lake, of Dask, and within a sentence that is recorded."""


def texts(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the sentences of a module with their lines: no docstring, no single word."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    silent |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if id(node) in silent or not isinstance(node, ast.JoinedStr | ast.Constant):
            continue
        text = ast.unparse(node)
        if isinstance(node, ast.JoinedStr) or isinstance(node.value, str):
            yield node.lineno, text


def lacking(text: str) -> list[str]:
    """Return the options in a sentence that are neither in brackets, after the keyword, nor beside ``keyword=``."""
    text = VALUE.sub("X", text.replace("{each.command}", "lakebatch run"))
    if text.lstrip("f'\" ").startswith("--") or " " not in text:  # a piece of a command
        return []
    options = set(OPTION.findall(BRACKETS.sub("", COMMAND.sub("", text)))) - STAY
    return [each for each in options if f"{KEYWORDS.get(each, each.replace('-', '_'))}=" not in text]


def test_message_with_an_option_names_the_keyword_too():
    found = [
        f"{file.relative_to(PACKAGE)}:{line}: {text}"
        for file in PACKAGE.rglob("*.py")
        if file.relative_to(PACKAGE).parts[0] not in ("cli", "ui")
        for line, text in texts(file)
        if lacking(text)
    ]
    assert not found, "\n".join(found)


def test_option_without_its_keyword_is_found():
    assert lacking("The reason is empty. Say why with --reason TEXT.") == ["reason"]
    assert lacking("The reason is empty. Say why with reason=TEXT (--reason).") == []
    assert lacking("Say why with reason=TEXT or --reason TEXT.") == []
    assert not lacking("Look closer with: lakebatch doctor --deep")
