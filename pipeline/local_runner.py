"""The runner that `tfx pipeline create --engine local` takes; configured by DRUMLINE_* (pipeline/config.py)."""

from tfx import v1 as tfx

from pipeline.running import run_from_environment

if __name__ == "__main__":
    run_from_environment(tfx.orchestration.LocalDagRunner)
