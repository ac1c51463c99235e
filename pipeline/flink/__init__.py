"""Apache Flink for the Beam nodes of a run: a cluster on this machine, or another's through Beam's job server."""
