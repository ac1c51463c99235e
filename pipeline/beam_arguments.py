"""Where the Beam nodes of a run are executed."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from drumline.pipeline.config import Config
from drumline.pipeline.flink.cluster import FlinkCluster, local_cluster
from drumline.pipeline.flink.jars import cached_jars
from drumline.pipeline.flink.job_server import job_server

# The workers have all they need: without an image to its name, TFX would pack itself up for each node.
READY_WORKERS = "--sdk_container_image=drumline"


@contextlib.contextmanager
def beam_arguments(config: Config, logs: Path) -> Iterator[tuple[str, ...]]:
    """Beam's arguments of a run's nodes; what they name, such as a Flink cluster, is there as long as the block.

    Raises InputError where that cannot be.
    """
    if config.beam_runner == "direct":
        yield config.beam_pipeline_args
        return
    jars = cached_jars()
    with contextlib.ExitStack() as stack:
        if config.flink_master:
            cluster = FlinkCluster(config.flink_master)
        else:
            cluster = stack.enter_context(local_cluster(jars, logs))
        logging.getLogger("drumline").info(f"Flink: http://{cluster.address} (logs: {logs})")
        server = stack.enter_context(job_server(jars, cluster, logs))
        # The last of two equal arguments holds.
        yield (*server, READY_WORKERS, *config.beam_pipeline_args)
