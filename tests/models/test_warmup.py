import numpy as np
import pytest
import tensorflow as tf
from drumline.models import batching_parameters, warmup
from drumline.play.pushed_models import PushedModel
from tensorflow_serving.apis import prediction_log_pb2

from tests.models.saved import push


@pytest.fixture(scope="module", params=["flat_vae", "hierarchical_vae", "lstm", "conv"])
def pushed(request, tmp_path_factory) -> PushedModel:
    return push(request.param, tmp_path_factory.mktemp("serving"))


@pytest.fixture
def requests(pushed):
    """The requests as TensorFlow Serving reads them: a TFRecord of PredictionLog."""
    records = tf.data.TFRecordDataset(str(pushed.folder / "1" / warmup.REQUESTS)).as_numpy_iterator()
    return [prediction_log_pb2.PredictionLog.FromString(record).predict_log.request for record in records]


def test_every_signature_for_clients_is_warmed_once_and_evaluate_is_not(pushed, requests):
    named = sorted(request.model_spec.signature_name for request in requests)
    assert named == sorted(set(pushed.signatures) - {"evaluate"})
    assert "serving_default" in named
    assert len(requests) <= 1000


def test_each_request_can_be_replayed(pushed, requests):
    for request in requests:
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        outputs = pushed.call(request.model_spec.signature_name, **inputs)
        for name, value in outputs.items():
            assert len(value) == 1, name
            assert np.isfinite(value).all(), name


def test_requests_are_batched_only_where_all_rows_have_one_shape(pushed):
    batched = (pushed.folder / "1" / batching_parameters.PARAMETERS).exists()
    assert batched == ("vae" in pushed.name)
