"""Versions come and go while the server answers."""

import shutil
import threading

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf
from drumline.serving.server import ModelServer
from google.protobuf import text_format
from tensorflow_serving.apis import model_management_pb2, predict_pb2, prediction_log_pb2

from drumline.errors import InputError
from tests.serving.running import FLAT, copied, model_stub, rest, sampling, soon, states, stub

POLL = {"poll": 0.05}


class Asking:
    """Threads that ask without pause; `versions` answered, `errors` came instead."""

    def __init__(self, server: ModelServer, threads: int = 4):
        self.versions: set[int] = set()
        self.answers, self.errors = 0, []
        self._stub, self._stopped = stub(server), threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(threads)]

    def _ask(self, number: int) -> None:
        while not self._stopped.is_set():
            try:
                self.versions.add(self._stub.Predict(sampling(number), timeout=60).model_spec.version.value)
                self.answers += 1
            except grpc.RpcError as error:
                self.errors.append(error)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopped.set()
        for thread in self._threads:
            thread.join()


def reload(server: ModelServer, *models: str):
    text = "".join(f"config {{ {model} }}" for model in models)
    request = model_management_pb2.ReloadConfigRequest()
    text_format.Parse(f"model_config_list {{ {text} }}", request.config)
    return model_stub(server).HandleReloadConfigRequest(request, timeout=60)


def named(own, name=FLAT, more: str = "") -> str:
    return f'name: "{name}" base_path: "{own / FLAT}" model_platform: "tensorflow" {more}'


def refusal(call, *arguments) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as raised:
        call(*arguments)
    return raised.value.code(), raised.value.details()


def test_a_new_version_takes_over_without_a_failed_request(own):
    with ModelServer(own, **POLL) as server, Asking(server) as asking:
        for version in (2, 3):
            soon(lambda: asking.answers > 10 * version)  # noqa: B023
            copied(own / FLAT, version)
            soon(lambda: version in asking.versions)  # noqa: B023
            shutil.rmtree(own / FLAT / str(version - 1))
        soon(lambda: states(server, FLAT) == {1: "END", 2: "END", 3: "AVAILABLE"})
    assert asking.errors == []
    assert asking.versions == {1, 2, 3}


def test_a_broken_version_is_refused_and_the_last_good_one_stays(own):
    with ModelServer(own, **POLL) as server, Asking(server) as asking:
        broken = own / FLAT / "2"
        broken.mkdir()
        (broken / "saved_model.pb").write_bytes(b"broken")
        soon(lambda: states(server, FLAT).get(2) == "END")
        status = requests.get(rest(server, f"/v1/models/{FLAT}/versions/2"), timeout=20).json()
        (found,) = status["model_version_status"]
        assert found["status"]["error_code"] != "OK"
        assert found["status"]["error_message"]
        assert states(server, FLAT)[1] == "AVAILABLE"
        answers = asking.answers
        soon(lambda: asking.answers > answers + 20)
        assert asking.errors == []
        assert asking.versions == {1}
        shutil.rmtree(broken)
        copied(own / FLAT, 2)
        soon(lambda: states(server, FLAT) == {1: "END", 2: "AVAILABLE"})


def test_a_version_that_is_still_being_copied_is_tried_again_once_it_is_whole(own):
    with ModelServer(own, **POLL) as server:
        part = own / FLAT / "2"
        part.mkdir()
        shutil.copy(own / FLAT / "1" / "saved_model.pb", part)
        soon(lambda: states(server, FLAT).get(2) == "END")
        shutil.copytree(own / FLAT / "1", part, dirs_exist_ok=True)
        soon(lambda: states(server, FLAT) == {1: "END", 2: "AVAILABLE"})


def test_only_folders_named_by_a_number_with_a_model_are_versions(own):
    for name in ("2", "3.part", "latest", "-4", "99999999999999999999"):
        (own / FLAT / name).mkdir()
    (own / FLAT / "latest" / "saved_model.pb").touch()
    (own / FLAT / "99999999999999999999" / "saved_model.pb").touch()
    (own / FLAT / "5").touch()
    with ModelServer(own, **POLL) as server:
        assert states(server, FLAT) == {1: "AVAILABLE"}


def test_a_model_that_is_pushed_later_is_taken_up_and_one_that_goes_is_dropped(own):
    with ModelServer(own, **POLL) as server:
        shutil.copytree(own / FLAT, own / "new-2bar")
        soon(lambda: server.served.names() == [FLAT, "new-2bar"])
        shutil.rmtree(own / FLAT)
        soon(lambda: server.served.names() == ["new-2bar"])
        assert refusal(stub(server).Predict, sampling())[0] == grpc.StatusCode.NOT_FOUND


