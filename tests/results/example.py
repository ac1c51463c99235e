"""Facts and sounds as a report gets them, made up from a seed."""

import io
from functools import cache

import numpy as np
import soundfile
from drumline.drums.kit import DRUMS, STEPS_PER_BAR, combinations_of
from drumline.results.baselines import list_beaten, read_baselines
from drumline.results.report_facts import ReportFacts
from pydantic import TypeAdapter

from drumline.naming import drum_metric

KINDS = {"lstm": "forecaster", "conv": "forecaster", "flat_vae": "autoencoder", "hierarchical_vae": "autoencoder"}
PAPER = {"lstm": (0.982, 0.834), "conv": (0.982, 0.834), "hierarchical_vae": (0.963, 0.924)}
SONGS = tuple(f"folder/song {i:02}.mid" for i in range(14))
FAILURE = "its teacher-forced accuracy is 0.312 on windows of 0-3 hits a bar; at least 0.400 is required"
SAMPLE_RATE = 44100


BASELINES = {
    "majority_accuracy": 0.3812,
    "repeat_bar_accuracy": 0.6114,
    "repeat_bar_sampled_accuracy": 0.5987,
    "repeat_bar_onset_f1": 0.6749,
}


def parse(run: dict) -> ReportFacts:
    """The facts of a run from their JSON values."""
    return TypeAdapter(ReportFacts).validate_python(run)


def facts(bars: int = 2, seed: int = 0, points: int = 60) -> ReportFacts:
    """The facts of a run: those of `run`."""
    return parse(run(bars, seed, points))


def run(bars: int = 2, seed: int = 0, points: int = 60) -> dict:
    """The facts of a run as JSON values. points: in the latent space of each autoencoder."""
    generator = np.random.default_rng([bars, seed])
    return {
        "pipeline": f"drums-{bars}bar",
        "bars": bars,
        "profile": "demo",
        "corpus": "freedoom",
        "date": "2026-11-22T18:00:00",
        "code": "v0-12-gabc",
        "seed": seed,
        "baselines": read_baselines(BASELINES),
        "models": [_model(name, bars, points, generator) for name in KINDS],
        "data": _data(bars, generator),
        "lineage": [
            {"what": "examples", "name": "MidiExampleGen, execution 3", "detail": "span 0, fingerprint 75 files"},
            {"what": "transform graph", "name": "Transform, execution 9", "detail": ""},
        ],
    }


