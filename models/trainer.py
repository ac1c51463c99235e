"""What Trainer calls: builds, fits and exports the model that its custom config describes."""

import hashlib
import json
import logging
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import tensorflow_transform as tft
from drumline.drums.kit import STEPS_PER_BAR
from drumline.models import density, export, registry, training
from drumline.models.batches import pick_evenly
from drumline.models.model_run import EPOCHS, RECIPE
from drumline.models.preprocessing import frequencies
from drumline.models.search import describe_values, resize
from drumline.models.sizes import Training
from drumline.models.vae import Vae
from tfx import v1 as tfx
from tfx_bsl.public import tfxio

from drumline.machine import code_version
from drumline.naming import model_folder

_READ = 1024  # windows at a time
_HOW_LONG = ("steps", "minutes", "patience")
_OTHER = 512  # training windows whose z stands for that of another song


def run_fn(fn_args: tfx.components.FnArgs) -> None:
    """Trains one model.

    custom_config: `profile`, `model`, `bars`, `sizes` and `training` (as their dataclasses' fields), and maybe
    `checkpoints`, a folder that outlives this execution: the same training, run again after a kill, goes on from there.
    hyperparameters: what a Tuner found best, instead of those of `sizes`.
    """
    config = fn_args.custom_config
    name, bars = config["model"], config["bars"]
    sizes, recipe = sizes_of(fn_args), Training(**config["training"])
    strategy = training.strategy_of(recipe)
    transform_output = tft.TFTransformOutput(fn_args.transform_output)
    train, held_out = (
        windows_of(fn_args, files, transform_output) for files in (fn_args.train_files, fn_args.eval_files)
    )
    with strategy.scope():
        model = registry.build(name, bars, sizes, seed=recipe.seed, mixed_bfloat16=recipe.mixed_bfloat16)
    checkpoints = checkpoints_of(fn_args)
    training.fit(
        model,
        name,
        train=train,
        held_out=held_out,
        training=recipe,
        log_dir=checkpoints,
        report=logging.getLogger("drumline").info,
    )
    if recipe.strategy:
        weights = model.get_weights()
        model = registry.build(name, bars, sizes, mixed_bfloat16=recipe.mixed_bfloat16)
        model.set_weights(weights)
    if not strategy.extended.should_checkpoint:
        return  # the chief exports
    transform = transform_output.transform_features_layer()
    export.save(
        model,
        fn_args.serving_model_dir,
        encode=lambda velocities: transform({"velocities": velocities})["combinations"],
        majority=next(iter(frequencies(transform_output))),
        other_windows=pick_evenly(train, _OTHER),
        density=density.fit_density(model, train, held_out, recipe.seed) if isinstance(model, Vae) else None,
        track=[transform],
    )
    model_run_dir = Path(fn_args.model_run_dir)
    _put_away(checkpoints, model_run_dir)
    described = {name: config[name] for name in ("profile", "model", "bars", "training")}
    recorded = described | {"sizes": asdict(sizes), "code": code_version()}
    (model_run_dir / RECIPE).write_text(json.dumps(recorded, indent=2))


def sizes_of(fn_args: tfx.components.FnArgs) -> registry.Sizes:
    """Those of the custom config, with the values that a search chose, which it logs."""
    config = fn_args.custom_config
    sizes = registry.SIZES[config["model"]](**config["sizes"])
    if not fn_args.hyperparameters:
        return sizes
    values = fn_args.hyperparameters["values"]
    logging.getLogger("drumline").info(f"{config['model']}: the search chose {describe_values(values)}")
    return resize(sizes, values)


def checkpoints_of(fn_args: tfx.components.FnArgs) -> Path:
    """Where a run keeps its checkpoints: the same for the same recipe and data, whichever execution it is.

    A run that is to take longer than one that was stopped goes on from there: how long changes no step.
    """
    config = dict(fn_args.custom_config)
    config["training"] = {name: value for name, value in config["training"].items() if name not in _HOW_LONG}
    folder = config.pop("checkpoints", None)
    if folder is None:
        return Path(fn_args.model_run_dir)
    of = [config, sorted(fn_args.train_files), sorted(fn_args.eval_files), fn_args.transform_output]
    if fn_args.hyperparameters:
        of.append(fn_args.hyperparameters["values"])
    fingerprint = hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:16]
    return Path(folder) / model_folder(config["model"], config["bars"]) / fingerprint


def _put_away(checkpoints: Path, model_run_dir: Path) -> None:
    """Keeps the epochs of a run that is over, and nothing else."""
    if checkpoints == model_run_dir:
        return
    model_run_dir.mkdir(parents=True, exist_ok=True)
    shutil.copy(checkpoints / EPOCHS, model_run_dir)
    shutil.rmtree(checkpoints)


def windows_of(fn_args: tfx.components.FnArgs, files: list[str], transform_output: tft.TFTransformOutput) -> np.ndarray:
    """All combinations in the files, in their order, uint16 [N, steps]."""
    batches = fn_args.data_accessor.tf_dataset_factory(
        files,
        # One reader: more would take turns, in an order that hangs on the number of cores.
        tfxio.TensorFlowDatasetOptions(batch_size=_READ, num_epochs=1, shuffle=False, reader_num_threads=1),
        transform_output.transformed_metadata.schema,
    )
    steps = fn_args.custom_config["bars"] * STEPS_PER_BAR
    values = bytearray()  # grows in place: a list of arrays would take the memory of all twice
    for batch in batches:
        values += batch["combinations"].numpy().astype(np.uint16).tobytes()
    return np.frombuffer(values, np.uint16).reshape(-1, steps)
