"""The listening test over what the runs left: beats of held-out songs, and of the pushed models."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import tensorflow as tf
from drumline.drums.audio import why_unavailable
from drumline.drums.kit import DRUMS, STEPS_PER_BAR
from drumline.play.listening.answers import Answers
from drumline.play.listening.clips import REAL, Source
from drumline.play.listening.server import LOOPBACK, application, open_listener, serve
from drumline.play.pushed_models import PushedModel, pushed_model, pushed_models
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

from drumline.errors import InputError
from drumline.metadata import check_store
from drumline.naming import SONG_ID

_TEMPERATURE = 1.0
_SEED = 0


def listen(runs: Path, bars: int, models: tuple[str, ...], count: int, answers: Path, host: str, port: int) -> None:
    """Serves the listening test until it is interrupted.

    models: names of pushed models, by default all of that length.  count: beats of each source.
    answers: the file that keeps them.  Raises InputError where there is no sound, no run, or no model.
    """
    if why := why_unavailable():
        raise InputError(f"a listening test needs sound; {why}")
    kept = Answers(answers)
    with open_listener(host, port) as listener, tempfile.TemporaryDirectory() as sounds:
        clips = kept.keep(sources(runs, bars, models, count))
        hosts = LOOPBACK if host in LOOPBACK else ("*",)
        click.echo(f"{count} beats each of {', '.join(clips)}; answers in {answers}")
        click.echo(f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}/ (Ctrl-C ends it)")
        serve(application(kept, clips, bars, Path(sounds), hosts), listener)


def sources(runs: Path, bars: int, models: tuple[str, ...], count: int) -> list[Source]:
    """The real beats of the newest run on windows of that length, and new ones of pushed models."""
    serving = runs / "serving"
    chosen = [pushed_model(serving, name, bars) for name in models] or [
        model for model in pushed_models(serving) if model.bars == bars
    ]
    if not chosen:
        raise InputError(f"{serving}: no pushed model of {bars} bars; `./run drumline train` trains and pushes models")
    return [real(runs / "metadata.sqlite", bars, count), *(_generated(model, count) for model in chosen)]


def _generated(model: PushedModel, count: int) -> Source:
    return Source(model.name, model.version, list(model.generate(count, _TEMPERATURE, _SEED)))


def real(metadata: Path, bars: int, count: int) -> Source:
    """Windows of the test songs of the newest run, each of another song where there are enough songs."""
    examples = _newest_examples(metadata, bars)
    chance = np.random.default_rng(_SEED)
    of_song: dict[bytes, list[tuple[float, np.ndarray]]] = {}
    for song, beat in _windows(Path(examples.uri, "Split-test"), bars):
        # The windows of a song that draw the smallest numbers, no more than can be wanted.
        drawn = [*of_song.get(song, []), (chance.random(), beat)]
        of_song[song] = sorted(drawn, key=lambda pair: pair[0])[:count]
    rounds = sorted((place, draw, song) for song, drawn in of_song.items() for place, (draw, _) in enumerate(drawn))
    beats = [of_song[song][place][1] for place, _, song in rounds[:count]]
    return Source(REAL, examples.create_time_since_epoch // 1000, beats)


def _windows(split: Path, bars: int) -> Iterator[tuple[bytes, np.ndarray]]:
    """The song and velocities of each window, uint8 [steps, 9]."""
    steps = bars * STEPS_PER_BAR
    spec = {
        SONG_ID: tf.io.FixedLenFeature([], tf.string),
        "velocities": tf.io.FixedLenFeature([steps, len(DRUMS)], tf.int64),
    }
    files = sorted(map(str, split.glob("*.gz")))
    for window in tf.data.TFRecordDataset(files, compression_type="GZIP").batch(256):
        parsed = tf.io.parse_example(window, spec)
        velocities = tf.cast(parsed["velocities"], tf.uint8).numpy()
        yield from zip(parsed[SONG_ID].numpy(), velocities, strict=True)


def _newest_examples(metadata: Path, bars: int) -> metadata_store_pb2.Artifact:
    """The newest windows of that length whose files are still there."""
    check_store(metadata, to_write=False)
    if metadata.exists():
        config = metadata_store_pb2.ConnectionConfig()
        config.sqlite.filename_uri = str(metadata)
        config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READONLY
        store = metadata_store.MetadataStore(config)
        node = store.get_context_by_type_and_name("node", f"drums-{bars}bar.MidiExampleGen")
        artifacts = store.get_artifacts_by_context(node.id) if node else []
        for artifact in sorted(artifacts, key=lambda artifact: -artifact.id):
            if Path(artifact.uri, "Split-test").is_dir():
                return artifact
    raise InputError(f"{metadata}: no run has read windows of {bars} bars yet; `./run drumline train` makes one")
