"""The command line: `./run drums ...`."""

import functools
import json
import os
import shlex
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


def _words(context, option, text: str) -> tuple[str, ...]:
    """The words of an option, as a shell would part them."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


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
@click.argument("corpora", metavar="CORPUS...", nargs=-1, required=True)
@click.pass_obj
def fetch(runs, corpora):
    """Get corpora into runs/corpora, by name, or by the FOLDER of your own MIDI files and archives.

    \b
    freedoom     the soundtrack of the game Freedoom: 75 songs, BSD-3-Clause
    simutrans    that of the game Simutrans: 53 songs, Artistic-1.0
    openttd      that of OpenTTD, by OpenMSX: 31 songs, GPL-2
    planetblupi  that of Planet Blupi: 10 songs, GPL-3+
    mma          accompaniments of MMA, Musical MIDI Accompaniment: 73 songs, GPL-2+
    groove       the Groove MIDI Dataset: 1,150 recordings of drummers, 3 MB, CC BY 4.0
    lakh         the Lakh MIDI Dataset: 176,581 songs, 1.8 GB, CC BY 4.0

    Each has its licence beside it; `--midi runs/corpora` trains on all that are there. A download from the web that
    breaks off goes on where it was when called again. Archives are not unpacked: the pipeline and `inspect` read them
    as they are. simutrans, openttd, planetblupi and mma come in Debian packages, by apt-get.
    """
    from drums.corpora import count_of, midi_files
    from drums.fetching import fetch as fetch_one
    from drums.sources import shown

    for corpus in corpora:
        fetched = fetch_one(corpus, runs / "corpora")
        if fetched.license:
            click.echo(fetched.license)
        click.echo(f"{count_of(midi_files(fetched.folder))} in {shown(str(fetched.folder))}")


@drums.command()
@click.argument("path")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--windows", "with_windows", is_flag=True, help="The combinations of each distinct window, too.")
def inspect(path, as_json, with_windows):
    """What the pipeline sees in a MIDI file, an archive or a folder of both: bars, segments, windows, or why a file is
    left out.

    Archives are .tar, .tar.gz, .tgz and .zip. A byte of a name that is not UTF-8 is shown as \\xNN, a control
    character too.
    """
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
@click.option(
    "--midi", required=True, help="The folder of MIDI files or archives; or an address such as gs://bucket/midi."
)
@click.option("--bars", type=int, default=2, help="Length of a window: 2 or 16.")
@click.option("--profile", default="demo", help="The sizes of models and training: demo, cpu or paper.")
@click.option("--models", default="", help="Which models, with commas.  [default: all of the profile]")
@click.option("--seed", type=int, default=0, help="Of the first weights and all that training draws.")
@click.option("--tune", is_flag=True, help="First search the sizes of lstm and conv, in short trainings.")
@click.option("--pattern", default="*", help="What to read in the folder, such as 'span-{SPAN}/*': the latest span.")
@click.option("--spans", type=int, default=1, help="On how many of the latest spans that were read to train.")
@click.option("--force", is_flag=True, help="Run every node, also those whose result is cached.")
@click.option("--beam-runner", default="direct", help="Where Beam's nodes run: direct or flink (docs/CLUSTER.md).")
@click.option("--flink-master", default="", help="HOST:PORT of a Flink cluster.  [default: one on this machine]")
@click.option("--beam-args", default="", callback=_words, help="More of Beam's arguments, in quotation marks.")
@quiet
def train(runs, midi, bars, profile, models, seed, tune, pattern, spans, force, beam_runner, flink_master, beam_args):
    """One run of the pipeline: reads MIDI, trains, evaluates, and pushes the models that pass their gate."""
    from pipeline.config import Config, absolute

    names = tuple(name.strip() for name in models.split(",") if name.strip())
    beam = {"beam_runner": beam_runner, "flink_master": flink_master, "beam_pipeline_args": beam_args}
    config = Config(
        absolute(midi), bars, profile, names, runs, pattern, spans, cache=not force, seed=seed, tune=tune, **beam
    )
    _run(config)
    _print_latest(config.metadata)


@drums.command()
@click.option("--json", "as_json", is_flag=True, help="A JSON list, with every figure.")
@quiet
def table(runs, as_json):
    """Every model that a run has evaluated, the latest last."""
    from pipeline import tables
    from pipeline.results import all_results

    results = all_results(runs / "metadata.sqlite")
    if as_json:
        click.echo(json.dumps(tables.as_json(results), indent=2))
    else:
        _print(tables.runs(results))


@drums.command()
@click.argument("numbers", metavar="[RUN]...", nargs=-1, type=int)
@click.option("--out", type=click.Path(path_type=Path), help="The HTML file.  [default: runs/reports/run-RUN.html]")
@quiet
def report(runs, numbers, out):
    """Write the page of a run, or of two or more side by side, and open it in the browser.

    RUN is a number from `./run drums table`; without one, the latest run.
    """
    from pipeline.reporting import write_report

    path = write_report(runs, numbers, out)
    click.echo(str(path))
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        click.launch(str(path))


@drums.command()
@click.option("--profile", default="", help="Of which profile.  [default: that of the latest run]")
@click.option("--corpus", default="", help="On which corpus, by the name of its folder.  [default: the latest run's]")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The Markdown file, as docs/RESULTS.md.")
@quiet
def results(runs, profile, corpus, out):
    """Write a page of all that was measured: every model and seed of a profile on a corpus."""
    from pipeline.results import latest_of_seeds
    from pipeline.results_page import Setting, chosen, page

    text = page(chosen(latest_of_seeds(runs / "metadata.sqlite"), profile, corpus), Setting.here())
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text)
    click.echo(str(out))


def playing(*models: str, temperature: float):
    """The options that all commands have which play beats, as one: a `pipeline.playing.Playing`.

    models: those of which the first that is there plays, unless one is named.
    """
    options = [
        click.option("--model", default="", help=f"Which model.  [default: {' or '.join(models)}]"),
        click.option("--bars", type=int, default=2, help="The model's window: 2 or 16."),
        click.option("--server", default="", help="HOST:PORT of a server.  [default: the pushed models play here]"),
        click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder for the MIDI files."),
        click.option("--audio", is_flag=True, help="An MP3 file beside each MIDI file."),
        click.option("--temperature", type=click.FloatRange(0), default=temperature, help="0 plays the likeliest."),
        click.option("--seed", type=click.IntRange(-(2**63), 2**63 - 1), default=0, help="The same plays the same."),
    ]

    def with_options(command):
        @functools.wraps(command)
        def played(runs, model, bars, server, out, audio, temperature, seed, **others):
            from pipeline.playing import Playing

            told = Playing(runs / "serving", (model,) if model else models, bars, out, temperature, seed, server, audio)
            _show(command(told, **others))

        for option in reversed(options):
            played = option(played)
        return quiet(played)

    return with_options


@drums.command()
@click.option("--count", type=click.IntRange(1, 1000), default=4, help="How many beats.")
@click.option("--length", type=click.IntRange(1, 4096), help="Bars of each beat, any number.  [default: a window]")
@click.option("--qpm", type=click.FloatRange(20, 400), default=120.0, help="Quarter notes a minute.")
@playing("hierarchical_vae", temperature=1.0)
def generate(told, count, length, qpm):
    """Write new beats as MIDI files.

    Beats longer than a window are a chain of windows: an autoencoder's wander from one new beat to the next, a quarter
    of the way a window, and a forecaster goes on from what it played. The first window is the same whatever the length.
    """
    return told.generate(count, length, qpm)


@drums.command(name="continue")
@click.argument("file", type=click.Path(path_type=Path))
@playing("lstm", "conv", temperature=1.0)
def continue_(told, file):
    """Write a song with a window of new drums behind its last bar.

    All that is in the song stays, its tempo too. The drums go on from the last bars of its own that are in 4/4. An MP3
    file has these bars and the new ones.
    """
    return told.continue_song(file)


@drums.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--count", type=click.IntRange(2, 1000), default=5, help="How many beats, with both ends.")
@playing("hierarchical_vae", temperature=0.0)
def interpolate(told, a, b, count):
    """Write beats on the way from the drums of one MIDI file to those of another: from the first window of each.

    The ends are what the model makes of them.
    """
    return told.interpolate(a, b, count)


@drums.command()
@click.argument("file", type=click.Path(path_type=Path))
@playing("hierarchical_vae", temperature=0.0)
def reconstruct(told, file):
    """Write what a model makes of the drums of a MIDI file, window by window."""
    return told.reconstruct(file)


@drums.command()
@click.option("--bars", type=int, default=2, help="Length of the beats: 2 or 16.")
@click.option("--models", default="", help="Which pushed models, with commas.  [default: all of that length]")
@click.option("--count", type=click.IntRange(1, 1000), default=20, help="How many beats of each.")
@click.option("--answers", type=click.Path(path_type=Path), help="[default: answers.sqlite in runs/listening]")
@click.option("--host", default="127.0.0.1", help="Another one lets others answer: whoever reaches the port.")
@click.option("--port", type=click.IntRange(0, 65535), default=8600, help="0 takes a free one.")
@click.option("--results", "only_results", is_flag=True, help="Print what was answered so far, and serve nothing.")
@quiet
def listen(runs, bars, models, count, answers, host, port, only_results):
    """A listening test in the browser: which is the better beat?

    Pairs of beats of held-out songs and of the pushed models, blind. The answers rank them.
    """
    answers = answers or runs / "listening" / "answers.sqlite"
    if only_results:
        from listening.table import table_of

        _print(table_of(answers, bars))
        return
    from pipeline.listening import listen as serve

    names = tuple(name.strip() for name in models.split(",") if name.strip())
    serve(runs, bars, names, count, answers, host, port)


@drums.command()
@click.option("--host", default="127.0.0.1", help="Another one lets others ask: whoever reaches the ports.")
@click.option("--port", type=click.IntRange(0, 65535), default=8500, help="Of gRPC; 0 takes a free one.")
@click.option("--rest-port", type=click.IntRange(0, 65535), default=8501, help="Of REST; 0 takes a free one.")
@click.option("--models-folder", type=click.Path(path_type=Path), help="[default: serving in runs]")
@click.option("--config", type=click.Path(path_type=Path), help="A ModelServerConfig, instead of all models there.")
@click.option("--batch-size", type=click.IntRange(1, 4096), default=64, help="Rows that run together.")
@click.option("--batch-timeout-ms", type=click.FloatRange(0, 1000), default=2.0, help="Wait for more rows.")
@click.option("--queue", type=click.IntRange(1, 1024), default=256, help="Requests of a signature that may wait.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="The server's certificate, PEM.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="Its key, PEM.")
@click.option("--client-ca", type=click.Path(path_type=Path), help="Whose certificates clients must show, PEM.")
@quiet
def serve(
    runs,
    host,
    port,
    rest_port,
    models_folder,
    config,
    batch_size,
    batch_timeout_ms,
    queue,
    tls_cert,
    tls_key,
    client_ca,
):
    """Serve the pushed models by TensorFlow Serving's gRPC and REST API.

    New versions are taken up while it runs. Ctrl-C ends it, after the last answer; what it does stands in
    runs/logs/serve.log. Metrics: /monitoring/prometheus/metrics on the REST port.
    """
    if bool(tls_cert) != bool(tls_key) or (client_ca and not tls_cert):
        raise InputError("--tls-cert and --tls-key belong together, and --client-ca needs them")
    from serving import logs
    from serving.batching import BatchLimits
    from serving.server import Server, serve
    from serving.tls import Tls

    logs.write_to(runs / "logs" / "serve.log")
    limits = BatchLimits(batch_size, batch_timeout_ms / 1000, queue)
    tls = Tls(tls_cert, tls_key, client_ca) if tls_cert else None
    folder = models_folder or runs / "serving"
    serve(Server(folder, host, port, rest_port, config=config, limits=limits, tls=tls), click.echo)


@drums.command()
@quiet
def demo(runs):
    """Everything in minutes: fetch a free corpus, train both lengths, print the table, write MIDI and pages."""
    from drums import corpora
    from pipeline.config import Config
    from pipeline.playing import Playing
    from pipeline.profiles import LENGTHS
    from pipeline.reporting import reported_runs, write_report

    click.echo("Fetching the soundtrack of Freedoom (BSD-3-Clause)")
    corpus = corpora.fetch_freedoom(runs / "corpora")
    click.echo(f"{len(corpora.midi_files(corpus))} MIDI files in {corpus}")
    for bars in LENGTHS:
        click.echo(f"\nTraining on windows of {bars} bars")
        _run(Config(str(corpus), bars, runs=runs))
    click.echo()
    _print_latest(runs / "metadata.sqlite")
    click.echo("\nNew beats, as MIDI files:")
    for bars in LENGTHS:
        out = runs / "beats" / f"{bars}bar"
        for beat in Playing(runs / "serving", ("hierarchical_vae",), bars, out).generate(count=4):
            click.echo(str(beat.path))
    click.echo("\nWhat came of it, as pages for the browser:")
    for number in sorted(reported_runs(runs / "metadata.sqlite"))[-len(LENGTHS) :]:
        click.echo(str(write_report(runs, [number])))


def _run(config) -> None:
    from pipeline.console import NodeError
    from pipeline.running import run

    try:
        run(config)
    except NodeError as error:
        raise click.ClickException(str(error)) from error


def _print_latest(metadata: Path) -> None:
    from pipeline.results import latest_results
    from pipeline.tables import accuracies

    _print(accuracies(latest_results(metadata)))


def _show(beats) -> None:
    from drums.sources import shown
    from pipeline.grids import grid_of

    for beat in beats:
        _print(grid_of(beat.hits))
        click.echo(shown(str(beat.path)))


def _print(table) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160
    console.print(table)


if __name__ == "__main__":
    drums(prog_name="./run drums")
