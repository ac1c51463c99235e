import numpy as np
import tensorflow as tf
from drumline.models.event_log import FOLDER, EventLog, draw_beats


def read_events(folder) -> list:
    files = sorted(map(str, (folder / FOLDER).iterdir()))
    records = [record for file in files for record in tf.data.TFRecordDataset(file).as_numpy_iterator()]
    return [tf.compat.v1.Event.FromString(record) for record in records]


def test_tensorboard_finds_each_figure_of_an_epoch_at_its_step(tmp_path):
    log = EventLog(tmp_path)
    log.add({"epoch": 1, "step": 20, "loss": 5.0, "val_kl": 2.5}, tf.zeros([2, 32], tf.int64))
    log.add({"epoch": 2, "step": 40, "loss": 4.0, "val_kl": 2.0}, tf.zeros([2, 32], tf.int64))
    found = {}
    for event in read_events(tmp_path):
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "scalars" or value.tensor.dtype == 1:
                found[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    assert found == {("loss", 20): 5.0, ("val_kl", 20): 2.5, ("loss", 40): 4.0, ("val_kl", 40): 2.0}


def test_a_picture_has_the_kick_at_the_bottom_and_time_to_the_right():
    beat = np.zeros((1, 32), np.int64)
    beat[0, 31] = 1  # a kick on the last step
    picture = draw_beats(tf.constant(beat)).numpy()[0, :, :, 0]
    rows, columns = np.nonzero(picture)
    assert rows.min() > picture.shape[0] * 8 / 9 - 1
    assert columns.min() == picture.shape[1] * 31 / 32
