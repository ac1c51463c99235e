import pytest
from drumline.play.pushed_models import pushed_model, pushed_models

from drumline.errors import InputError


def version(serving, model, number, whole=True):
    folder = serving / model / number
    folder.mkdir(parents=True)
    if whole:
        (folder / "saved_model.pb").touch()


def test_a_version_that_is_half_copied_is_passed_over(tmp_path):
    version(tmp_path, "lstm-2bar", "9")
    version(tmp_path, "lstm-2bar", "10")
    version(tmp_path, "lstm-2bar", "11", whole=False)
    version(tmp_path, "conv-2bar", "11", whole=False)
    assert [(model.name, model.version) for model in pushed_models(tmp_path)] == [("lstm", 10)]
    with pytest.raises(InputError, match="no pushed model conv for 2 bars"):
        pushed_model(tmp_path, "conv", 2)


def test_what_is_no_model_among_them_is_passed_over(tmp_path):
    version(tmp_path, "lstm-2bar", "1")
    version(tmp_path, "lstm-xbar", "1")
    (tmp_path / "notes-2bar").touch()
    assert [model.folder.name for model in pushed_models(tmp_path)] == ["lstm-2bar"]
