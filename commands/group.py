"""What all commands share: their group, where noise goes, how tables are shown."""

import functools
import math
from pathlib import Path

import click

import drumline as package
from drumline.errors import InputError
from drumline.folders import RUNS
from drumline.log_files import open_log, redirect


class Commands(click.Group):
    """Shows an InputError as its one sentence without a stack trace, and takes `--runs` behind each command, too."""

    def invoke(self, context):
        try:
            return super().invoke(context)
        except InputError as error:
            raise click.ClickException(str(error)) from error

    def add_command(self, cmd, name=None):
        if not isinstance(cmd, click.Group):
            cmd.params.append(_runs_option(expose_value=False, hidden=True))
        super().add_command(cmd, name)


def _set_runs(context: click.Context, _, runs: Path | None) -> None:
    if runs is not None:
        context.obj = runs.absolute()


def _runs_option(**options) -> click.Option:
    return click.Option(["--runs"], type=click.Path(path_type=Path), callback=_set_runs, **options)


def quiet(command):
    """A command whose libraries' messages on standard error go to runs/logs/drumline.log."""

    @functools.wraps(command)
    def with_log(runs, *arguments, **options):
        with open_log(runs / "logs" / "drumline.log") as log, redirect(log, 2):
            return command(runs, *arguments, **options)

    return click.pass_obj(with_log)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default=RUNS,
    show_default="runs",
    envvar="DRUMLINE_RUNS",
    help="Folder of everything that a run writes; accepted before and after the command.",
)
@click.version_option(package.__version__, "--version", prog_name="drumline")
@click.pass_context
def drumline(context, runs):
    """Train drum generators on folders of MIDI files, and play and serve them."""
    context.obj = runs.absolute()


@drumline.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell):
    """Print the completion script of a shell.

    In bash: eval "$(drumline completion bash)"
    """
    from click.shell_completion import get_completion_class

    completer = get_completion_class(shell)
    if completer is not None:
        click.echo(completer(drumline, {}, "drumline", "_DRUMLINE_COMPLETE").source())


class Seed(click.types.IntParamType):
    """A random seed: an integer of 64 bits."""

    def convert(self, value, param, ctx):
        seed = super().convert(value, param, ctx)
        return seed if -(2**63) <= seed < 2**63 else self.fail(f"{value} does not fit into 64 bits.", param, ctx)


class Number(click.FloatRange):
    """A finite float."""

    def convert(self, value, param, ctx):
        number = super().convert(value, param, ctx)
        return number if math.isfinite(number) else self.fail(f"{value} is not a finite number.", param, ctx)


def show(table) -> None:
    """Prints a table of rich; as wide as it needs where the output is not a terminal."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160
    console.print(table)


def relative(path: Path) -> str:
    """A path as one would type it: relative to the working folder, where it lies below."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
