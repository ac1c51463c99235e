import shutil

from drumline.components.last_blessed_model import Executor, FingerprintExecutor
from tfx import v1 as tfx
from tfx.utils import path_utils


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


def test_a_version_that_is_half_copied_is_no_model_to_beat(tmp_path):
    for version in ("9", "10"):
        (tmp_path / "pushed" / version / "variables").mkdir(parents=True)
    (tmp_path / "pushed" / "9" / "saved_model.pb").write_text("whole")
    model = copied(tmp_path / "pushed", tmp_path / "model")
    assert model.get_string_custom_property("pushed_version") == "9"


def test_where_nothing_was_pushed_nothing_is_left(tmp_path):
    copied(tmp_path / "pushed", tmp_path / "model")
    (tmp_path / "pushed").mkdir()
    copied(tmp_path / "pushed", tmp_path / "model")
    assert not (tmp_path / "model").exists()


def fingerprint(pushed):
    found = tfx.types.standard_artifacts.String()
    found.uri = str(pushed.parent / "fingerprint")
    FingerprintExecutor().Do({}, {"fingerprint": [found]}, {"pushed": str(pushed)})
    found.read()
    return found.value


def test_the_fingerprint_is_of_the_newest_version_and_the_same_pushed_again_has_the_same(tmp_path):
    pushed = tmp_path / "pushed"
    assert fingerprint(pushed) == ""
    for version, text in (("9", "old"), ("10", "new"), ("11", "new")):
        (pushed / version / "variables").mkdir(parents=True)
        (pushed / version / "variables" / "data").write_text(text)
        (pushed / version / "saved_model.pb").write_text("graph")
    of_eleven = fingerprint(pushed)
    shutil.rmtree(pushed / "11")
    assert fingerprint(pushed) == of_eleven
    shutil.rmtree(pushed / "10")
    assert fingerprint(pushed) not in ("", of_eleven)
    (pushed / "9" / "variables" / "data").rename(pushed / "9" / "data")
    assert fingerprint(pushed) not in ("", of_eleven)
