"""The command line: `./run drums ...`."""

# Each module adds its commands to the group. Heavy imports stand inside the commands, so that those without TensorFlow
# start at once.
from commands import corpora, kubeflow, playing, results, serving, training  # noqa: F401
from commands.group import drums

if __name__ == "__main__":
    drums(prog_name="./run drums")
