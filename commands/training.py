"""Runs of the pipeline: train, demo, profiles."""

import shlex
from pathlib import Path

import click
from drumline.commands.group import drumline, quiet, relative, show


def _split_words(context, option, text: str) -> tuple[str, ...]:
    """Splits an option into words as a shell would."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@drumline.command()
@click.option("--midi", required=True, help="Folder of MIDI files or archives, or an address such as gs://bucket/midi.")
@click.option("--bars", type=int, default=2, help="Length of a window in bars, one of the profile's lengths.")
@click.option("--profile", default="demo", help="Settings of the models: demo, cpu, paper, or a TOML file.")
@click.option(
    "--set", "settings", metavar="NAME=VALUE", multiple=True, help="Override a setting of the profile; may be repeated."
)
@click.option("--models", default="", help="Models to train, with commas.", show_default="all of the profile")
@click.option("--seed", type=int, help="Random seed of the training.", show_default="the profile's")
@click.option("--tune", is_flag=True, help="First search the sizes of lstm and conv in short trainings.")
@click.option("--pattern", default="*", help="What to read in the folder, such as 'span-{SPAN}/*': the latest span.")
@click.option("--spans", type=int, default=1, help="Number of latest spans to train on, of those that were ever read.")
@click.option("--map", "drum_map", default="", help="Drum map: gm, roland or a file.", show_default="gm")
@click.option("--channel", type=click.IntRange(1, 16), help="MIDI channel of the drums.", show_default="10")
@click.option("--loops", is_flag=True, help="Repeat files that are shorter than a window until they fill one.")
@click.option("--force", is_flag=True, help="Run every node again, ignoring the cache.")
@click.option("--beam-runner", default="direct", help="Runner of the Beam nodes: direct or flink (docs/CLUSTER.md).")
@click.option("--flink-master", default="", help="HOST:PORT of a Flink cluster.", show_default="one on this machine")
@click.option(
    "--beam-args", default="", callback=_split_words, show_default=False, help="Further arguments for Beam, quoted."
)
@quiet
def train(
    runs,
    midi,
    bars,
    profile,
    settings,
    models,
    seed,
    tune,
    pattern,
    spans,
    drum_map,
    channel,
    loops,
    force,
    beam_runner,
    flink_master,
    beam_args,
):
    """Train, evaluate and push models on MIDI files.

    This runs the pipeline; models that pass their gate are pushed.

    Settings are named as in the profile, for example `--set training.steps=500` for all models or
    `--set hierarchical_vae.sizes.latent=64` for one; `drumline profiles` lists them. If a training is killed, repeat
    the command: it resumes from the last checkpoint.
    """
    from drumline.pipeline.config import Config, absolute, split_names

    config = Config(
        absolute(midi),
        bars,
        profile,
        split_names(models),
        runs,
        pattern,
        spans,
        cache=not force,
        seed=seed,
        tune=tune,
        beam_runner=beam_runner,
        flink_master=flink_master,
        beam_pipeline_args=beam_args,
        settings=settings,
        drum_map=drum_map,
        channel=channel or 0,
        loops=loops,
    )
    _run(config)
    _print_latest(config.metadata)


@drumline.command()
@click.argument("profile", required=False)
def profiles(profile):
    """List the profiles of settings, or print one.

    A profile is a TOML file with all settings of the models, their training and their gates:
    `drumline profiles demo > my.toml`, then `drumline train --profile my.toml`.
    """
    from drumline.pipeline.profiles import Profile, list_profiles, locate_profile

    if profile:
        click.echo(locate_profile(profile).read_text(), nl=False)
        return
    for name in list_profiles():
        found = Profile.read(name)
        models = dict.fromkeys(model for bars in found.lengths for model in found.models(bars))
        click.echo(f"{name:<8} {', '.join(map(str, found.lengths))} bars: {', '.join(models)}")


@drumline.command()
@quiet
def demo(runs):
    """Train on a free corpus and write beats, in minutes."""
    from drumline.corpora import find as corpora
    from drumline.pipeline.config import Config
    from drumline.pipeline.profiles import Profile
    from drumline.play.beats import BeatMaker
    from drumline.results.report_files import reported_runs, write_report

    click.echo("Fetching the soundtrack of Freedoom (BSD-3-Clause)")
    corpus = corpora.fetch_freedoom(runs / "corpora")
    click.echo(f"{len(corpora.midi_files(corpus))} MIDI files in {relative(corpus)}")
    lengths = Profile.read("demo").lengths
    for bars in lengths:
        click.echo(f"\nTraining on windows of {bars} bars")
        _run(Config(str(corpus), bars, models=("conv", "hierarchical_vae", "lstm"), runs=runs))
    click.echo()
    _print_latest(runs / "metadata.sqlite")
    click.echo("\nNew beats (MIDI files):")
    for bars in lengths:
        out = runs / "beats" / f"{bars}bar"
        for beat in BeatMaker(runs / "serving", ("hierarchical_vae",), bars, out).generate(count=4):
            click.echo(relative(beat.path))
    click.echo("\nReports (open in a browser):")
    for number in sorted(reported_runs(runs / "metadata.sqlite"))[-len(lengths) :]:
        click.echo(relative(write_report(runs, [number])))


def _run(config) -> None:
    config.check_paths()
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
