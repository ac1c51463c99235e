"""The repository's own rules that a machine can check."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_ruff_finds_nothing():
    for arguments in (["check"], ["format", "--check"]):
        finished = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "."], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_lock_names_no_address():
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_imports_only_go_down_the_readmes_list_of_rooms():
    table = (ROOT / "README.md").read_text().partition("\n## The house\n")[2]
    rooms = [room for room in re.findall(r"^\| `(\w+)/", table, re.MULTILINE) if any((ROOT / room).rglob("*.py"))]
    assert {"pipeline", "components", "models", "drums"} <= set(rooms)
    for above, room in enumerate(rooms[: rooms.index("drums") + 1]):
        for file in (ROOT / room).rglob("*.py"):
            upwards = imported(file) & set(rooms[:above])
            assert not upwards, f"{file.relative_to(ROOT)} imports {upwards}"


def imported(file: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    whole = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    parts = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in whole | parts}
