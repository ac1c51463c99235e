"""`run_fn`, which TFX's Trainer calls: builds, fits and exports the model that its custom config describes."""

import hashlib
import json
import logging
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_transform as tft
from drumline.drums.kit import STEPS_PER_BAR
from drumline.models import export, training
from drumline.models.event_log import FOLDER
from drumline.models.kinds import ModelKind, find_kind
from drumline.models.model_run import EPOCHS, RECORD, TrainingRecord
from drumline.models.network import DrumModel, build_model
from drumline.models.preprocessing import frequencies
from drumline.models.search import describe_values
from drumline.models.sizes import Training
from tfx import v1 as tfx
from tfx_bsl.public import tfxio

from drumline.machine import code_version
from drumline.naming import model_folder

_BATCH = 1024  # windows read at a time
_HOW_LONG = ("steps", "minutes", "patience")


def run_fn(fn_args: tfx.components.FnArgs) -> None:
    """Trains one model and exports it.

    Args:
      fn_args: TFX's. `custom_config` has `profile`, `model` (its name), `kind`, `bars`, `sizes` and `training` (the
        fields of their dataclasses), and maybe `checkpoints`: a folder that outlives this execution, where the
        same training resumes. `hyperparameters` has what a Tuner chose instead of those of `sizes`.
    """
    config = fn_args.custom_config
    kind, settings = find_kind(config["kind"]), Training(**config["training"])
    sizes = _choose_sizes(kind, fn_args)
    strategy = training.strategy_of(settings)
    transform_output = tft.TFTransformOutput(fn_args.transform_output)
    train, held_out = (
        read_windows(fn_args, files, transform_output) for files in (fn_args.train_files, fn_args.eval_files)
    )
    options: dict[str, Any] = {"seed": settings.seed, "mixed_bfloat16": settings.mixed_bfloat16}
    with strategy.scope():
        model = build_model(kind, config["bars"], sizes, **options)
    checkpoints = checkpoints_of(fn_args)
    training.fit(
        model,
        config["model"],
        train=train,
        held_out=held_out,
        training=settings,
        log_dir=checkpoints,
        report=logging.getLogger("drumline").info,
    )
    if not strategy.extended.should_checkpoint:
        return  # the chief exports
    if settings.strategy:
        weights = model.get_weights()
        model = build_model(kind, config["bars"], sizes, **options)
        model.set_weights(weights)
    model.prepare_export(train, held_out, settings.seed)
    _export(model, fn_args.serving_model_dir, transform_output)
    _keep_records(Path(fn_args.model_run_dir), checkpoints, {**config, "sizes": asdict(sizes)}, kind)


def _choose_sizes(kind: ModelKind, fn_args: tfx.components.FnArgs) -> Any:
    """Returns those of the custom config, with the values that a search chose, which it logs."""
    config = fn_args.custom_config
    sizes = kind.Sizes(**config["sizes"])
    if not fn_args.hyperparameters:
        return sizes
    values = fn_args.hyperparameters["values"]
    logging.getLogger("drumline").info(f"{config['model']}: the search chose {describe_values(values)}")
    return kind.resize(sizes, values)


def _export(model: DrumModel, directory: str, transform_output: tft.TFTransformOutput) -> None:
    transform = transform_output.transform_features_layer()
    export.save(
        model,
        directory,
        encode=lambda velocities: transform({"velocities": velocities})["combinations"],
        majority=next(iter(frequencies(transform_output))),
        track=[transform],
    )


def checkpoints_of(fn_args: tfx.components.FnArgs) -> Path:
    """Returns the folder of a training's checkpoints: the same for the same settings and data in every execution.

    A training that is to take longer than one that was stopped resumes there: its length changes no step.
    """
    config = {name: value for name, value in fn_args.custom_config.items() if name != "checkpoints"}
    config["training"] = {name: value for name, value in config["training"].items() if name not in _HOW_LONG}
    folder = fn_args.custom_config.get("checkpoints")
    if folder is None:
        return Path(fn_args.model_run_dir)
    of = [config, sorted(fn_args.train_files), sorted(fn_args.eval_files), fn_args.transform_output]
    if fn_args.hyperparameters:
        of.append(fn_args.hyperparameters["values"])
    fingerprint = hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:16]
    return Path(folder) / model_folder(config["model"], config["bars"]) / fingerprint


def _keep_records(model_run_dir: Path, checkpoints: Path, config: dict[str, Any], kind: ModelKind) -> None:
    """Keeps the epochs of a training that is over, and its settings; deletes its checkpoints."""
    model_run_dir.mkdir(parents=True, exist_ok=True)
    if checkpoints != model_run_dir:
        shutil.copy(checkpoints / EPOCHS, model_run_dir)
        shutil.copytree(checkpoints / FOLDER, model_run_dir / FOLDER, dirs_exist_ok=True)
        shutil.rmtree(checkpoints)
    settings = {name: value for name, value in config.items() if name != "checkpoints"}
    record = TrainingRecord(**settings, paper_model=kind.paper_model, code=code_version())
    (model_run_dir / RECORD).write_text(json.dumps(asdict(record), indent=2))


def read_windows(
    fn_args: tfx.components.FnArgs, files: list[str], transform_output: tft.TFTransformOutput
) -> np.ndarray:
    """Reads all combinations in some files of examples.

    Returns:
      uint16 [N, steps], in the order of the files.
    """
    batches = fn_args.data_accessor.tf_dataset_factory(
        files,
        # One reader: several would alternate, in an order that depends on the number of cores.
        tfxio.TensorFlowDatasetOptions(batch_size=_BATCH, num_epochs=1, shuffle=False, reader_num_threads=1),
        transform_output.transformed_metadata.schema,
    )
    steps = fn_args.custom_config["bars"] * STEPS_PER_BAR
    values = bytearray()  # grows in place: a list of arrays would take the memory of all twice
    for batch in batches:
        values += batch["combinations"].numpy().astype(np.uint16).tobytes()
    return np.frombuffer(values, np.uint16).reshape(-1, steps)
