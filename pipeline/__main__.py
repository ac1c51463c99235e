"""The command line: `./run drums ...`."""

import functools
import json
import os
from pathlib import Path

import click

from drums.errors import InputError
from pipeline.redirection import opened, redirected

# Heavy imports stand inside the commands, so that those without TensorFlow start at once.

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


@drums.command()
@click.argument("corpus")
@click.pass_obj
def fetch(runs, corpus):
    """Get a corpus into runs/corpora: `freedoom`, or a FOLDER of your own MIDI files.

    freedoom is the soundtrack of the game Freedoom: 75 songs, BSD-3-Clause.
    """
    from drums import corpora

    into = runs / "corpora"
    path = corpora.fetch_freedoom(into) if corpus == "freedoom" else corpora.fetch_folder(Path(corpus), into)
    click.echo(f"{len(corpora.midi_files(path))} MIDI files in {path}")


@drums.command()
@click.argument("path")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--windows", "with_windows", is_flag=True, help="The combinations of each distinct window, too.")
def inspect(path, as_json, with_windows):
    """What the pipeline sees in a MIDI file or a folder: bars, segments, windows, or why a file is left out."""
    from drums import corpora, inspection

    for found in inspection.inspect(corpora.midi_files(path)):
        if as_json:
            click.echo(json.dumps(found.as_dict(with_windows=with_windows)))
            continue
        click.echo(str(found))
        if with_windows and found.song:
            for bars in inspection.WINDOW_BARS:
                for window in found.windows(bars):
                    click.echo(f"  {bars} bars: {' '.join(map(str, window))}")


@drums.command()
@click.option("--midi", type=click.Path(path_type=Path), required=True, help="The folder of MIDI files.")
@click.option("--bars", type=int, default=2, help="Length of a window: 2 or 16.")
@click.option("--profile", default="demo", help="The sizes of models and training.")
@click.option("--models", default="", help="Which models, with commas.  [default: all of the profile]")
@click.option("--force", is_flag=True, help="Run every node, also those whose result is cached.")
@quiet
def train(runs, midi, bars, profile, models, force):
    """One run of the pipeline: reads MIDI, trains, evaluates, and pushes the models that pass their gate."""
    from pipeline.config import Config

    names = tuple(name.strip() for name in models.split(",") if name.strip())
    config = Config(midi.absolute(), bars, profile, names, runs, cache=not force)
    _run(config)
    _print_table(config.metadata)


@drums.command()
@quiet
def table(runs):
    """The accuracies of the latest runs, beside the paper's."""
    _print_table(runs / "metadata.sqlite")


@drums.command()
@click.option("--model", default="hierarchical_vae", help="A pushed model.")
@click.option("--bars", type=int, default=2, help="Its length: 2 or 16.")
@click.option("--count", type=click.IntRange(1, 1000), default=4, help="How many beats.")
@click.option("--temperature", type=click.FloatRange(0), default=1.0, help="0 always plays the likeliest.")
@click.option("--seed", type=int, default=0, help="The same seed gives the same beats.")
@click.option("--qpm", type=click.FloatRange(20, 400), default=120.0, help="Quarter notes a minute.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder for the MIDI files.")
@quiet
def generate(runs, model, bars, count, temperature, seed, qpm, out):
    """Write new beats as MIDI files."""
    from pipeline.generating import generate_midi

    for path in generate_midi(runs / "serving", model, bars, count, temperature, seed, qpm, out):
        click.echo(str(path))


@drums.command()
@quiet
def demo(runs):
    """Everything in minutes: fetch a free corpus, train both lengths, print the table, write MIDI."""
    from drums import corpora
    from pipeline.config import Config
    from pipeline.generating import generate_midi
    from pipeline.profiles import LENGTHS

    click.echo("Fetching the soundtrack of Freedoom (BSD-3-Clause)")
    corpus = corpora.fetch_freedoom(runs / "corpora")
    click.echo(f"{len(corpora.midi_files(corpus))} MIDI files in {corpus}")
    for bars in LENGTHS:
        click.echo(f"\nTraining on windows of {bars} bars")
        _run(Config(corpus, bars, runs=runs))
    click.echo()
    _print_table(runs / "metadata.sqlite")
    click.echo("\nNew beats, as MIDI files:")
    for bars in LENGTHS:
        out = runs / "beats" / f"{bars}bar"
        for path in generate_midi(runs / "serving", "hierarchical_vae", bars, 4, 1.0, 0, 120.0, out):
            click.echo(str(path))


def _run(config) -> None:
    from pipeline.console import NodeError
    from pipeline.running import run

    try:
        run(config)
    except NodeError as error:
        raise click.ClickException(str(error)) from error


def _print_table(metadata: Path) -> None:
    from rich.console import Console

    from pipeline.results import latest_results
    from pipeline.results import table as table_of

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160
    console.print(table_of(latest_results(metadata)))


if __name__ == "__main__":
    drums(prog_name="./run drums")
