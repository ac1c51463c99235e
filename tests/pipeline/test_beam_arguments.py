import pytest
from click.testing import CliRunner
from drumline.commands.main import drumline
from drumline.pipeline.beam_arguments import beam_arguments
from drumline.pipeline.config import Config

from drumline.errors import InputError


def test_without_a_word_beam_gets_no_argument(tmp_path):
    with beam_arguments(Config("midi", 2), tmp_path / "logs") as arguments:
        assert arguments == ()
    assert not (tmp_path / "logs").exists()


def test_what_a_user_tells_beam_is_all_that_another_runner_gets(tmp_path):
    dataflow = ("--runner=DataflowRunner", "--project=mine")
    with beam_arguments(Config("midi", 2, beam_pipeline_args=dataflow), tmp_path) as arguments:
        assert arguments == dataflow


def test_a_runner_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="there is no Beam runner 'spark'; there are direct and flink"):
        Config("midi", 2, beam_runner="spark")


def test_a_flink_master_without_flink_is_refused():
    with pytest.raises(InputError, match="name that, too"):
        Config("midi", 2, flink_master="localhost:8081")


def test_arguments_that_no_shell_would_take_are_refused_by_name(tmp_path):
    result = CliRunner().invoke(drumline, ["train", "--midi", str(tmp_path), "--beam-args", "--job_name='a"])
    assert result.exit_code == 2
    assert "Invalid value for '--beam-args'" in result.output
