"""Training: Adam with a decaying learning rate, an evaluation each epoch, the best weights kept, resumed if killed."""

import shutil
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from drumline.models.accuracy import teacher_forced_accuracy
from drumline.models.batches import batches
from drumline.models.callbacks import EndOfEpoch, RefuseNan, StopAtStep
from drumline.models.network import DrumModel
from drumline.models.progress import Progress
from drumline.models.schedules import DecayToFloor
from drumline.models.sizes import Training

from drumline.errors import InputError

_NOISE = 2  # the seed's use; `models.batches` has others


def strategy_of(training: Training) -> tf.distribute.Strategy:
    """Where a run computes. Networks that it trains are built in the strategy's scope.

    That of several machines must be made before TensorFlow does anything else.
    """
    if training.strategy == "multi_worker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    if training.strategy == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.get_strategy()


def fit(
    model: DrumModel,
    name: str,
    train: np.ndarray,
    held_out: np.ndarray,
    training: Training,
    log_dir: Path | str | None = None,
    report: Callable[[str], None] = print,
) -> dict[str, list[float]]:
    """Trains `model` in place and leaves the weights of the epoch with the least held-out loss in it.

    train, held_out: combinations, uint16 [N, steps].
    report: gets one line per epoch, which `name` begins.
    log_dir: where the run's `Progress` goes. A run that is found there goes on from the end of its last epoch, to the
    same weights as if nothing had stopped it. Of several machines each must see the same folder.

    Returns the values of each epoch: `loss`, `val_loss` (nats per window), `val_teacher_forced_accuracy`,
    `val_sampled_accuracy`, for autoencoders `kl` and `val_kl`; `epoch`, `step`, `minutes`.
    Raises InputError for fewer examples than a batch holds, a loss that stops being a number, a batch that does not
    fit into memory or cannot be shared out among the devices, and an unusable checkpoint.
    """
    strategy = model.distribute_strategy
    _refuse_too_few(name, len(train), len(held_out), training.batch_size)
    _refuse_unless_shared_out(name, training.batch_size, strategy.num_replicas_in_sync)
    with strategy.scope(), _folder(log_dir, strategy) as folder:
        trainee = Trainee(model, training)
        progress = Progress(name, trainee, training, folder)
        progress.resume()
        if progress.epochs:
            report(f"{name}: resumed at step {progress.epochs[-1]['step']:.0f} of {training.steps}")
        if not progress.over:
            _run(trainee, progress, train, held_out, report)
        progress.restore_best()
    return {key: [epoch[key] for epoch in progress.epochs] for key in progress.epochs[0]}


