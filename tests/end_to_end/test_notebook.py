"""The notebook of the documentation, executed."""

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tests.end_to_end.songs import write_songs

NOTEBOOK = Path(__file__).parent.parent.parent / "docs" / "tutorials" / "pipeline.ipynb"


def test_the_notebook_runs_from_the_first_cell_to_the_last(tmp_path, monkeypatch):
    monkeypatch.setenv("DRUMLINE_MIDI", str(write_songs(tmp_path / "songs", 30)))
    monkeypatch.setenv("DRUMLINE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("DRUMLINE_STEPS", "10")
    monkeypatch.setenv("PYTHONPATH", f"{NOTEBOOK.parent.parent.parent}:{os.environ.get('PYTHONPATH', '')}")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    played = notebook.cells[-1].outputs[-1]["text"]
    assert played.splitlines()[-1].startswith("kick")
    assert played.count("│") == 9 * 3
