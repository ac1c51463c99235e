"""Runs of the pipeline: train, demo."""

import shlex
from pathlib import Path

import click
from drumline.commands.group import drumline, quiet, relative, show


def _words(context, option, text: str) -> tuple[str, ...]:
    """The words of an option, as a shell would part them."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@drumline.command()
@click.option(
    "--midi", required=True, help="The folder of MIDI files or archives; or an address such as gs://bucket/midi."
)
@click.option("--bars", type=int, default=2, help="Length of a window: 2 or 16.")
@click.option("--profile", default="demo", help="The sizes of models and training: demo, cpu or paper.")
@click.option("--models", default="", help="Which models, with commas.", show_default="all of the profile")
@click.option("--seed", type=int, default=0, help="Of the first weights and all that training draws.")
@click.option("--tune", is_flag=True, help="First search the sizes of lstm and conv, in short trainings.")
@click.option("--pattern", default="*", help="What to read in the folder, such as 'span-{SPAN}/*': the latest span.")
@click.option("--spans", type=int, default=1, help="On how many of the latest spans that were read to train.")
@click.option("--force", is_flag=True, help="Run every node, also those whose result is cached.")
@click.option("--beam-runner", default="direct", help="Where Beam's nodes run: direct or flink (docs/CLUSTER.md).")
@click.option("--flink-master", default="", help="HOST:PORT of a Flink cluster.", show_default="one on this machine")
@click.option(
    "--beam-args", default="", callback=_words, show_default=False, help="More of Beam's arguments, in quotation marks."
)
@quiet
def train(runs, midi, bars, profile, models, seed, tune, pattern, spans, force, beam_runner, flink_master, beam_args):
    """One run of the pipeline: reads MIDI, trains, evaluates, and pushes the models that pass their gate."""
    from drumline.pipeline.config import Config, absolute

    names = tuple(name.strip() for name in models.split(",") if name.strip())
    beam = {"beam_runner": beam_runner, "flink_master": flink_master, "beam_pipeline_args": beam_args}
    config = Config(
        absolute(midi), bars, profile, names, runs, pattern, spans, cache=not force, seed=seed, tune=tune, **beam
    )
    _run(config)
    _print_latest(config.metadata)


@drumline.command()
@quiet
def demo(runs):
    """Everything in minutes: fetch a free corpus, train both lengths, print the table, write MIDI and pages."""
    from drumline.corpora import find as corpora
    from drumline.pipeline.config import Config
    from drumline.pipeline.profiles import LENGTHS
    from drumline.play.beats import BeatMaker
    from drumline.results.report_files import reported_runs, write_report

    click.echo("Fetching the soundtrack of Freedoom (BSD-3-Clause)")
    corpus = corpora.fetch_freedoom(runs / "corpora")
    click.echo(f"{len(corpora.midi_files(corpus))} MIDI files in {relative(corpus)}")
    for bars in LENGTHS:
        click.echo(f"\nTraining on windows of {bars} bars")
        _run(Config(str(corpus), bars, models=("conv", "hierarchical_vae", "lstm"), runs=runs))
    click.echo()
    _print_latest(runs / "metadata.sqlite")
    click.echo("\nNew beats, as MIDI files:")
    for bars in LENGTHS:
        out = runs / "beats" / f"{bars}bar"
        for beat in BeatMaker(runs / "serving", ("hierarchical_vae",), bars, out).generate(count=4):
            click.echo(relative(beat.path))
    click.echo("\nWhat came of it, as pages for the browser:")
    for number in sorted(reported_runs(runs / "metadata.sqlite"))[-len(LENGTHS) :]:
        click.echo(relative(write_report(runs, [number])))


def _run(config) -> None:
    from drumline.pipeline.preflight import check_folders

    check_folders(config)
    # Slow to import, so after what may fail.
    from drumline.pipeline.console import NodeError
    from drumline.pipeline.run_pipeline import run

    try:
        run(config)
    except NodeError as error:
        raise click.ClickException(str(error)) from error


def _print_latest(metadata: Path) -> None:
    from drumline.results.store import latest_results
    from drumline.results.tables import tabulate_accuracies

    show(tabulate_accuracies(latest_results(metadata)))
