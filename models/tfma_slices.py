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

# Values per window of the predictions that a song's slice keeps: scalars and counts by pairs. A large corpus has ten
# thousands of test songs; with histograms and latent codes, the figures of each would take gigabytes.
LARGEST_OF_SONG = 2


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
    """A window twice: in all slices but that of its song, and in that one, with its small predictions."""
    keys = list(window[tfma.SLICE_KEY_TYPES_KEY])
    of_song = [key for key in keys if SONG_ID in dict(key)]
    yield window | {tfma.SLICE_KEY_TYPES_KEY: slice_keys_to_numpy_array([key for key in keys if key not in of_song])}
    yield window | {
        tfma.SLICE_KEY_TYPES_KEY: slice_keys_to_numpy_array(of_song),
        tfma.PREDICTIONS_KEY: _select_predictions(window[tfma.PREDICTIONS_KEY]),
    }


def _select_predictions(predictions: dict[str, Any]) -> dict[str, Any]:
    """Returns the small predictions, of one model or of several by name."""
    return {
        name: _select_predictions(value) if isinstance(value, dict) else value
        for name, value in predictions.items()
        if isinstance(value, dict) or np.size(value) <= LARGEST_OF_SONG
    }
