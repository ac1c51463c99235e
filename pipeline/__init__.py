"""The TFX pipeline: its configuration, its nodes, its runners and the command line."""
