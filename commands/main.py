"""The command line `drumline`."""

# Each module adds its commands to the group. Heavy imports stand inside the commands, so that those without TensorFlow
# start at once.
from drumline.commands import corpora, kubeflow, play, results, serving, training  # noqa: F401
from drumline.commands.group import drumline


def main() -> None:
    """Runs the command line."""
    drumline(prog_name="drumline")
