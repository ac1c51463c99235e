import json

import pytest
from drumline.kubeflow.parameters import apply_parameters
from drumline.models.sizes import Training
from drumline.pipeline.profiles import Profile
from tfx.proto import example_gen_pb2
from tfx.utils import json_utils, proto_utils

from drumline.errors import InputError

TRAINER = {"custom_config": json_utils.dumps({"model": "lstm", "bars": 2, "profile": "cpu", "checkpoints": "/c"})}
EVALUATOR = {"model": "conv", "bars": 16.0, "example_splits": '["test"]'}
RUN = {"profile": "demo", "seed": 3, "settings": {}}


def training(**parameters):
    return json.loads(apply_parameters(TRAINER | RUN | parameters)["custom_config"])


def test_a_trainer_is_told_of_the_profile_and_seed_of_the_run():
    config = training()
    expected = Profile.read("demo").models(2)["lstm"].training
    assert config["profile"] == "demo"
    assert config["checkpoints"] == "/c"
    assert Training(**config["training"]).steps == expected.steps
    assert config["training"]["seed"] == 3
    assert set(apply_parameters(TRAINER | RUN)) == {"custom_config"}


def test_workers_of_a_trainer_are_told_to_share_its_training():
    config = training(settings={"training.strategy": "multi_worker"})["training"]
    assert config == training()["training"] | {"strategy": "multi_worker"}


def test_settings_of_the_run_override_the_profile():
    settings = {"training.steps": 2, "lstm.sizes.units": 8, "training.minutes": None, "training.mixed_bfloat16": True}
    config = training(settings=settings)
    assert (config["training"]["steps"], config["sizes"]["units"]) == (2, 8)
    assert (config["training"]["minutes"], config["training"]["mixed_bfloat16"]) == (None, True)


def test_a_tuner_searches_as_the_profile_says():
    tuner = {"custom_config": json_utils.dumps({"model": "lstm", "bars": 2, "search": {}})}
    config = json.loads(apply_parameters(tuner | {"profile": "cpu", "seed": 0, "settings": {}})["custom_config"])
    assert config["search"]


def test_thresholds_replace_those_of_the_profile():
    config = apply_parameters(EVALUATOR | {"profile": "paper", "settings": {"gate.accuracy": 0.75}})
    assert '"lower_bound": 0.75' in config["eval_config"]
    assert set(config) == {"eval_config", "example_splits"}
    unchanged = apply_parameters(EVALUATOR | {"profile": "paper", "settings": {}})
    assert f'"lower_bound": {Profile.read("paper").models(16)["conv"].gate.accuracy}' in unchanged["eval_config"]


def test_the_corpus_and_pattern_are_those_of_the_run():
    node = {
        "input_base": "baked",
        "input_config": proto_utils.proto_to_json(
            example_gen_pb2.Input(splits=[example_gen_pb2.Input.Split(name="midi", pattern="*")])
        ),
    }
    given = apply_parameters(node | {"corpus": "gs://bucket/midi", "pattern": "span-{SPAN}"})
    assert given["input_base"] == "gs://bucket/midi"
    assert json.loads(given["input_config"])["splits"] == [{"name": "midi", "pattern": "span-{SPAN}"}]


def test_a_step_that_no_parameter_concerns_keeps_its_properties():
    assert apply_parameters({"pushed": "/serving/lstm-2bar"}) == {"pushed": "/serving/lstm-2bar"}


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        (TRAINER | RUN | {"profile": "huge"}, "there is no profile 'huge'"),
        (TRAINER | RUN | {"settings": {"training.steps": -1}}, "not -1"),
        (
            EVALUATOR | {"profile": "cpu", "settings": {"gate.acuracy": 1}},
            "there is no setting gate.acuracy; gate has",
        ),
        (EVALUATOR | {"profile": "cpu", "settings": {"gate.accuracy": "high"}}, "gate.accuracy: .* not 'high'"),
    ],
)
def test_a_value_that_no_run_could_use_is_refused(properties, said):
    with pytest.raises(InputError, match=said):
        apply_parameters(properties)
