import sqlite3
from contextlib import closing

import pytest
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

from drumline import metadata
from drumline.errors import InputError
from drumline.metadata import check_store


@pytest.fixture
def store(tmp_path):
    """The path of a store that ML Metadata made, in a folder whose name is not plain."""
    path = tmp_path / "100% of runs?" / "metadata.sqlite"
    path.parent.mkdir()
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    metadata_store.MetadataStore(config)
    return path


@pytest.mark.parametrize("to_write", [True, False])
def test_a_store_that_is_sound_or_not_there_passes(store, to_write):
    before = store.read_bytes()
    check_store(store, to_write=to_write)
    check_store(store.with_name("other.sqlite"), to_write=to_write)
    assert store.read_bytes() == before
    assert [path.name for path in store.parent.iterdir()] == [store.name]


@pytest.mark.parametrize("to_write", [True, False])
@pytest.mark.parametrize("garbage", [b"no database at all, " * 100, None], ids=["something else", "truncated"])
def test_a_store_that_is_damaged_is_said_in_one_sentence(store, garbage, to_write):
    store.write_bytes(garbage or store.read_bytes()[:20_000])
    with pytest.raises(InputError, match="damaged, or not an ML Metadata store") as refused:
        check_store(store, to_write=to_write)
    assert str(store) in str(refused.value)


@pytest.mark.parametrize("to_write", [True, False])
def test_a_store_that_is_locked_is_said_in_one_sentence(store, to_write, monkeypatch):
    monkeypatch.setattr(metadata, "_SECONDS_TO_WAIT", 0)
    with closing(sqlite3.connect(store, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(InputError, match="another program keeps it locked"):
            check_store(store, to_write=to_write)
