"""Beats from pushed models or a server: generate, continue, interpolate, reconstruct."""

import functools
import random
from pathlib import Path

import click
from drumline.commands.group import Number, Seed, drumline, quiet, show
from drumline.play.temperature import CONTINUE_TEMPERATURE, DEFAULT_TEMPERATURE

from drumline.errors import InputError

_SEEDS = 1_000_000  # of which one is taken at random: few enough to be typed
_BPM = Number(20, 400)
_PATH = click.Path(path_type=Path)


def playing(*models: str, temperature: float = DEFAULT_TEMPERATURE, new: bool = True):
    """The options that all commands have which play beats, as one: a `drumline.play.beats.BeatMaker`.

    Args:
      models: Those of which the first that is there plays, unless one is named.
      temperature: The default; 0 where the songs decide, so that nothing is drawn at random.
      new: Whether the files are new as a whole, so that their type can be chosen.
    """
    options = [
        click.option("--model", default="", help="Model that plays.", show_default=" or ".join(models)),
        click.option("--bars", type=click.IntRange(1), default=2, help="Bars that the model plays at once: 2 or 16."),
        click.option(
            "--server",
            default="",
            help="HOST:PORT of a server (gRPC), or http://HOST:PORT (REST).",
            show_default="the pushed models play here",
        ),
        click.option(
            "--ca-file",
            type=click.Path(path_type=Path),
            help="Certificates of the authorities to trust (PEM); switches TLS on.",
        ),
        click.option("--tls-cert", type=click.Path(path_type=Path), help="Client certificate for mutual TLS (PEM)."),
        click.option("--tls-key", type=click.Path(path_type=Path), help="Key of the client certificate (PEM)."),
        click.option("--out", type=_PATH, default="beats", help="Folder of the files; none there is overwritten."),
        click.option(
            "--temperature",
            type=Number(0, 1e6),
            default=temperature,
            help="How daring the drums are: at 0 always the likeliest hits, near 0 bars that repeat each other, at 1 "
            "as varied as the model has learned, above 1 wilder.",
        ),
        click.option(
            "--seed",
            type=Seed(),
            help="Random seed; the same seed gives the same beat.",
            show_default="another one each time",
        ),
        click.option(
            "--velocity",
            type=click.IntRange(2, 127),
            help="MIDI velocity of all hits.",
            show_default="those of drummers, by drum and sixteenth" if new and temperature else "as the song has them",
        ),
        click.option("--swing", type=Number(0, 1), default=0.0, help="Delay of every other sixteenth; 1 for triplets."),
        click.option(
            "--humanize", type=Number(0, 1), default=0.0, help="Size of small random changes of time and velocity."
        ),
        click.option("--audio", is_flag=True, help="Write a WAV file, too, exactly as long as the bars: it loops."),
        click.option("--tail", is_flag=True, help="Let the last drums of the WAV file ring out behind its bars."),
    ]
    if new:
        options.append(click.option("--type0", is_flag=True, help="Write MIDI files of type 0: all in one track."))

    def with_options(command):
        @functools.wraps(command)
        def played(
            runs,
            model,
            server,
            ca_file,
            tls_cert,
            tls_key,
            seed,
            temperature,
            velocity,
            swing,
            humanize,
            audio,
            tail,
            bars,
            out,
            type0=False,
            **others,
        ):
            from drumline.drums.dynamics import Feel
            from drumline.play.beats import BeatMaker
            from drumline.serving.client_tls import ClientTls

            if not server and (ca_file or tls_cert or tls_key):
                raise InputError("--ca-file, --tls-cert and --tls-key are for a --server")
            if tail and not audio:
                raise InputError("--tail is for the WAV file that --audio writes; pass both")
            if seed is None:
                seed = random.randrange(_SEEDS)
                if temperature or humanize:
                    click.echo(f"Seed: {seed} (`--seed {seed}` plays the same again)")
            maker = BeatMaker(
                runs / "serving",
                (model,) if model else models,
                bars,
                out,
                temperature,
                seed,
                server,
                ClientTls(ca_file, tls_cert, tls_key) if ca_file or tls_cert or tls_key else None,
                audio=audio,
                tail=tail,
                feel=Feel(velocity, swing, humanize),
                midi_type=0 if type0 else 1,
                tell=click.echo,
            )
            _show(command(maker, **others))

        for option in reversed(options):
            played = option(played)
        return quiet(played)

    return with_options


