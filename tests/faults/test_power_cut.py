"""Durability: commits are on the disk before they are reported, by the system calls of a real run."""

import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest
from processes import LAKEBATCH, run_traced

SYNC = re.compile(r"f(?:data)?sync\(\d+<(?P<path>[^>]+)>")
SAID = re.compile(r'write\(\d+<pipe:[^>]*>, "(?P<text>[^"]*)')


def committed(table: Path) -> list[set[str]]:
    """Return, per commit, the files and folders that must be on the disk for it to survive."""
    found = []
    for entry in sorted((table / "_delta_log").glob("*.json")):
        actions = [json.loads(line) for line in entry.read_text().splitlines()]
        added = [table / unquote(each["add"]["path"]) for each in actions if "add" in each]
        folders = {table, entry.parent, *(file.parent for file in added)}
        if added:
            found.append({str(each) for each in (*added, entry, *folders)})
    return found


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_every_commit_is_on_the_disk_before_it_is_reported(slow):
    arguments = [LAKEBATCH, "--lake", "lake", "run", "toy", "--jobs", "1"]
    calls = run_traced(slow, arguments, "fsync,fdatasync,write")
    table = slow / "lake" / "91_v1_toy"
    parts = committed(table / "results")[:8]
    ended = committed(table / "assemblies")[-1]
    synced: set[str] = set()
    said = 0
    for call in calls:
        if match := SYNC.search(call):
            synced.add(match["path"])
        elif (match := SAID.search(call)) and "rows committed" in match["text"]:
            assert not parts[said] - synced, (
                f"part {said + 1} was said to be committed before these were synced"
            )
            said += 1
        elif match and "is completed" in match["text"]:
            assert not ended - synced
            said += 1
    assert said == 8 + 1
    assert {str(table), str(table.parent), str(slow)} <= synced, "the folders that the tables are new in"
