"""The slices that Evaluator measures beside all windows: by song, by density of hits, by number of distinct bars.

The last two are no features of the examples: Evaluator gets them from here, as its `module_path`.
"""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import numpy as np
from tfx import v1 as tfx  # noqa: F401  (tensorflow_model_analysis is complete only after it)

import tensorflow_model_analysis as tfma  # isort: skip
from drumline.drums import groups
from tensorflow_model_analysis.extractors.extractor import Extractor
from tensorflow_model_analysis.slicer.slicer_lib import slice_keys_to_numpy_array

from drumline.naming import SONG_ID

GROUPS = {"hits_per_bar": groups.hits_per_bar, "distinct_bars": groups.distinct_bars}
OVERALL = tfma.SlicingSpec()
OF_GROUPS = [tfma.SlicingSpec(feature_keys=[name]) for name in GROUPS]
SLICING_SPECS = [OVERALL, tfma.SlicingSpec(feature_keys=[SONG_ID]), *OF_GROUPS]

# What is told of each song. A large corpus has ten thousands of test songs: all figures of each would take gigabytes.
OF_A_SONG = (
    "teacher_forced_accuracy",
    "teacher_forced_nonsilent",
    "sampled_accuracy",
    "sampled_nonsilent",
    "majority_accuracy",
    "repeat_bar_accuracy",
    "repeat_bar_sampled_accuracy",
    "shuffled_z_accuracy",
    "kl",
)


def custom_extractors(eval_shared_model, eval_config, tensor_adapter_config) -> list[Extractor]:
    """TFMA's own extractors, and these."""
    *before, slice_keys = tfma.default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
    )
    return [
        *before,
        Extractor("ExtractGroups", beam.Map(add_groups)),
        Extractor("ExtractSliceKeysOfAll", slice_keys.ptransform),
        # TFMA evaluates what comes out of the stage of this name.
        Extractor(slice_keys.stage_name, beam.FlatMap(separate_songs)),
    ]


def add_groups(window: tfma.Extracts) -> tfma.Extracts:
    """A window with its groups as features. It holds the feature `velocities`, integers [steps * 9]."""
    features = window[tfma.FEATURES_KEY]
    of_groups = {name: np.array([group(features["velocities"])]) for name, group in GROUPS.items()}
    return window | {tfma.FEATURES_KEY: features | of_groups}


def separate_songs(window: tfma.Extracts) -> Iterator[tfma.Extracts]:
    """A window twice: in all slices but that of its song, and in that one, with the predictions OF_A_SONG."""
    keys = list(window[tfma.SLICE_KEY_TYPES_KEY])
    of_song = [key for key in keys if SONG_ID in dict(key)]
    yield window | {tfma.SLICE_KEY_TYPES_KEY: slice_keys_to_numpy_array([key for key in keys if key not in of_song])}
    yield window | {
        tfma.SLICE_KEY_TYPES_KEY: slice_keys_to_numpy_array(of_song),
        tfma.PREDICTIONS_KEY: _select_predictions(window[tfma.PREDICTIONS_KEY]),
    }


def _select_predictions(predictions: dict[str, Any]) -> dict[str, Any]:
    """The predictions OF_A_SONG, of one model or of several by name."""
    return {
        name: _select_predictions(value) if isinstance(value, dict) else value
        for name, value in predictions.items()
        if isinstance(value, dict) or name in OF_A_SONG
    }
