import shutil

import pytest
from drumline.results.store import all_results, latest_of_seeds, latest_results, read_runs

from drumline.errors import InputError
from tests.results.store import METRICS, Runs


@pytest.fixture
def runs(tmp_path) -> Runs:
    """An empty folder of runs, to write some into."""
    return Runs(tmp_path)


@pytest.fixture
def metadata(tmp_path):
    return tmp_path / "metadata.sqlite"


def test_a_result_tells_what_trainer_evaluator_and_pusher_recorded(runs, metadata):
    runs.write("conv", bars=16, seed=3, pushed="17")
    ((result,),) = (run.models for run in read_runs(metadata))
    assert (result.model, result.bars, result.profile, result.seed) == ("conv", 16, "demo", 3)
    assert (result.midi, result.corpus, result.counts) == ("runs/corpora/mine", "mine", {"windows": 12})
    assert (result.sizes, result.training, result.tuned) == ({"units": 8}, {"seed": 3, "steps": 40}, False)
    assert (result.steps, result.minutes) == (40, 1.0)
    assert (result.metrics, result.blessed, result.pushed) == (METRICS, True, "17")
    assert result.beaten == ["majority"]


def test_a_model_that_was_not_pushed_has_no_version(runs, metadata):
    runs.write("conv")
    (result,) = all_results(metadata)
    assert (result.blessed, result.pushed) == (False, None)


def test_the_latest_of_each_model_and_length_counts(runs, metadata):
    for model, bars, seed in (("lstm", 2, 0), ("conv", 2, 0), ("conv", 16, 0), ("conv", 2, 1)):
        runs.write(model, bars, seed)
    numbers = [run.number for run in read_runs(metadata)]
    assert numbers == sorted(numbers)
    assert [(result.model, result.bars) for result in all_results(metadata)] == [
        ("lstm", 2),
        ("conv", 2),
        ("conv", 16),
        ("conv", 2),
    ]
    assert [(result.model, result.bars, result.seed) for result in latest_results(metadata)] == [
        ("conv", 2, 1),
        ("lstm", 2, 0),
        ("conv", 16, 0),
    ]
    assert [(result.model, result.bars, result.seed) for result in latest_of_seeds(metadata)] == [
        ("conv", 2, 0),
        ("conv", 2, 1),
        ("lstm", 2, 0),
        ("conv", 16, 0),
    ]


def test_an_evaluation_whose_files_were_deleted_is_left_out(runs, metadata):
    deleted = runs.write("conv")
    runs.write("lstm")
    shutil.rmtree(deleted)
    assert [result.model for result in all_results(metadata)] == ["lstm"]


def test_a_store_without_an_evaluation_is_one_sentence(runs, metadata):
    shutil.rmtree(runs.write("conv"))
    with pytest.raises(InputError, match="no run has evaluated a model yet"):
        all_results(metadata)


def test_a_file_that_is_no_store_is_one_sentence(metadata):
    metadata.write_text("not a database, but as long as the header of one " * 10)
    with pytest.raises(InputError, match="not an ML Metadata store"):
        read_runs(metadata)
