"""Getting MIDI, and looking at it: fetch, inspect."""

import json

import click
from drumline.commands.group import drumline, show

from drumline.errors import InputError


@drumline.command()
@click.argument("corpora", metavar="CORPUS...", nargs=-1, required=True)
@click.pass_obj
def fetch(runs, corpora):
    """Download free corpora, or copy a folder of your own.

    CORPUS is one of these names or a folder of MIDI files and archives; it is written to runs/corpora.

    \b
    freedoom     the soundtrack of the game Freedoom: 75 songs, BSD-3-Clause
    simutrans    that of the game Simutrans: 53 songs, Artistic-1.0
    openttd      that of OpenTTD, by OpenMSX: 31 songs, GPL-2
    planetblupi  that of Planet Blupi: 10 songs, GPL-3+
    mma          accompaniments of MMA, Musical MIDI Accompaniment: 73 songs, GPL-2+
    groove       the Groove MIDI Dataset: 1,150 recordings of drummers, 3 MB, CC BY 4.0
    lakh         the Lakh MIDI Dataset: 176,581 songs, 1.8 GB, CC BY 4.0

    Each has its licence beside it; `--midi runs/corpora` trains on all that are there. A download that was interrupted
    resumes when the command is repeated. Archives are not unpacked: the pipeline and `inspect` read them
    as they are. simutrans, openttd, planetblupi and mma come in Debian packages, by apt-get.
    """
    from drumline.corpora.fetch import fetch as fetch_one
    from drumline.corpora.find import describe_count, midi_files
    from drumline.corpora.midi_sources import printable

    for corpus in corpora:
        fetched = fetch_one(corpus, runs / "corpora")
        if fetched.license:
            click.echo(fetched.license)
        click.echo(f"{describe_count(midi_files(fetched.folder))} in {printable(str(fetched.folder))}")


@drumline.command()
@click.argument("path")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.option("--windows", "with_windows", is_flag=True, help="Also print the combinations of each distinct window.")
@click.option("--grid", is_flag=True, help="Draw the drums of a single file, and say what of them was dropped and why.")
@click.option(
    "--map",
    "drum_map",
    default="",
    metavar="NAME|FILE",
    help="Which pitches are which drum: gm, roland, or a TOML or JSON file.",
    show_default="drum_map.toml in the folder of a file or above it, or gm",
)
@click.option(
    "--channel",
    type=click.IntRange(1, 16),
    help="MIDI channel of the drums.",
    show_default="10, and those that XG, GS and GM2 files give a drum kit",
)
@click.option("--loops", is_flag=True, help="Repeat files that are shorter than a window until they fill it.")
def inspect(path, as_json, with_windows, grid, drum_map, channel, loops):
    """Show what is read of each MIDI file, or why it is not.

    PATH is a MIDI file, an archive or a folder. Of each file it shows bars, segments and windows, or the reason for
    leaving it out.

    A segment is a stretch of bars without a silent one; windows lie within segments. A hit is off the grid where it is
    a quarter of a sixteenth or more from the nearest sixteenth, as triplets and swing are.

    Archives are .tar, .tar.gz, .tgz and .zip; .mid.gz is unpacked. A byte of a name that is not UTF-8 is shown as
    \\xNN, a control character too.

    A drum map file has a line for each drum, the pitch first that is written: "closed hi-hat" = [42, 44, 22]
    """
    from drumline.corpora import find as corpora
    from drumline.corpora import inspection
    from drumline.corpora.reading import Reading

    totals = inspection.Totals()
    for found in inspection.inspect(corpora.midi_files(path), Reading(drum_map, channel or 0, loops)):
        totals.add(found)
        if grid and totals.files > 1:
            raise InputError(f"{path}: --grid draws a single file, and this holds more; name one of them")
        if as_json:
            click.echo(json.dumps(found.as_dict(with_windows=with_windows)))
            continue
        click.echo(str(found))
        if with_windows and found.song:
            for bars in inspection.WINDOW_BARS:
                for window in found.windows(bars):
                    click.echo(f"  {bars} bars: {' '.join(map(str, window))}")
    if grid and found.song:
        _draw(found)
    if totals.files > 1 and not as_json:
        click.echo(f"\n{totals}")


def _draw(found) -> None:
    from drumline.play.grid import draw_grid

    bars = found.song.velocities
    for words, length in zip(found.describe_segments(), found.song.segments.tolist(), strict=True):
        click.echo(f"\n{words}:")
        show(draw_grid(bars[:length].reshape(-1, bars.shape[-1]) > 0))
        bars = bars[length:]
    dropped = found.describe_dropped()
    click.echo("\ndropped: " + ("; ".join(dropped) if dropped else "nothing"))
