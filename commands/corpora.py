"""Getting MIDI, and looking at it: fetch, inspect."""

import json

import click
from drumline.commands.group import drumline


@drumline.command()
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
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--windows", "with_windows", is_flag=True, help="The combinations of each distinct window, too.")
def inspect(path, as_json, with_windows):
    """What the pipeline sees in a MIDI file, an archive or a folder of both: bars, segments, windows, or why a file is
    left out.

    Archives are .tar, .tar.gz, .tgz and .zip; .mid.gz is unpacked. A byte of a name that is not UTF-8 is shown as
    \\xNN, a control character too.
    """
    from drumline.corpora import find as corpora
    from drumline.corpora import inspection

    for found in inspection.inspect(corpora.midi_files(path)):
        if as_json:
            click.echo(json.dumps(found.as_dict(with_windows=with_windows)))
            continue
        click.echo(str(found))
        if with_windows and found.song:
            for bars in inspection.WINDOW_BARS:
                for window in found.windows(bars):
                    click.echo(f"  {bars} bars: {' '.join(map(str, window))}")
