"""What Trainer calls: builds, fits and exports the model that its custom config describes."""

import logging
from pathlib import Path

import tensorflow as tf
import tensorflow_transform as tft
from tfx import v1 as tfx
from tfx_bsl.public import tfxio

from components.preprocessing import frequencies
from drums.errors import InputError
from models import export, registry, training
from models.sizes import Training

_SHUFFLED = 50_000  # windows: of a large corpus, what fits in memory and mixes many songs


def run_fn(fn_args: tfx.components.FnArgs) -> None:
    """Trains one model. custom_config: model, bars, sizes and training (as their dataclasses' fields)."""
    name, bars = fn_args.custom_config["model"], fn_args.custom_config["bars"]
    sizes = registry.SIZES[name](**fn_args.custom_config["sizes"])
    recipe = Training(**fn_args.custom_config["training"])
    transform_output = tft.TFTransformOutput(fn_args.transform_output)

    model = registry.build(name, bars, sizes, seed=recipe.seed, mixed_bfloat16=recipe.mixed_bfloat16)
    try:
        training.fit(
            model,
            name,
            train=_combinations(fn_args, fn_args.train_files, transform_output, recipe, shuffled=True),
            held_out=_combinations(fn_args, fn_args.eval_files, transform_output, recipe, shuffled=False),
            training=recipe,
            log_dir=Path(fn_args.model_run_dir),
            report=logging.getLogger("drumline").info,
        )
    except (ValueError, RuntimeError) as error:
        if type(error) in (ValueError, RuntimeError):
            raise InputError(str(error)) from error
        raise
    transform = transform_output.transform_features_layer()
    export.save(
        model,
        fn_args.serving_model_dir,
        encode=lambda velocities: transform({"velocities": velocities})["combinations"],
        majority=next(iter(frequencies(transform_output))),
        track=[transform],
    )


def _combinations(fn_args, files, transform_output, recipe: Training, *, shuffled: bool) -> tf.data.Dataset:
    """Batches of combinations, int64 [B, steps], once through the files."""
    examples = fn_args.data_accessor.tf_dataset_factory(
        files,
        tfxio.TensorFlowDatasetOptions(
            batch_size=recipe.batch_size,
            num_epochs=1,
            shuffle=shuffled,
            shuffle_buffer_size=_SHUFFLED,
            shuffle_seed=recipe.seed,
            drop_final_batch=shuffled,
        ),
        transform_output.transformed_metadata.schema,
    )
    return examples.map(lambda features: features["combinations"])
