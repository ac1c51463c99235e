"""How fast a training step is on this machine: `./run python benchmarks/train_step.py [--profile cpu] [--steps 8]`.

Prints, each configuration from a process of its own:
- for every model and length of the profiles: training steps a second, peak memory, and the share of the machine's own
  matrix-multiply peak, in the model's dtype and measured just before. The step's operations are counted from the
  weights: 6 for each weight of a matrix, each place of a sequence that it is used at and each window (2 forward, 4
  backward); what is not a matrix product counts as none;
- Magenta's `cat-drums_2bar_small` in this project, float32 and mixed_bfloat16, beside Magenta's own speed, and beside
  the same network with Keras's own LSTM loop.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

MAGENTA = 0.27  # steps a second of cat-drums_2bar_small: TF 2.9 on two cores of an EPYC
PEER = "cat-drums_2bar_small"
PEAK_ROWS = 2048  # of the square matrices that find the peak: 17 GFLOP a product


def main() -> None:
    from drumline.pipeline.profiles import Profile, list_profiles

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=list_profiles(), help="default: all but paper")
    parser.add_argument("--steps", type=int, default=8, help="timed steps; the fastest counts (default 8)")
    parser.add_argument("--peer-only", action="store_true")
    parser.add_argument("--one", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*arguments.one, arguments.steps)))
        return
    console = Console(width=None if sys.stdout.isatty() else 120)
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f} before the first step")
    if not arguments.peer_only:
        table = Table("profile", "model", "bars", "batch", "dtype", "steps/s", "peak MB", "GFLOP/s", "of the peak")
        names = [arguments.profile] if arguments.profile else [name for name in list_profiles() if name != "paper"]
        for profile in map(Profile.read, names):
            for length in profile.lengths:
                for model in profile.models(length):
                    ran = run(["profile", profile.name, model, length], arguments.steps)
                    table.add_row(profile.name, model, str(length), *cells(ran))
        console.print(table)

    table = Table(
        PEER, "batch", "dtype", "steps/s", "peak MB", "GFLOP/s", "of the peak", "times Magenta", "times Keras"
    )
    for mixed in (False, True):
        keras_s, ours = (run(["peer", mixed, loop], arguments.steps) for loop in ("keras", "ours"))
        for loop, ran in (("Keras's loop", keras_s), ("this project", ours)):
            gains = ran["steps_s"] / MAGENTA, ran["steps_s"] / keras_s["steps_s"]
            table.add_row(loop, *cells(ran), *(f"{gain:.2f}" for gain in gains))
    console.print(table)
    print(f"load {os.getloadavg()[0]:.1f} after the last step")


def cells(ran: dict) -> list[str]:
    speed = ran["flops"] * ran["steps_s"] / 1e9
    memory, share = f"{ran['peak_mb']:.0f}", f"{100 * speed / ran['peak_gflops']:.0f} %"
    return [str(ran["batch"]), ran["dtype"], f"{ran['steps_s']:.2f}", memory, f"{speed:.0f}", share]


def run(one: list, steps: int) -> dict:
    """Measures in a process of its own, so that its memory is its own."""
    command = [sys.executable, __file__, "--one", json.dumps(one), "--steps", str(steps)]
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(finished.stdout.splitlines()[-1])


def measure(kind: str, *which) -> dict:
    *which, steps = which
    import numpy as np
    import tensorflow as tf
    from drumline.drums.kit import COMBINATIONS, STEPS_PER_BAR
    from drumline.models import cpu_lstm
    from drumline.models.kinds import find_kind
    from drumline.models.network import build_model
    from drumline.models.sizes import Training, VaeSizes
    from drumline.models.training import Trainee
    from drumline.pipeline.profiles import Profile

    if kind == "peer":
        mixed, loop = which
        if loop == "keras":
            cpu_lstm.is_faster = lambda _: False
        kind, bars = find_kind("flat_vae"), 2
        sizes = VaeSizes(
            latent=256, encoder="sequence", encoder_units=512, decoder_units=256, decoder_layers=2, encoder_layers=1
        )
        training = Training(batch_size=512, steps=100, mixed_bfloat16=mixed)
    else:
        profile, name, bars = which
        chosen = Profile.read(profile).models(bars)[name]
        kind, sizes, training = chosen.kind, chosen.sizes, chosen.training
    training = replace(training, strategy="")
    dtype = "bfloat16" if training.mixed_bfloat16 else "float32"
    peak = peak_gflops(tf, dtype)
    model = build_model(kind, bars, sizes, mixed_bfloat16=training.mixed_bfloat16)
    trainee = Trainee(model, training)
    step = tf.function(trainee.train_step)
    drawn = np.random.default_rng(0).integers(0, COMBINATIONS, (training.batch_size, bars * STEPS_PER_BAR))
    windows = tf.constant(drawn)
    return {
        "steps_s": 1 / fastest(lambda: float(step(windows)["loss"]), steps),
        "peak_mb": peak_mb(),
        "flops": 6 * training.batch_size * products(model, windows[:1]),
        "peak_gflops": peak,
        "dtype": dtype,
        "batch": training.batch_size,
    }


def fastest(run_once, times: int) -> float:
    """Seconds of the fastest of some runs, after two that compile and warm up."""
    seconds = []
    for _ in range(times + 2):
        start = time.perf_counter()
        run_once()
        seconds.append(time.perf_counter() - start)
    return min(seconds[2:])


def peak_gflops(tf, dtype: str) -> float:
    matrix = tf.cast(tf.random.normal([PEAK_ROWS, PEAK_ROWS]), dtype)
    return 2 * PEAK_ROWS**3 / fastest(lambda: tf.matmul(matrix, matrix).numpy(), 10) / 1e9


def products(model, window) -> int:
    """Multiplications of one window's forward pass: each layer's weights times the rows that it is called with."""
    import keras

    counted = []

    def counting(call):
        def counted_call(layer, inputs, *arguments, **options):
            if isinstance(layer, keras.layers.RNN | keras.layers.Dense):
                weights = layer.cell.weights if isinstance(layer, keras.layers.RNN) else layer.weights
                rows = inputs.shape.num_elements() // inputs.shape[-1]
                used = rows * sum(weight.shape.num_elements() for weight in weights if len(weight.shape) > 1)
                if getattr(layer, "constant", 0):  # inputs whose product is needed once for all steps
                    used -= (rows - inputs.shape[0]) * layer.constant * layer.cell.kernel.shape[1]
                counted.append(used)
            outputs = call(layer, inputs, *arguments, **options)
            if isinstance(layer, keras.layers.Conv1D):
                counted.append(outputs.shape[1] * layer.kernel.shape.num_elements())
            return outputs

        return counted_call

    original = keras.layers.Layer.__call__
    keras.layers.Layer.__call__ = counting(original)
    try:
        model(window)
    finally:
        keras.layers.Layer.__call__ = original
    return sum(counted)


def peak_mb() -> float:
    """The most memory this process ever held. Not ru_maxrss, which begins with that of the process that started it."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
