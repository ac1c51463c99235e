"""The repository's own rules that a machine can check."""

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_format_rules_and_types_are_clean():
    finished = subprocess.run([ROOT / "run", "lint"], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_lock_names_no_address():
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_imports_only_go_down_the_list_of_folders_in_the_readme():
    table = (ROOT / "README.md").read_text().partition("\n## Layout\n")[2]
    folders = [name for name in re.findall(r"^\| `(\w+)/", table, re.MULTILINE) if any((ROOT / name).rglob("*.py"))]
    assert {"pipeline", "components", "models", "drums", "drumline"} <= set(folders)
    # `python -m drumline` starts the command line.
    files = [(folder, file) for folder in folders for file in (ROOT / folder).rglob("*.py")]
    for folder, file in files:
        above = folders[: folders.index(folder)]
        if folder in ("benchmarks", "tests") or file == ROOT / "drumline" / "__main__.py":
            continue
        upwards = {f"drumline.{name}" for name in above} & imported(file)
        assert not upwards, f"{file.relative_to(ROOT)} imports {upwards}"


def imported(file: Path) -> set[str]:
    """The packages that a file imports, anywhere in it, each as its first two names: drumline.models, numpy."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    whole = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    parts = {
        f"{node.module}.{name.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module
        for name in node.names
    }
    return {".".join(name.split(".")[:2]) for name in whole | parts}


def test_no_folder_at_the_top_hides_a_package_of_its_name():
    """In a checkout its root is on sys.path: a folder with an __init__.py would be found before Kubeflow's SDK."""
    assert not list(ROOT.glob("[!dt]*/__init__.py"))
