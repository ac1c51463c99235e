import pytest
from drumline.results.baselines import list_beaten, read_baselines
from drumline.results.evaluation import EVALUATION, Evaluation, Failure, Slice, describe_slice

from drumline.errors import InputError
from drumline.naming import drum_metric

EVALUATED = Evaluation(
    (
        Slice((), {"teacher_forced_accuracy": 0.5}, {"teacher_forced_accuracy": (0.4, 0.6)}),
        Slice((("hits_per_bar", "4-7"),), {"teacher_forced_accuracy": 0.25, "example_count": 3.0}),
        Slice((("distinct_bars", 2),), {}),
    ),
    (Failure("kl", "all windows", None, 5.0), Failure("teacher_forced_accuracy", "all windows", 0.5, 0.58, 0.6)),
)


def test_an_evaluation_is_the_same_after_it_was_written_and_read(tmp_path):
    EVALUATED.save(tmp_path)
    assert Evaluation.load(tmp_path) == EVALUATED


def test_an_evaluation_tells_the_metrics_over_all_windows_and_of_a_slice():
    assert EVALUATED.metrics == {"teacher_forced_accuracy": 0.5}
    assert EVALUATED.intervals == {"teacher_forced_accuracy": (0.4, 0.6)}
    part = EVALUATED[(("hits_per_bar", "4-7"),)]
    assert (part.feature, part.value, part.windows) == ("hits_per_bar", "4-7", 3)
    with pytest.raises(KeyError):
        EVALUATED[(("hits_per_bar", "8-15"),)]


def test_the_verdict_is_blessed_or_a_sentence_for_each_threshold():
    assert Evaluation(()).describe_verdict() == ["blessed"]
    assert EVALUATED.describe_verdict() == [
        "not blessed: its KL (nats per window) is unknown on all windows",
        "not blessed: its teacher-forced accuracy is 0.500 on all windows; the last blessed model has 0.600, "
        "and at most 0.020 less is allowed",
    ]


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (
            Failure("gain_over_repeat_bar", "all windows", -0.103, -0.02),
            "it is 10.3 points less accurate than repeating the previous bar (repeat_bar) on all windows; "
            "at most 2 points less is allowed (gain_over_repeat_bar)",
        ),
        (
            Failure("gain_over_majority", "all windows", 0.0199, 0.02),
            "it is 1.99 points more accurate than always playing the commonest combination (majority) on all windows; "
            "at least 2 points more is required (gain_over_majority)",
        ),
        (
            Failure("teacher_forced_accuracy", "windows of 0-3 hits a bar", 0.1, 0.15),
            "its teacher-forced accuracy is 0.100 on windows of 0-3 hits a bar; at least 0.150 is required",
        ),
        (
            Failure("kl", "all windows", 0.0, 5.0),
            "its KL (nats per window) is 0.000 on all windows; at least 5.000 is required",
        ),
        (
            Failure("new_metric", "all windows", 0.0, 1.0),
            "its new_metric is 0.000 on all windows; at least 1.000 is required",
        ),
    ],
)
def test_a_failure_says_what_was_measured_and_what_is_required(failure, sentence):
    assert str(failure) == sentence


@pytest.mark.parametrize("text", [None, "", "{}", '{"slices": 1}'])
def test_a_file_that_is_no_evaluation_is_one_sentence(tmp_path, text):
    if text is not None:
        (tmp_path / EVALUATION).write_text(text)
    with pytest.raises(InputError, match=r"evaluation\.json: not an evaluation"):
        Evaluation.load(tmp_path)


def test_a_slice_is_described_by_its_features():
    assert describe_slice(()) == "all windows"
    assert describe_slice((("hits_per_bar", "0-3"), ("distinct_bars", 1))) == (
        "windows of 0-3 hits a bar and windows of 1 distinct bar(s)"
    )


def test_a_model_beats_the_baselines_whose_teacher_forced_accuracy_is_lower():
    baselines = {"majority_accuracy": 0.4, "repeat_bar_accuracy": 0.6, "repeat_bar_sampled_accuracy": 0.1}
    assert list_beaten(baselines | {"teacher_forced_accuracy": 0.4}) == []
    assert list_beaten(baselines | {"teacher_forced_accuracy": 0.6}) == ["majority"]
    assert list_beaten(baselines | {"teacher_forced_accuracy": 0.61}) == ["majority", "repeat_bar"]
    assert list_beaten(baselines) == []


def test_a_baseline_has_a_sampled_accuracy_of_its_own():
    figures = read_baselines({"majority_accuracy": 0.4, "repeat_bar_accuracy": 0.6, "repeat_bar_sampled_accuracy": 0.5})
    assert figures == {
        "majority": {"teacher_forced_accuracy": 0.4, "sampled_accuracy": 0.4},
        "repeat_bar": {"teacher_forced_accuracy": 0.6, "sampled_accuracy": 0.5},
    }


def test_the_metric_of_a_drum_has_a_name_without_spaces_and_hyphens():
    assert drum_metric("onset_f1", "closed hi-hat") == "onset_f1_closed_hi_hat"
