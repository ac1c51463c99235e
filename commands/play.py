"""Beats from pushed models or a server: generate, continue, interpolate, reconstruct."""

import functools
from pathlib import Path

import click
from drumline.commands.group import Number, drumline, quiet, show

from drumline.errors import InputError


def playing(*models: str, temperature: float):
    """The options that all commands have which play beats, as one: a `drumline.play.beats.Playing`.

    models: those of which the first that is there plays, unless one is named.
    """
    options = [
        click.option("--model", default="", help="Which model.", show_default=" or ".join(models)),
        click.option("--bars", type=click.IntRange(1), default=2, help="The model's window: 2 or 16."),
        click.option(
            "--server",
            default="",
            help="HOST:PORT of a server (gRPC), or http://HOST:PORT (REST).",
            show_default="the pushed models play here",
        ),
        click.option("--ca-file", type=click.Path(path_type=Path), help="Whose servers to trust, PEM: speaks TLS."),
        click.option("--tls-cert", type=click.Path(path_type=Path), help="To show to the server, PEM."),
        click.option("--tls-key", type=click.Path(path_type=Path), help="Its key, PEM."),
        click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder for the MIDI files."),
        click.option("--audio", is_flag=True, help="An MP3 file beside each MIDI file."),
        click.option("--temperature", type=Number(0, 1e6), default=temperature, help="0 plays the likeliest."),
        click.option("--seed", type=click.IntRange(-(2**63), 2**63 - 1), default=0, help="The same plays the same."),
    ]

    def with_options(command):
        @functools.wraps(command)
        def played(runs, model, bars, server, ca_file, tls_cert, tls_key, out, audio, temperature, seed, **others):
            from drumline.play.beats import BeatMaker
            from drumline.serving.client_tls import ClientTls

            if not server and (ca_file or tls_cert or tls_key):
                raise InputError("--ca-file, --tls-cert and --tls-key are for a --server")
            tls = ClientTls(ca_file, tls_cert, tls_key) if ca_file or tls_cert or tls_key else None
            chosen = (model,) if model else models
            told = BeatMaker(runs / "serving", chosen, bars, out, temperature, seed, server, tls, audio)
            _show(command(told, **others))

        for option in reversed(options):
            played = option(played)
        return quiet(played)

    return with_options


@drumline.command()
@click.option("--count", type=click.IntRange(1, 1000), default=4, help="How many beats.")
@click.option("--length", type=click.IntRange(1, 4096), help="Bars of each beat, any number.", show_default="a window")
@click.option("--qpm", type=Number(20, 400), default=120.0, help="Quarter notes a minute.")
@playing("hierarchical_vae", temperature=1.0)
def generate(told, count, length, qpm):
    """Write new beats as MIDI files.

    Beats longer than a window are a chain of windows: an autoencoder's wander from one new beat to the next, a quarter
    of the way a window, and a forecaster goes on from what it played. The first window is the same whatever the length.
    """
    return told.generate(count, length, qpm)


@drumline.command(name="continue")
@click.argument("file", type=click.Path(path_type=Path))
@playing("lstm", "conv", temperature=1.0)
def continue_(told, file):
    """Write a song with a window of new drums behind its last bar.

    All that is in the song stays, its tempo too. The drums go on from the last bars of its own that are in 4/4. An MP3
    file has these bars and the new ones.
    """
    return told.continue_song(file)


@drumline.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--count", type=click.IntRange(2, 1000), default=5, help="How many beats, with both ends.")
@playing("hierarchical_vae", temperature=0.0)
def interpolate(told, a, b, count):
    """Write beats on the way from the drums of one MIDI file to those of another: from the first window of each.

    The ends are what the model makes of them.
    """
    return told.interpolate(a, b, count)


@drumline.command()
@click.argument("file", type=click.Path(path_type=Path))
@playing("hierarchical_vae", temperature=0.0)
def reconstruct(told, file):
    """Write what a model makes of the drums of a MIDI file, window by window."""
    return told.reconstruct(file)


def _show(beats) -> None:
    from drumline.corpora.midi_sources import printable
    from drumline.play.grid import draw_grid

    for beat in beats:
        show(draw_grid(beat.hits))
        click.echo(printable(str(beat.path)))
