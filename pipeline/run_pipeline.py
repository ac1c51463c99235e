"""Running a pipeline on this machine."""

import sys
import time
from dataclasses import replace

from apache_beam.options.pipeline_options import StandardOptions
from drumline.pipeline.beam_arguments import beam_arguments
from drumline.pipeline.config import Config
from drumline.pipeline.console import NodeError, node_lines
from drumline.pipeline.create_pipeline import create_pipeline
from drumline.pipeline.preflight import check_folders
from tfx.orchestration.beam.beam_dag_runner import BeamDagRunner

from drumline.errors import InputError


def run(config: Config, runner_class=BeamDagRunner) -> None:
    """Runs the pipeline of a configuration, with one line a node.

    Raises InputError before anything runs where the corpus or the folder for runs is unusable, NodeError where a
    node fails.
    """
    check_folders(config)
    # BeamDagRunner opens its own Beam pipeline without arguments, and Beam's default would download a binary.
    StandardOptions.DEFAULT_RUNNER = "FnApiRunner"
    log = config.runs / "logs" / f"{config.pipeline_name}-{time.strftime('%Y%m%d-%H%M%S')}.log"
    with node_lines(log), beam_arguments(config, log.with_suffix("")) as arguments:
        runner_class().run(create_pipeline(replace(config, beam_pipeline_args=arguments)))


def run_from_environment(runner_class) -> None:
    """What a runner file of the `tfx` command line does: runs what DRUMLINE_* describe; exits where that fails."""
    try:
        run(Config.from_environment(), runner_class)
    except (InputError, NodeError) as error:
        sys.exit(f"Error: {error}")
