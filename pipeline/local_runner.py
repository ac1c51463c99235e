"""The runner file for `tfx pipeline create --engine local`; configured by DRUMLINE_* (pipeline/config.py)."""

from drumline.pipeline.run_pipeline import run_from_environment

if __name__ == "__main__":
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner

    run_from_environment(LocalDagRunner)