@cache
def sounds() -> dict[str, bytes]:
    """MP3 of a short decaying tone for each drum, the higher the later it stands in the kit."""
    seconds = np.arange(SAMPLE_RATE // 10) / SAMPLE_RATE
    return {
        drum: _mp3(np.sin(2 * np.pi * 200 * (1 + i) * seconds) * np.exp(-40 * seconds)) for i, drum in enumerate(DRUMS)
    }


def _mp3(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE, format="MP3")
    return file.getvalue()


def beat(bars: int, generator: np.random.Generator) -> list[int]:
    """Combinations of a bar that repeats with small changes."""
    hits = np.zeros([STEPS_PER_BAR, len(DRUMS)], bool)
    hits[::8, 0] = hits[4::8, 1] = hits[:: generator.choice([1, 2, 4]), 2] = True
    hits |= generator.random(hits.shape) < [0.1, 0.03, 0, 0.04, 0, 0.01, 0, 0, 0]
    hits = np.tile(hits, [bars, 1]) ^ (generator.random([bars * STEPS_PER_BAR, len(DRUMS)]) < 0.02)
    hits[0, 7] = True
    return combinations_of(hits).tolist()


def _model(name: str, bars: int, points: int, generator: np.random.Generator) -> dict:
    forced, sampled = np.round(generator.uniform([0.58, 0.5], [0.9, 0.85]), 6).tolist()
    autoencoder = KINDS[name] == "autoencoder"
    own = {"kl": 48.1234, "active_units": 32.0, "shuffled_z_accuracy": 0.1894} if autoencoder else {}
    metrics = {
        "teacher_forced_accuracy": forced,
        "sampled_accuracy": sampled,
        "teacher_forced_nonsilent_accuracy": forced - 0.0712,
        "sampled_nonsilent_accuracy": sampled - 0.0812,
        "onset_f1": sampled + 0.0321,
        **{drum_metric("onset_f1", drum): generator.uniform(0.1, 0.95) for drum in DRUMS},
        "sample_self_similarity": 0.4871,
        "data_self_similarity": 0.5472,
        **({} if name == "conv" else {"histogram_distance": 0.1051}),
        **BASELINES,
        **own,
    }
    return {
        "model": name,
        "kind": KINDS[name],
        "paper": dict(zip(("teacher_forced_accuracy", "sampled_accuracy"), PAPER[name], strict=True))
        if name in PAPER
        else None,
        "metrics": metrics,
        "beats": list_beaten(metrics),
        "intervals": {
            "teacher_forced_accuracy": [forced - 0.0213, forced + 0.0187],
            "sampled_accuracy": [sampled - 0.0313, sampled + 0.0287],
        },
        "blessed": name != "lstm",
        "failures": [FAILURE] if name == "lstm" else [],
        "blessed_against": f"Trainer.{name}, execution 12" if name != "lstm" else None,
        "pushed": f"runs/serving/{name}-{bars}bar/1763800000" if name != "lstm" else None,
        "sizes": {"layers": 3, "units": 32, "encoder": "two_level"},
        "training": {"batch_size": 64, "steps": 1500, "learning_rate": 1e-3, "clip_norm": 1.0, "patience": None},
        "parameters": 123456,
        "epochs": _epochs(forced, sampled, autoencoder),
        "slices": _slices(forced, sampled, generator),
        "examples": _examples(bars, autoencoder, generator),
        "latent": {"method": "t-SNE of mu", "points": _points(bars, points, generator)} if autoencoder else None,
    }


def _epochs(forced: float, sampled: float, autoencoder: bool) -> list[dict]:
    epochs = []
    for epoch in range(1, 16):
        left = float(np.exp(-epoch / 4))
        row = {"epoch": epoch, "step": 100 * epoch, "minutes": 0.2 * epoch, "loss": 20 + 60 * left}
        row |= {"val_loss": 24 + 58 * left, "val_teacher_forced_accuracy": forced - 0.4 * left}
        row |= {} if epoch == 3 else {"val_sampled_accuracy": sampled - 0.4 * left}
        epochs.append(row | ({"kl": 50 - 40 * left, "val_kl": 49 - 41 * left} if autoencoder else {}))
    return epochs


def _slices(forced: float, sampled: float, generator: np.random.Generator) -> list[dict]:
    parts = [("hits_per_bar", part) for part in ("16+", "0-3", "8-15", "4-7")]
    parts += [("distinct_bars", part) for part in ("1", "2")] + [("song_id", song) for song in SONGS]
    return [
        {
            "key": [[by, part]],
            "metrics": {
                "example_count": 20.0 + 10 * i,
                "teacher_forced_accuracy": forced + generator.uniform(-0.2, 0.1),
                "sampled_accuracy": sampled + generator.uniform(-0.2, 0.1),
            },
            "intervals": {},
        }
        for i, (by, part) in enumerate(parts)
    ]


def _examples(bars: int, autoencoder: bool, generator: np.random.Generator) -> list[dict]:
    def example(group: str, title: str, song: str | None = None, primer_steps: int = 0) -> dict:
        combinations = beat(bars, generator)
        return {"group": group, "title": title, "song": song, "primer_steps": primer_steps} | {
            "combinations": combinations
        }

    if not autoencoder:
        return [
            example("Continuation 1", "original", SONGS[0]),
            example("Continuation 1", "primer and continuation", SONGS[0], STEPS_PER_BAR),
        ]
    return [
        *(example("Reconstruction 1", title, SONGS[0]) for title in ("original", "reconstruction")),
        *(example("Samples", f"sample {i}") for i in (1, 2, 3)),
        *(example("Interpolation", f"from 0 to 1: {fraction}") for fraction in (0.0, 0.25, 0.5, 0.75, 1.0)),
    ]


def _points(bars: int, number: int, generator: np.random.Generator) -> list[dict]:
    centres = generator.normal(0, 20, [len(SONGS), 2])
    songs = generator.integers(len(SONGS), size=number)
    places = centres[songs] + generator.normal(0, 3, [number, 2])
    return [
        {"x": x, "y": y, "song": SONGS[song], "combinations": beat(bars, generator)}
        for (x, y), song in zip(places.tolist(), songs.tolist(), strict=True)
    ]


def _data(bars: int, generator: np.random.Generator) -> dict:
    ids, steps = np.unique([beat(bars, generator) for _ in range(200)], return_counts=True)
    commonest = sorted(zip(ids.tolist(), steps.tolist(), strict=True), key=lambda pair: -pair[1])
    return {
        "midi": "runs/corpora/freedoom",
        "counts": {"files": 75, "songs": 74, "windows": 1531, "windows_in_train": 1210, "windows_in_test": 160},
        "rejections": {"no drums": 1, "no bar of 4/4": 3},
        "drums": {
            "songs as read": dict(zip(DRUMS, [12345, 6789, 15432, 1234, 432, 321, 123, 876, 2345], strict=True)),
            "training windows": dict(zip(DRUMS, [23456, 9876, 25432, 2234, 832, 621, 0, 1876, 5345], strict=True)),
        },
        "combinations": [list(pair) for pair in commonest],
    }
