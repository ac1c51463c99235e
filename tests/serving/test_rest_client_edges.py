"""Bytes as inputs of both clients, and, for the REST client, answers of servers that are not TensorFlow Serving."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import tensorflow as tf
from drumline.serving.client import Client
from drumline.serving.errors import RefusedError, ServingError
from drumline.serving.rest_client import RestClient

from tests.serving.running import LSTM, rest


def make_example(name: str, **values) -> bytes:
    return tf.train.Example(features=tf.train.Features(feature={name: tf.train.Feature(**values)})).SerializeToString()


@pytest.mark.parametrize("connect", [RestClient, Client], ids=["REST", "gRPC"])
def test_bytes_reach_the_model_with_the_zeros_at_their_end(server, pushed, connect):
    window = make_example("velocities", int64_list=tf.train.Int64List(value=[90, 0, 0] * 96))
    example = window + make_example("other", bytes_list=tf.train.BytesList(value=[bytes(3)]))
    assert example.endswith(bytes(3))
    with connect(rest(server, "") if connect is RestClient else f"127.0.0.1:{server.port}") as client:
        there = client.model(LSTM).call("evaluate", examples=[example])
    here = tf.saved_model.load(pushed / LSTM / "1").signatures["evaluate"](examples=tf.constant([example]))
    assert there.keys() == here.keys()
    for name, value in here.items():
        np.testing.assert_array_equal(there[name], value)


@pytest.mark.parametrize("example", [b"\x0a\x05abc", b"\x0a\x05a\xe2\x28"], ids=["text", "not text"])
def test_a_damaged_example_is_refused(server, example):
    with RestClient(rest(server, "")) as client, pytest.raises(RefusedError, match="Could not parse example input"):
        client.model(LSTM).call("evaluate", examples=[example])


@contextlib.contextmanager
def answering(body: str) -> Iterator[str]:
    """The address of a server that answers every GET with this body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            """Writes nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    "body", ["{}", '{"model_version_status": 1, "metadata": {"signature_def": []}, "model_spec": 2}']
)
@pytest.mark.parametrize("ask", [lambda model: model.signatures, lambda model: model.pinned()])
def test_json_of_another_server_is_one_sentence(body, ask):
    with (
        answering(body) as address,
        RestClient(address) as client,
        pytest.raises(ServingError, match="it is not TensorFlow Serving: its answer has no m"),
    ):
        ask(client.model("m"))
