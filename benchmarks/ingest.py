"""How fast MIDI becomes windows: `./run python benchmarks/ingest.py DIR [--files 5000] [--bars 16]`.

Prints, from one run on the files of DIR:
- files a second, parsed and windowed on one core: note_seq (midi_io, quantize, drums_lib) and drums.windows, and the
  ratio;
- the whole MidiExampleGen node on one worker, compressed TFRecords written, for N and 4N files: files and windows a
  second, peak memory, the ratio to note_seq, and the growth from N to 4N. Those trees are made from DIR's songs by
  transposing (drums too, so that windows differ), cutting and re-timing.
"""

import argparse
import contextlib
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

from drumline.corpora.find import midi_files
from drumline.drums.midi import RejectedError
from drumline.drums.windows import read_windows
from rich.console import Console
from rich.progress import track
from rich.table import Table

SAMPLE = 300  # files that the slow path reads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--files", type=int, default=5000, help="N; the node also reads 4N (default 5000)")
    parser.add_argument("--bars", type=int, default=16, choices=(2, 16))
    parser.add_argument("--node", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.node:
        print(json.dumps(node(arguments.dir, arguments.node, arguments.bars)))
        return
    paths = [path for path in midi_files(arguments.dir) if path.lower().endswith((".mid", ".midi"))]
    random.Random(0).shuffle(paths)
    sample = [Path(path).read_bytes() for path in paths[:SAMPLE]]
    print(f"{len(paths)} files in {arguments.dir}; {len(sample)} of them for the first table; {cpu()}")
    slow = rate(note_seq_windows, sample, arguments.bars)
    rate(our_windows, sample[:5], arguments.bars)  # compiles
    fast = rate(our_windows, sample * 5, arguments.bars)
    table = Table("parse and window, one core", "files/s", "windows/s", "times note_seq")
    table.add_row("note_seq", f"{slow[0]:.1f}", f"{slow[1]:.0f}", "1")
    table.add_row("drums.windows", f"{fast[0]:.1f}", f"{fast[1]:.0f}", f"{fast[0] / slow[0]:.0f}")
    console = Console()
    console.print(table)

    table = Table("MidiExampleGen node, one worker", "s", "files/s", "windows/s", "peak MB", "times note_seq")
    seconds = []
    with tempfile.TemporaryDirectory() as scratch:
        for count in (arguments.files, 4 * arguments.files):
            tree = Path(scratch, str(count))
            make_tree(paths, tree, count)
            ran = run_node(tree, Path(scratch, f"examples-{count}"), arguments.bars)
            seconds.append(ran["seconds"])
            per_second = count / ran["seconds"]
            table.add_row(
                f"{count} files, {ran['windows']} windows",
                f"{ran['seconds']:.1f}",
                f"{per_second:.0f}",
                f"{ran['windows'] / ran['seconds']:.0f}",
                f"{ran['peak_mb']:.0f}",
                f"{per_second / slow[0]:.1f}",
            )
    console.print(table)
    print(f"growth from N to 4N files: {seconds[1] / seconds[0]:.2f}")


def cpu() -> str:
    """The processor, and how many cores this process may use."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(os.sched_getaffinity(0))} cores of {names[0] if names else 'unknown'}"


def rate(windows_of, sample: list[bytes], bars: int) -> tuple[float, float]:
    """Files and windows a second."""
    start, windows = time.perf_counter(), 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for midi in sample:
            windows += windows_of(midi, bars)
    seconds = time.perf_counter() - start
    return len(sample) / seconds, windows / seconds


def our_windows(midi: bytes, bars: int) -> int:
    """How many distinct windows drums.windows finds."""
    try:
        return len(read_windows(midi, bars)[1])
    except RejectedError:
        return 0


def note_seq_windows(midi: bytes, bars: int) -> int:
    """How many windows note_seq's own path finds; it refuses what changes tempo or meter."""
    from note_seq import drums_lib, midi_io, sequences_lib

    try:
        quantized = sequences_lib.quantize_note_sequence(midi_io.midi_to_note_sequence(midi), 4)
    except (midi_io.MIDIConversionError, ValueError) as error:
        del error
        return 0
    except Exception as error:
        if type(error).__module__ != sequences_lib.__name__:
            raise
        return 0
    found, search = 0, 0
    with contextlib.suppress(drums_lib.events_lib.NonIntegerStepsPerBarError):
        while True:
            drums = drums_lib.DrumTrack()
            drums.from_quantized_sequence(quantized, search_start_step=search, gap_bars=1, pad_end=True)
            if not len(drums):
                break
            search = drums.end_step
            found += max(len(drums) // drums.steps_per_bar - bars + 1, 0)
    return found


def make_tree(paths: list[str], tree: Path, count: int) -> None:
    """Writes `count` MIDI files: the songs at `paths` transposed, cut and re-timed, each variation another."""
    import symusic

    chance = random.Random(1)
    made, turns = 0, itertools.cycle(paths)
    with track_of(count) as progress:
        while made < count:
            try:
                score = symusic.Score.from_midi(Path(next(turns)).read_bytes(), sanitize_data=True)
                end = score.end()
                varied = score.clip(0, max(end - chance.randrange(max(end // 2, 1)), 1), clip_end=True)
                varied = varied.shift_pitch(chance.randint(-2, 2))
                for tempo in varied.tempos:
                    tempo.qpm = min(tempo.qpm * chance.uniform(0.8, 1.25), 400)
                folder = tree / f"{made % 256:02x}"
                folder.mkdir(parents=True, exist_ok=True)
                varied.dump_midi(str(folder / f"{made}.mid"))
            except (RuntimeError, ValueError, OverflowError):
                continue
            made += 1
            progress()


@contextlib.contextmanager
def track_of(count: int):
    steps = iter(track(range(count), description=f"making {count} files", transient=True))
    yield lambda: next(steps, None)
    for _ in steps:
        pass


def run_node(tree: Path, out: Path, bars: int) -> dict:
    """Runs the node in a process of its own, so that its memory is its own."""
    command = [sys.executable, __file__, str(tree), "--node", str(out), "--bars", str(bars)]
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(finished.stdout.splitlines()[-1])


def node(tree: Path, out: Path, bars: int) -> dict:
    """The MidiExampleGen node over a tree, as a TFX launcher would run its executor."""
    from apache_beam.options.pipeline_options import StandardOptions
    from drumline.components.midi_example_gen import MidiExampleGen
    from drumline.components.midi_example_gen.executor import Executor
    from tfx.types import standard_artifacts
    from tfx.types.experimental.simple_artifacts import File
    from tfx.utils import proto_utils

    StandardOptions.DEFAULT_RUNNER = "FnApiRunner"
    exec_properties = {
        name: proto_utils.proto_to_json(value) if hasattr(value, "DESCRIPTOR") else value
        for name, value in MidiExampleGen(str(tree), bars).exec_properties.items()
    }
    examples, rejections = standard_artifacts.Examples(), File()
    examples.uri, rejections.uri = str(out), str(out / "rejections")
    start = time.perf_counter()
    Executor().Do({}, {"examples": [examples], "rejections": [rejections]}, exec_properties)
    return {
        "seconds": time.perf_counter() - start,
        "windows": examples.get_int_custom_property("windows"),
        "peak_mb": peak_mb(),
    }


def peak_mb() -> float:
    """The most memory this process ever held. Not ru_maxrss, which begins with that of the process that started it."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
