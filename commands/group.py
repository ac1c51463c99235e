"""What all commands share: their group, where noise goes, how tables are shown."""

import functools
import math
import os
from pathlib import Path

import click

from drums.errors import InputError
from pipeline.redirection import opened, redirected

RUNS = Path(os.environ.get("DRUMLINE_RUNS", Path(__file__).parent.parent / "runs"))


class Commands(click.Group):
    """Shows an InputError as its one sentence, and nothing of a stack."""

    def invoke(self, context):
        try:
            return super().invoke(context)
        except InputError as error:
            raise click.ClickException(str(error)) from error


def quiet(command):
    """A command whose libraries' noise on standard error goes to runs/logs/drums.log."""

    @functools.wraps(command)
    def with_log(runs, *arguments, **options):
        with opened(runs / "logs" / "drums.log") as log, redirected(log, 2):
            return command(runs, *arguments, **options)

    return click.pass_obj(with_log)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default=RUNS,
    show_default="runs",
    envvar="DRUMLINE_RUNS",
    help="Where everything that a run writes goes.",
)
@click.pass_context
def drums(context, runs):
    """Folders of MIDI in, served drum generators out."""
    context.obj = runs.absolute()


class Number(click.FloatRange):
    """A float that is a number, and finite."""

    def convert(self, value, param, ctx):
        number = super().convert(value, param, ctx)
        return number if math.isfinite(number) else self.fail(f"{value} is no finite number.", param, ctx)


def show(table) -> None:
    """Prints a table of rich; as wide as it needs where that is no terminal."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160
    console.print(table)


def here(path: Path) -> str:
    """A path as one would type it: from the working folder, where it lies below."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
