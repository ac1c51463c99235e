import pytest
from drumline.pipeline.console import node_lines
from tfx.orchestration.portable.launcher import Launcher


def test_tfx_launches_nodes_as_before_once_the_lines_end_even_by_an_error(tmp_path):
    before, within = Launcher.launch, []

    def fail_within():
        with node_lines(tmp_path / "run.log"):
            within.append(Launcher.launch)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_within()
    assert within[0] is not before
    assert Launcher.launch is before
