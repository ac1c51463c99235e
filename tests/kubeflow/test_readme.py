"""kubeflow/README.md: its commands, places and parameters are there."""

import re
import shlex
from pathlib import Path

import click
import pytest
from drumline.commands.main import drumline
from drumline.kubeflow import compile as compiling
from drumline.kubeflow.parameters import PARAMETERS

ROOT = Path(__file__).parents[2]
README = (ROOT / "kubeflow" / "README.md").read_text()
# As a shell would read them: lines that go on, no comments.
BLOCKS = "\n".join(README.split("\n```\n")[1::2]).replace("\\\n", " ")
COMMANDS = sorted({line for line in BLOCKS.splitlines() if line.startswith("./run drumline ")})


def test_it_has_commands_to_look_at():
    assert {shlex.split(command)[2] for command in COMMANDS} == {"kubeflow", "generate"}


@pytest.mark.parametrize("line", COMMANDS)
def test_its_commands_are_understood(line):
    words, command = shlex.split(line, comments=True)[2:], drumline
    context = click.Context(drumline)
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(context, words)
        context = click.Context(command, parent=context, info_name=name)
    command.make_context(name, words, parent=context)


def test_what_it_names_is_there():
    named = set(re.findall(r"(?<![\w/.-])((?:kubeflow|tests|manifests)/[\w./-]*\w)", README))
    assert {"kubeflow/manifests/serving", "kubeflow/serving/generate.py"} <= named
    missing = {name for name in named if not (ROOT / name).exists() and not (ROOT / "kubeflow" / name).exists()}
    assert missing == set()


def test_its_parameters_are_those_of_the_compiled_files():
    section = README.partition("\n## 6. Run\n")[2].partition("\n## ")[0]
    names = [
        name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    ]
    assert names == [*PARAMETERS]


def test_it_replaces_the_image_that_the_manifests_have():
    assert f"s|image: {compiling.IMAGE}|image: ${{IMAGE:?}}|" in README
