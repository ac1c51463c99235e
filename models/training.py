"""Training: Adam with a decaying learning rate, an evaluation each epoch, the best weights kept."""

from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from models.accuracy import sampled_accuracy, teacher_forced_accuracy
from models.forecasters import Forecaster
from models.sizes import Training
from models.vae import Vae

SAMPLED_WINDOWS = 256  # held-out windows that an epoch's sampled accuracy looks at


def fit(
    model: Forecaster | Vae,
    name: str,
    train: tf.data.Dataset,
    held_out: tf.data.Dataset,
    training: Training,
    log_dir: Path | str | None = None,
    report: Callable[[str], None] = print,
) -> dict[str, list[float]]:
    """Trains `model` in place and leaves the weights of the epoch with the least held-out loss in it.

    train, held_out: batches of combinations, int64 [B, steps]. train comes shuffled and may be endless.
    report: gets one line per epoch, which `name` begins.
    log_dir: where epochs.csv goes, and the best weights so far.

    Returns the values of each epoch: `loss`, `val_loss` (nats per window), `val_teacher_forced_accuracy`,
    `val_sampled_accuracy`, for autoencoders `kl` and `val_kl`.
    Raises ValueError for fewer examples than a batch holds, RuntimeError if the loss stops being a number.
    """
    _refuse_too_few(name, train, held_out, training.batch_size)
    keras.utils.set_random_seed(training.seed)
    trainee = Trainee(model)
    trainee.compile(optimizer=_adam(training), jit_compile=False)
    history = trainee.fit(
        train.repeat().prefetch(tf.data.AUTOTUNE),
        steps_per_epoch=min(training.evaluate_every, training.steps),
        epochs=-(-training.steps // training.evaluate_every),
        validation_data=held_out,
        callbacks=_callbacks(model, name, held_out, training, log_dir, report),
        verbose=0,
    )
    return {key: [float(value) for value in values] for key, values in history.history.items()}


class Trainee(keras.Model):
    """The network while it is trained: steps and metrics around it."""

    def __init__(self, network: Forecaster | Vae):
        super().__init__()
        self.network = network
        names = ("loss", "kl") if isinstance(network, Vae) else ("loss",)
        self.means = {name: keras.metrics.Mean(name) for name in (*names, "teacher_forced_accuracy")}
        self.built = True

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return list(self.means.values())

    def train_step(self, combinations: tf.Tensor) -> dict[str, tf.Tensor]:
        weights = self.network.trainable_weights
        with tf.GradientTape() as tape:
            outcome = self.network.outcome(combinations, training=True)
            loss = tf.reduce_mean(outcome["loss"])
        self.optimizer.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)
        return self._updated(outcome)

    def test_step(self, combinations: tf.Tensor) -> dict[str, tf.Tensor]:
        outcome = self.network.outcome(combinations)
        return self._updated(outcome | {"teacher_forced_accuracy": teacher_forced_accuracy(self.network, combinations)})

    def _updated(self, outcome: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        # One value per window, never a batch's mean: of scalars, Keras 3 counted one batch too many.
        for name, values in outcome.items():
            self.means[name].update_state(values)
        return {name: self.means[name].result() for name in outcome}


def _adam(training: Training) -> keras.optimizers.Adam:
    rate = DecayToFloor(training.learning_rate, training.final_learning_rate, training.decay)
    return keras.optimizers.Adam(rate, global_clipnorm=training.clip_norm)


@keras.saving.register_keras_serializable(package="drumline")
class DecayToFloor(keras.optimizers.schedules.LearningRateSchedule):
    """max(last, first * decay ** step)."""

    def __init__(self, first: float, last: float, decay: float):
        self.first, self.last, self.decay = first, last, decay

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        return tf.maximum(self.last, self.first * tf.pow(self.decay, tf.cast(step, tf.float32)))

    def get_config(self) -> dict[str, float]:
        return {"first": self.first, "last": self.last, "decay": self.decay}


def _callbacks(model, name, held_out, training, log_dir, report) -> list[keras.callbacks.Callback]:
    epochs = -(-training.steps // training.evaluate_every)
    callbacks = [
        RefuseNan(name),
        SampledAccuracy(model, held_out),
        keras.callbacks.EarlyStopping("val_loss", patience=training.patience or epochs, restore_best_weights=True),
        EpochLine(name, epochs, report),
    ]
    if log_dir is not None:
        Path(log_dir).mkdir(parents=True, exist_ok=True)
        best = str(Path(log_dir) / "best.weights.h5")
        callbacks += [
            keras.callbacks.CSVLogger(str(Path(log_dir) / "epochs.csv")),
            keras.callbacks.ModelCheckpoint(best, save_best_only=True, save_weights_only=True),
        ]
    return callbacks


class RefuseNan(keras.callbacks.Callback):
    def __init__(self, name: str):
        super().__init__()
        self.name = name

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        loss = logs["loss"]
        if loss != loss or abs(loss) == float("inf"):
            step = int(self.model.optimizer.iterations)
            raise RuntimeError(f"{self.name}: the loss is {loss} at step {step}; lower learning_rate or clip_norm")


class SampledAccuracy(keras.callbacks.Callback):
    """Adds `val_sampled_accuracy`, over the first SAMPLED_WINDOWS held-out windows, to each epoch's logs."""

    def __init__(self, network: Forecaster | Vae, held_out: tf.data.Dataset):
        super().__init__()
        self.windows = held_out.unbatch().batch(SAMPLED_WINDOWS).take(1).get_single_element()
        self.accuracy = tf.function(lambda windows: tf.reduce_mean(sampled_accuracy(network, windows)))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        logs["val_sampled_accuracy"] = float(self.accuracy(self.windows))


class EpochLine(keras.callbacks.Callback):
    def __init__(self, name: str, epochs: int, report: Callable[[str], None]):
        super().__init__()
        self.name, self.epochs, self.report = name, epochs, report

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.report(
            f"{self.name}: epoch {epoch + 1}/{self.epochs}, loss {logs['loss']:.1f}, held-out loss "
            f"{logs['val_loss']:.1f}, teacher-forced accuracy {logs['val_teacher_forced_accuracy']:.3f}, "
            f"sampled accuracy {logs['val_sampled_accuracy']:.3f}"
        )


def _refuse_too_few(name: str, train: tf.data.Dataset, held_out: tf.data.Dataset, batch_size: int) -> None:
    examples = sum(len(batch) for batch in train.unbatch().batch(batch_size).take(1))
    if examples < batch_size:
        raise ValueError(
            f"{name}: fewer examples ({examples}) than one batch ({batch_size}); add MIDI files, or lower batch_size"
        )
    if not any(len(batch) for batch in held_out.take(1)):
        raise ValueError(f"{name}: no held-out example; add MIDI files, or hold a larger share of them out")
