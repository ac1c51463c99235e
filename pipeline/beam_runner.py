"""The runner that `tfx pipeline create --engine beam` takes; configured by DRUMLINE_* (pipeline/config.py)."""

from tfx.orchestration.beam.beam_dag_runner import BeamDagRunner

from pipeline.running import run_from_environment

if __name__ == "__main__":
    run_from_environment(BeamDagRunner)
