"""The SavedModel of a trained network, with the signatures that TF Serving and TFMA call."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from drums.kit import DRUMS
from models import accuracy
from models.decoding import continue_beat, decode, latent_noise
from models.encoding import hits_of_combinations
from models.forecasters import Forecaster
from models.vae import Vae

Encode = Callable[[tf.Tensor], tf.Tensor]  # velocities int64 [B, steps, 9] -> combinations int64 [B, steps]

TEMPERATURE = tf.TensorSpec([None], tf.float32, "temperature")
SEED = tf.TensorSpec([None, 2], tf.int64, "seed")


def save(
    model: Forecaster | Vae,
    directory: Path | str,
    encode: Encode,
    majority: int,
    *,
    track: Sequence[Any] = (),
) -> None:
    """Writes a SavedModel with the signatures `serving_default`, `evaluate` and those of the model's kind.

    majority: the commonest combination of the training windows, 0..511.
    track: what `encode` needs kept alive, such as a Transform layer with its tables.
    """
    # The Keras model must not be reachable: TensorFlow would trace its call with float32 and fail.
    module = tf.Module()
    module.weights = [variable.value for variable in model.variables]
    module.track = list(track)
    signatures = _vae_signatures(model, encode) if isinstance(model, Vae) else _forecaster_signatures(model, encode)
    signatures["evaluate"] = _evaluate(model, encode, majority)
    tf.saved_model.save(module, str(directory), signatures=signatures)


def slerp(a: tf.Tensor, b: tf.Tensor, fraction: tf.Tensor) -> tf.Tensor:
    """Spherical interpolation (White 2016), linear where they are parallel. a, b: [B, Z]; fraction: [B]."""
    cosine = tf.reduce_sum(tf.linalg.l2_normalize(a, -1) * tf.linalg.l2_normalize(b, -1), -1)
    angle = tf.acos(tf.clip_by_value(cosine, -1.0, 1.0))
    sine = tf.sin(angle)
    parallel = sine < 1e-4
    safe = tf.where(parallel, 1.0, sine)
    of_a = tf.where(parallel, 1.0 - fraction, tf.sin((1.0 - fraction) * angle) / safe)
    of_b = tf.where(parallel, fraction, tf.sin(fraction * angle) / safe)
    return of_a[:, None] * a + of_b[:, None] * b


def _vae_signatures(model: Vae, encode: Encode) -> dict[str, tf.types.experimental.GenericFunction]:
    latent = model.sizes.latent

    def window(name: str) -> tf.TensorSpec:
        return tf.TensorSpec([None, model.steps, len(DRUMS)], tf.int64, name)

    def mu(velocities: tf.Tensor) -> tf.Tensor:
        return model.posterior(encode(velocities)).mean()

    def played(z: tf.Tensor, temperature: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"hits": hits_of_combinations(decode(model, z, temperature, seed), tf.int64)}

    @tf.function(input_signature=[window("velocities")])
    def reconstruct(velocities):
        return {"hits": hits_of_combinations(accuracy.reconstruction(model, encode(velocities)), tf.int64)}

    @tf.function(input_signature=[window("velocities")])
    def encoded(velocities):
        posterior = model.posterior(encode(velocities))
        return {"z": posterior.mean(), "sigma": posterior.stddev()}

    @tf.function(input_signature=[tf.TensorSpec([None, latent], tf.float32, "z"), TEMPERATURE, SEED])
    def decoded(z, temperature, seed):
        return played(z, temperature, seed)

    @tf.function(input_signature=[TEMPERATURE, SEED])
    def sampled(temperature, seed):
        return played(latent_noise(seed, latent), temperature, seed)

    @tf.function(
        input_signature=[
            window("a"),
            window("b"),
            tf.TensorSpec([None], tf.float32, "fraction"),
            TEMPERATURE,
            SEED,
        ]
    )
    def interpolated(a, b, fraction, temperature, seed):
        return played(slerp(mu(a), mu(b), fraction), temperature, seed)

    return {
        "serving_default": reconstruct,
        "encode": encoded,
        "decode": decoded,
        "sample": sampled,
        "interpolate": interpolated,
    }


def _forecaster_signatures(model: Forecaster, encode: Encode) -> dict[str, tf.types.experimental.GenericFunction]:
    primer = tf.TensorSpec([None, None, len(DRUMS)], tf.int64, "velocities")

    def encode_primer(velocities: tf.Tensor) -> tf.Tensor:
        """The primer's combinations, int64 [B, t]; of one longer than a window, those of its last window."""
        velocities = velocities[:, -model.steps :]
        length = tf.shape(velocities)[1]
        window = tf.pad(velocities, [[0, 0], [0, model.steps - length], [0, 0]])
        return encode(tf.ensure_shape(window, [None, model.steps, len(DRUMS)]))[:, :length]

    @tf.function(input_signature=[primer])
    def next_step(velocities):
        logits, _ = model.prime(hits_of_combinations(encode_primer(velocities)))
        return {"probabilities": tf.sigmoid(tf.cast(logits, tf.float32))}

    @tf.function(input_signature=[primer, TEMPERATURE, SEED])
    def continued(velocities, temperature, seed):
        beats = continue_beat(model, encode_primer(velocities), temperature, seed, model.steps)
        return {"hits": hits_of_combinations(beats, tf.int64)}

    return {"serving_default": next_step, "continue": continued}


def _evaluate(model: Forecaster | Vae, encode: Encode, majority: int) -> tf.types.experimental.GenericFunction:
    feature = {"velocities": tf.io.FixedLenFeature([model.steps, len(DRUMS)], tf.int64)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def evaluate(examples):
        combinations = encode(tf.io.parse_example(examples, feature)["velocities"])
        scores = {
            "teacher_forced_accuracy": accuracy.teacher_forced_accuracy(model, combinations),
            "sampled_accuracy": accuracy.sampled_accuracy(model, combinations),
            "majority_accuracy": accuracy.majority_accuracy(combinations, majority),
            "repeat_bar_accuracy": accuracy.repeat_bar_accuracy(combinations),
            "repeat_bar_sampled_accuracy": accuracy.repeat_bar_sampled_accuracy(combinations),
        }
        if isinstance(model, Vae):
            scores["kl"] = model.posterior(combinations).kl_divergence(model.prior())
        return scores

    return evaluate
