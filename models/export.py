"""The SavedModel of a trained network, with the signatures that TF Serving and TFMA call."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from drumline.drums.kit import DRUMS
from drumline.models import accuracy, batching_parameters, warmup
from drumline.models.decoding import continue_beat, decode
from drumline.models.density import Density
from drumline.models.encoding import hits_of_combinations
from drumline.models.evaluation import evaluate_windows
from drumline.models.forecasters import Forecaster
from drumline.models.latent import slerp
from drumline.models.vae import Vae

Encode = Callable[[tf.Tensor], tf.Tensor]  # velocities int64 [B, steps, 9] -> combinations int64 [B, steps]

TEMPERATURE = tf.TensorSpec([None], tf.float32, "temperature")
SEED = tf.TensorSpec([None, 2], tf.int64, "seed")


def save(
    model: Forecaster | Vae,
    directory: Path | str,
    encode: Encode,
    majority: int,
    other_windows: tf.Tensor,
    *,
    density: Density | None = None,
    track: Sequence[Any] = (),
) -> None:
    """Writes a SavedModel with the signatures `serving_default`, `evaluate` and those of the model's kind, and with
    what TensorFlow Serving warms it up by and batches requests by.

    majority: the commonest combination of the training windows, 0..511.
    other_windows: combinations, integers [N, steps], of songs that nobody evaluates the model on. `evaluate` tells
        what becomes of a window that is played from the z of one of these (`shuffled_z_accuracy`).
    density: where an autoencoder's samples are drawn from; by default its prior.
    track: what `encode` needs kept alive, such as a Transform layer with its tables.
    """
    if isinstance(model, Vae) and density is None:
        density = Density.standard(model.sizes.latent)
    # The Keras model must not be reachable: TensorFlow would trace its call with float32 and fail.
    module = tf.Module()
    module.weights = [variable.value for variable in model.variables]
    module.track = [density, *track]
    if isinstance(model, Vae):
        signatures = _vae_signatures(model, encode, density)
    else:
        signatures = _forecaster_signatures(model, encode)
    signatures["evaluate"] = _evaluate(model, encode, majority, other_windows, density)
    tf.saved_model.save(module, str(directory), signatures=signatures)
    warmup.write(directory, signatures)
    batching_parameters.write(directory, signatures)


def _vae_signatures(model: Vae, encode: Encode, density: Density) -> dict[str, tf.types.experimental.GenericFunction]:
    latent = model.sizes.latent

    def window(name: str) -> tf.TensorSpec:
        return tf.TensorSpec([None, model.steps, len(DRUMS)], tf.int64, name)

    def mu(velocities: tf.Tensor) -> tf.Tensor:
        return model.posterior(encode(velocities)).mean()

    def played(z: tf.Tensor, temperature: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"hits": hits_of_combinations(decode(model, z, temperature, seed), tf.int64)}

    @tf.function(input_signature=[window("velocities")])
    def reconstruct(velocities):
        return {"hits": hits_of_combinations(accuracy.predict_greedily(model, encode(velocities)), tf.int64)}

    @tf.function(input_signature=[window("velocities")])
    def encoded(velocities):
        posterior = model.posterior(encode(velocities))
        return {"z": posterior.mean(), "sigma": posterior.stddev()}

    @tf.function(input_signature=[tf.TensorSpec([None, latent], tf.float32, "z"), TEMPERATURE, SEED])
    def decoded(z, temperature, seed):
        return played(z, temperature, seed)

    @tf.function(input_signature=[TEMPERATURE, SEED])
    def sampled(temperature, seed):
        return played(density.draw(seed), temperature, seed)

    @tf.function(input_signature=[SEED])
    def drawn(seed):
        return {"z": density.draw(seed)}

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
        "draw": drawn,
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


def _evaluate(
    model: Forecaster | Vae, encode: Encode, majority: int, other_windows: tf.Tensor, density: Density | None
) -> tf.types.experimental.GenericFunction:
    feature = {"velocities": tf.io.FixedLenFeature([model.steps, len(DRUMS)], tf.int64)}
    other_z = model.posterior(tf.cast(other_windows, tf.int64)).mean() if isinstance(model, Vae) else None

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def evaluate(examples):
        combinations = encode(tf.io.parse_example(examples, feature)["velocities"])
        return evaluate_windows(model, combinations, majority=majority, other_z=other_z, density=density)

    return evaluate
