import time

import pytest
from drumline.components.pusher import Executor
from drumline.serving.versions import folders_of_versions
from tfx import v1 as tfx
from tfx.components.pusher import executor
from tfx.types import standard_component_specs as keys

NOW = 1_700_000_000


@pytest.fixture
def base(tmp_path):
    return tmp_path / "serving" / "lstm-2bar"


@pytest.fixture
def push(tmp_path, base, monkeypatch):
    """push(blessed=True): pushes a small SavedModel; gives the artifact."""
    model = tfx.types.standard_artifacts.Model()
    model.uri = str(tmp_path / "model")
    files = tmp_path / "model" / "Format-Serving"
    (files / "variables").mkdir(parents=True)
    (files / "saved_model.pb").write_text("graph")
    (files / "variables" / "data").write_text("weights")
    monkeypatch.setattr(time, "time", lambda: NOW)

    def push(blessed=True):
        blessing, pushed = tfx.types.standard_artifacts.ModelBlessing(), tfx.types.standard_artifacts.PushedModel()
        blessing.set_int_custom_property("blessed", int(blessed))
        pushed.uri = str(tmp_path / "pushed")
        destination = f'{{"filesystem": {{"base_directory": "{base}"}}}}'
        inputs = {keys.MODEL_KEY: [model], keys.MODEL_BLESSING_KEY: [blessing]}
        Executor().Do(inputs, {keys.PUSHED_MODEL_KEY: [pushed]}, {keys.PUSH_DESTINATION_KEY: destination})
        return pushed

    return push


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_version_is_the_time_and_the_whole_model(base, push):
    pushed = push()
    assert names(base) == [str(NOW)]
    assert (base / str(NOW) / "variables" / "data").read_text() == "weights"
    assert folders_of_versions(base) == {NOW: base / str(NOW)}
    assert pushed.get_string_custom_property("pushed_version") == str(NOW)
    assert pushed.get_string_custom_property("pushed_destination") == str(base / str(NOW))


@pytest.mark.parametrize("whole", [True, False])
def test_with_the_clock_set_back_a_version_is_larger_than_all_that_are_there(base, push, whole):
    (base / str(NOW + 500)).mkdir(parents=True)
    if whole:
        (base / str(NOW + 500) / "saved_model.pb").touch()
    (base / "not a version").mkdir()
    assert push().get_string_custom_property("pushed_version") == str(NOW + 501)
    assert push().get_string_custom_property("pushed_version") == str(NOW + 502)
    assert max(folders_of_versions(base)) == NOW + 502


def test_a_copy_that_breaks_off_leaves_no_version(base, push, monkeypatch):
    def break_off(*_, **__):
        assert not folders_of_versions(base)
        assert not any(name.isdigit() for name in names(base))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(executor.io_utils, "copy_file", break_off)
    with pytest.raises(OSError, match="No space left"):
        push()
    assert names(base) == []


def test_what_is_not_blessed_is_not_pushed(base, push):
    assert push(blessed=False).get_int_custom_property("pushed") == 0
    assert not base.exists()