@drumline.command()
@click.option("--count", type=click.IntRange(1, 1000), default=4, help="How many beats.")
@click.option("--length", type=click.IntRange(1, 4096), help="Bars of each beat, any number.", show_default="--bars")
@click.option("--bpm", type=_BPM, default=120.0, help="Tempo, in quarter notes a minute.")
@click.option("--qpm", type=_BPM, hidden=True)
@playing("bar_vae", "hierarchical_vae")
def generate(maker, count, length, bpm, qpm):
    """Write new beats as MIDI files.

    A beat longer than the model plays at once is a chain of variations that wander from one beat to another (with lstm
    and conv, it goes on from what it played before). It begins as the shorter beat of the same seed does.
    """
    return maker.generate(count, length, qpm or bpm)


@drumline.command(name="continue")
@click.argument("song", type=_PATH)
@click.option("--count", type=click.IntRange(1, 1000), default=1, help="How many songs, each with other new drums.")
@click.option("--length", type=click.IntRange(1, 4096), help="Bars of new drums, any number.", show_default="--bars")
@click.option("--from-bar", type=click.IntRange(2), help="First bar of new drums.", show_default="after the last bar")
@click.option("--bpm", type=_BPM, help="Tempo of the new drums.", show_default="the song's")
@playing("lstm", "conv", temperature=CONTINUE_TEMPERATURE, new=False)
def continue_(maker, song, count, length, from_bar, bpm):
    """Add new drums after the end of a song.

    They go on from the song's own drums.

    They are in a track of their own, on the notes and at the velocities that the song uses. All that is in the song
    stays; with --from-bar its own drums are silent where new ones play. The song in an archive is written as
    ARCHIVE.zip/SONG.mid. A WAV file has the last bars before and the new drums.
    """
    return maker.continue_song(song, count, length, bpm, from_bar)


@drumline.command()
@click.argument("a", type=_PATH)
@click.argument("b", type=_PATH)
@click.option("--count", type=click.IntRange(2, 1000), default=5, help="How many beats, with both ends.")
@click.option("--bar-a", type=click.IntRange(1), help="Bar of A to start from.", show_default="the first with drums")
@click.option("--bar-b", type=click.IntRange(1), help="Bar of B to start from.", show_default="the first with drums")
@click.option("--bpm", type=_BPM, help="Tempo of all beats.", show_default="from that of A to that of B")
@playing("hierarchical_vae", temperature=0.0)
def interpolate(maker, a, b, count, bar_a, bar_b, bpm):
    """Write beats on the way from one song to another.

    They lead from the drums of song A to those of song B.

    The ends are what the model makes of the songs. A song in an archive is written as ARCHIVE.zip/SONG.mid.
    """
    return maker.interpolate(a, b, count, bar_a, bar_b, bpm)


@drumline.command()
@click.argument("song", type=_PATH)
@playing("hierarchical_vae", temperature=0.0)
def reconstruct(maker, song):
    """Play the drums of a song through a model.

    The file lies under the song bar by bar.

    A song in an archive is written as ARCHIVE.zip/SONG.mid.
    """
    return maker.reconstruct(song)


def _show(beats) -> None:
    from drumline.corpora.midi_sources import printable
    from drumline.play.grid import draw_grid

    for beat in beats:
        show(draw_grid(beat.hits))
        click.echo(printable(str(beat.path)))