def _run(trainee: "Trainee", progress: Progress, train: np.ndarray, held_out: np.ndarray, report) -> None:
    training, begun = progress.training, len(progress.epochs)
    try:
        trainee.fit(
            batches(train, training, first_step=begun * training.evaluate_every),
            steps_per_epoch=training.evaluate_every,
            initial_epoch=begun,
            epochs=-(-training.steps // training.evaluate_every),
            validation_data=_held_out_batches(held_out, training.batch_size),
            callbacks=[StopAtStep(training.steps), RefuseNan(progress.name), EndOfEpoch(progress, held_out, report)],
            verbose=0,
        )
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise InputError(
            f"{progress.name}: a batch of {training.batch_size} windows of {train.shape[1]} steps does not fit into "
            "memory; lower it (`--set training.batch_size=...`), or use a smaller network"
        ) from error


def _held_out_batches(windows: np.ndarray, batch_size: int) -> tf.data.Dataset:
    slices = tf.data.Dataset.from_tensor_slices(windows).batch(batch_size)
    return slices.map(lambda batch: tf.cast(batch, tf.int64)).prefetch(tf.data.AUTOTUNE)


class Trainee(keras.Model):
    """The network while it is trained: steps and metrics around it.

    What a step draws at random is a function of the seed, the step and the device's number.
    """

    def __init__(self, network: DrumModel, settings: Training):
        super().__init__()
        self.network, self.settings = network, settings
        names = (*network.outcome_names, "teacher_forced_accuracy")
        self.means = {name: keras.metrics.Mean(name) for name in names}
        self.built = True
        rate = DecayToFloor(settings.learning_rate, settings.final_learning_rate, settings.decay)
        self.compile(optimizer=Adam(rate, global_clipnorm=settings.clip_norm), jit_compile=False)
        self.optimizer.build(network.trainable_weights)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return list(self.means.values())

    @property
    def steps_done(self) -> int:
        return int(self.optimizer.iterations.numpy())

    def train_step(self, combinations: tf.Tensor) -> dict[str, tf.Tensor]:
        weights = self.network.trainable_weights
        with tf.GradientTape() as tape:
            step = tf.cast(self.optimizer.iterations.value, tf.float32)
            outcome = self.network.outcome(
                combinations, training=True, seed=self._seed(), step=step, settings=self.settings
            )
            # Each device's part of the mean over the whole batch: the optimizer adds them.
            loss = tf.reduce_sum(outcome["loss"]) / self.settings.batch_size
        values = [weight.value for weight in weights]
        self.optimizer.apply(tape.gradient(loss, values, unconnected_gradients="zero"), weights)
        return self._update_metrics(outcome)

    def test_step(self, combinations: tf.Tensor) -> dict[str, tf.Tensor]:
        outcome = self.network.outcome(combinations)
        return self._update_metrics(
            outcome | {"teacher_forced_accuracy": teacher_forced_accuracy(self.network, combinations)}
        )

    def _seed(self) -> tf.Tensor:
        """int32 [2]."""
        seed = tf.constant([self.settings.seed % 2**31, _NOISE])
        device = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.random.fold_in(tf.random.fold_in(seed, tf.cast(self.optimizer.iterations.value, tf.int32)), device)

    def _update_metrics(self, outcome: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        # One value per window, never a batch's mean: of scalars, Keras 3 counted one batch too many.
        for name, values in outcome.items():
            self.means[name].update_state(values)
        results = {name: self.means[name].result() for name in outcome}
        if self.settings.strategy == "multi_worker":
            # Keras averages over the machines along a first axis, which a mean has not.
            return {name: result[None] for name, result in results.items()}
        return results


class Adam(keras.optimizers.Adam):
    """Adds the gradients of all devices, then clips them. Keras' own clips each device's, and adds those."""

    def apply(self, grads: list[tf.Tensor], trainable_variables: list[keras.Variable] | None = None) -> None:
        total = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, grads)
        super().apply(total, trainable_variables)

    def _all_reduce_sum_gradients(self, grads_and_vars):
        return grads_and_vars


@contextmanager
def _folder(log_dir: Path | str | None, strategy: tf.distribute.Strategy):
    """Where this machine keeps the run: the log folder, or a copy if another machine is the chief."""
    with tempfile.TemporaryDirectory() as scratch:
        if log_dir is None:
            yield Path(scratch)
        elif strategy.extended.should_checkpoint:
            yield Path(log_dir)
        else:
            if Path(log_dir).exists():
                shutil.copytree(log_dir, scratch, dirs_exist_ok=True)
            yield Path(scratch)


def _refuse_too_few(name: str, train: int, held_out: int, batch_size: int) -> None:
    if train < batch_size:
        raise InputError(
            f"{name}: fewer examples ({train}) than one batch ({batch_size}); add MIDI files, or lower batch_size"
        )
    if not held_out:
        raise InputError(f"{name}: no held-out example; add MIDI files, or hold a larger share of them out")


def _refuse_unless_shared_out(name: str, batch_size: int, devices: int) -> None:
    if batch_size % devices:
        raise InputError(
            f"{name}: a batch of {batch_size} windows cannot be shared out among {devices} devices; "
            f"make batch_size a multiple of {devices}"
        )
