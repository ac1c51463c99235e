import docker
import pytest
from docker.errors import DockerException
from drumline.pipeline import infra_validation as infra
from drumline.pipeline.config import Config
from drumline.pipeline.create_pipeline import create_pipeline


def nodes(tmp_path) -> dict:
    pipeline = create_pipeline(Config(str(tmp_path), 2, models=("lstm", "conv"), runs=tmp_path))
    return {node.id: node for node in pipeline.components}


def test_without_a_docker_engine_nothing_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nowhere.sock")
    there = nodes(tmp_path)
    assert not [name for name in there if name.startswith("InfraValidator")]
    assert "infra_blessing" not in there["Pusher.lstm"].inputs


def test_with_a_docker_engine_pusher_waits_for_tensorflow_serving(tmp_path, monkeypatch):
    monkeypatch.setattr(infra, "docker_answers", lambda: True)
    there = nodes(tmp_path)
    for model in ("lstm", "conv"):
        validator, pusher = there[f"InfraValidator.{model}"], there[f"Pusher.{model}"]
        assert validator.inputs["model"] is there[f"Trainer.{model}"].outputs["model"]
        assert pusher.inputs["infra_blessing"] is validator.outputs["blessing"]
        assert validator in pusher.upstream_nodes


@pytest.mark.parametrize("answer", [True, DockerException("no daemon")])
def test_an_engine_is_there_if_it_answers(monkeypatch, answer):
    class Engine:
        def ping(self):
            if isinstance(answer, Exception):
                raise answer
            return answer

    monkeypatch.setattr(docker, "from_env", lambda **_: Engine())
    assert infra.docker_answers() is (answer is True)