def test_a_configuration_pins_versions_and_labels(own):
    copied(own / FLAT, 2)
    policy = "model_version_policy { specific { versions: 1 versions: 2 } }"
    labels = 'version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: 2 }'
    with ModelServer(own, **POLL) as server:
        assert states(server, FLAT) == {2: "AVAILABLE"}
        assert reload(server, named(own, more=policy + labels)).status.error_code == 0
        assert states(server, FLAT) == {1: "AVAILABLE", 2: "AVAILABLE"}
        for spec, version in (({"label": "stable"}, 1), ({"label": "canary"}, 2), ({}, 2), ({"version": 1}, 1)):
            assert stub(server).Predict(sampling(**spec), timeout=20).model_spec.version.value == version
        assert requests.get(rest(server, f"/v1/models/{FLAT}/labels/stable"), timeout=20).ok
        wrong = 'version_labels { key: "stable" value: 3 }'
        code, words = refusal(reload, server, named(own, more=policy + wrong))
        assert code == grpc.StatusCode.FAILED_PRECONDITION
        assert words.startswith(f"Request to assign label to version 3 of model {FLAT}, which is not")
        assert stub(server).Predict(sampling(label="stable"), timeout=20).model_spec.version.value == 1
        reload(server, named(own, name="other"))
        assert server.served.names() == ["other"]


def test_as_many_versions_stay_as_the_policy_says(own):
    for version in (2, 3):
        copied(own / FLAT, version)
    with ModelServer(own, **POLL) as server:
        reload(server, named(own, more="model_version_policy { latest { num_versions: 2 } }"))
        assert states(server, FLAT) == {2: "AVAILABLE", 3: "AVAILABLE"}
        reload(server, named(own, more="model_version_policy { all { } }"))
        assert states(server, FLAT) == {1: "AVAILABLE", 2: "AVAILABLE", 3: "AVAILABLE"}


@pytest.mark.parametrize("path", ["/etc", "..", "flat_vae-2bar/../../..", "missing", ""])
def test_a_request_cannot_name_folders_elsewhere(own, path):
    with ModelServer(own, **POLL) as server:
        code, _ = refusal(reload, server, f'name: "x" base_path: "{path}" model_platform: "tensorflow"')
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert server.served.names() == [FLAT]


@pytest.mark.parametrize("name", ["", "a/b", "a:predict"])
def test_a_request_cannot_give_a_model_an_impossible_name(own, name):
    with ModelServer(own, **POLL) as server:
        assert refusal(reload, server, named(own, name))[0] == grpc.StatusCode.INVALID_ARGUMENT
        assert refusal(reload, server, named(own), named(own))[0] == grpc.StatusCode.INVALID_ARGUMENT


def test_a_configuration_file_is_read_or_refused_in_a_sentence(own, tmp_path):
    file = tmp_path / "models.config"
    file.write_text(f"model_config_list {{ config {{ {named(own, name='drums')} }} }}")
    with ModelServer(own, config=file) as server:
        assert server.served.names() == ["drums"]
    missing = 'version_labels { key: "stable" value: 7 }'
    file.write_text(f"model_config_list {{ config {{ {named(own, more=missing)} }} }}")
    with pytest.raises(InputError, match=r"models\.config: Request to assign label to version 7"):
        ModelServer(own, config=file).start()
    for text in ("model_config_list { conf", "", 'model_config_list { config { base_path: "x" } }'):
        file.write_text(text)
        with pytest.raises(InputError, match=r"models\.config: no ModelServerConfig"):
            ModelServer(own, config=file)


def warm_up(version, *requests_: predict_pb2.PredictRequest) -> None:
    file = version / "assets.extra" / "tf_serving_warmup_requests"
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for request in requests_:
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())


def test_a_version_whose_warm_up_fails_is_not_served(own):
    warm_up(own / FLAT / "1", sampling())
    wrong = sampling()
    wrong.inputs["seed"].CopyFrom(tf.make_tensor_proto(np.zeros((1, 3), np.int64)))
    with ModelServer(own, **POLL) as server:
        assert states(server, FLAT) == {1: "AVAILABLE"}
        shutil.copytree(own / FLAT / "1", own / "part")
        shutil.rmtree(own / "part" / "assets.extra")
        warm_up(own / "part", sampling(), wrong)
        (own / "part").rename(own / FLAT / "2")
        soon(lambda: states(server, FLAT).get(2) == "END")
        (found,) = [version for version in server.served.status(sampling().model_spec) if version.number == 2]
        assert "expected shape [?,2], got [1,3]" in str(found.failure)
        assert states(server, FLAT)[1] == "AVAILABLE"
