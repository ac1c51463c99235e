from tfx import v1 as tfx
from tfx.utils import path_utils

from components.last_blessed_model import Executor


def copied(pushed, into):
    model = tfx.types.standard_artifacts.Model()
    model.uri = str(into)
    Executor().Do({}, {"model": [model]}, {"pushed": str(pushed)})
    return model


def test_the_newest_version_is_the_model_to_beat(tmp_path):
    for version, text in (("9", "old"), ("10", "new"), (".unfinished", "none")):
        (tmp_path / "pushed" / version).mkdir(parents=True)
        (tmp_path / "pushed" / version / "saved_model.pb").write_text(text)
    model = copied(tmp_path / "pushed", tmp_path / "model")
    assert (tmp_path / "model" / "Format-Serving" / "saved_model.pb").read_text() == "new"
    assert path_utils.serving_model_path(model.uri) == str(tmp_path / "model" / "Format-Serving")
    assert model.get_string_custom_property("pushed_version") == "10"


def test_where_nothing_was_pushed_nothing_is_left(tmp_path):
    copied(tmp_path / "pushed", tmp_path / "model")
    (tmp_path / "pushed").mkdir()
    copied(tmp_path / "pushed", tmp_path / "model")
    assert not (tmp_path / "model").exists()
