import os

import pytest
from drumline.pipeline.config import Config
from drumline.pipeline.run_pipeline import run

from drumline.errors import InputError
from tests.midi_files import midi_bytes, steps


@pytest.mark.parametrize("odd", ["midi", "runs"])
def test_a_folder_whose_name_is_not_utf_8_is_said_before_anything_runs(tmp_path, odd):
    folders = {name: tmp_path / name for name in ("midi", "runs")}
    folders[odd] = tmp_path / os.fsdecode(b"d\xe9j\xe0")
    folders["midi"].mkdir()
    (folders["midi"] / "song.mid").write_bytes(midi_bytes(steps(0)))
    with pytest.raises(InputError, match=r"d\\xe9j\\xe0: .* not UTF-8; rename it") as refused:
        run(Config(str(folders["midi"]), 2, runs=folders["runs"]))
    str(refused.value).encode()


def test_a_metadata_store_that_is_damaged_is_said_before_anything_runs(tmp_path):
    (tmp_path / "song.mid").write_bytes(midi_bytes(steps(0)))
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "metadata.sqlite").write_text("no database at all")
    with pytest.raises(InputError, match=r"metadata\.sqlite: damaged"):
        run(Config(str(tmp_path / "song.mid"), 2, runs=tmp_path / "runs"))
