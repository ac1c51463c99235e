"""The runner file for `tfx pipeline create --engine beam`; configured by DRUMLINE_* (pipeline/config.py)."""

from drumline.pipeline.run_pipeline import run_from_environment

if __name__ == "__main__":
    from tfx.orchestration.beam.beam_dag_runner import BeamDagRunner

    run_from_environment(BeamDagRunner)
