"""A training run on logical CPU devices, as a process: OUT MODEL DEVICES STRATEGY. Writes weights and losses."""

import sys

import numpy as np
import tensorflow as tf
from drumline.models import training
from drumline.models.sizes import Training

from tests.models.tiny import BARS, TINY, build


class Recorded(training.Progress):
    """Keeps Adam's moments: of gradients that were wrong by a factor, Adam's weights would show nothing."""

    optimizer: list[np.ndarray]

    def add(self, epoch):
        super().add(epoch)
        Recorded.optimizer = [variable.numpy() for variable in self.trainee.optimizer.variables]


def main(out: str, name: str, devices: str, strategy: str) -> None:
    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * int(devices))
    # A norm that clips every step: it must be that of all devices' gradients.
    recipe = Training(32, 30, learning_rate=1e-2, evaluate_every=15, clip_norm=0.05, strategy=strategy.strip("-"))
    themes = np.random.default_rng(0).integers(0, 512, (4, 32)).astype(np.uint16)
    windows = themes[np.random.default_rng(1).integers(0, 4, 200)]
    training.Progress = Recorded
    with training.strategy_of(recipe).scope():
        model = build(name, BARS, TINY[name])
    # The last held-out batch holds a single window: a device has none.
    history = training.fit(model, name, windows[:167], windows[167:], recipe, report=str)
    np.savez(out, *model.get_weights(), *Recorded.optimizer, loss=history["val_loss"])


if __name__ == "__main__":
    main(*sys.argv[1:])
