import numpy as np
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from drumline.components.midi_example_gen.examples import serialize_examples
from drumline.components.strict_example_validator import StrictExecutor
from drumline.components.window_schema import read_schema
from tfx.types import standard_component_specs

from drumline.errors import InputError


def validate(windows, tmp_path):
    """Runs the validator over the statistics of windows, against the curated schema of 2 bars."""
    path = str(tmp_path / "examples.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for window in windows:
            writer.write(example("song", window).SerializeToString())
    inputs = {
        standard_component_specs.STATISTICS_KEY: [tfdv.generate_statistics_from_tfrecord(path)],
        standard_component_specs.SCHEMA_KEY: [read_schema(2)],
    }
    return StrictExecutor()._Validate(inputs, {"schema_diff_path": [str(tmp_path)]})


def example(song_id, window):
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                "song_id": tf.train.Feature(bytes_list=tf.train.BytesList(value=[song_id.encode()])),
                "velocities": tf.train.Feature(int64_list=tf.train.Int64List(value=window.ravel().tolist())),
            }
        )
    )


@pytest.mark.parametrize("bars", [1, 2, 3, 4, 8, 16])
def test_an_example_made_of_bytes_is_the_one_that_protobuf_makes(bars):
    windows = np.random.default_rng(0).integers(0, 128, (3, 16 * bars, 9)).astype(np.uint8)
    for made, window in zip(serialize_examples("0123456789abcdef", windows), windows, strict=True):
        assert tf.train.Example.FromString(made) == example("0123456789abcdef", window)


def test_what_the_example_gen_writes_fits_the_schema(tmp_path):
    windows = np.random.default_rng(0).integers(0, 128, (20, 32, 9))
    assert not validate(windows, tmp_path).anomaly_info


@pytest.mark.parametrize(
    ("windows", "feature"),
    [
        (np.full((20, 32, 9), 128), "velocities"),
        (np.full((20, 32, 9), -1), "velocities"),
        (np.ones((20, 16, 9), int), "velocities"),
    ],
)
def test_an_anomaly_stops_the_run(windows, feature, tmp_path):
    with pytest.raises(InputError, match=f"do not fit the schema .{feature}"):
        validate(windows, tmp_path)
