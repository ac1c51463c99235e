"""A client of TensorFlow Serving's gRPC API, blocking or on asyncio; rest_client.py has one without TensorFlow.

    with Client("localhost:8500") as client:
        model = client.model("hierarchical_vae-2bar")
        hits = model.call("sample", temperature=[1.0], seed=[[0, 7]])["hits"]  # int64 [1, 32, 9]

A request that finds no server, or one with too much to do, is sent again by gRPC itself: five times at most, and within
its deadline.
"""

import functools
from typing import Any, Self

import grpc
import numpy as np
from drumline.serving.client_requests import (
    OPTIONS,
    ModelRequests,
    outputs_of,
    parse_address,
    signatures_of,
    states_of,
)
from drumline.serving.client_tls import ClientTls

DEADLINE = 60.0  # seconds


class Model(ModelRequests):
    """A model behind a server: a Player, as play/chaining.py takes it. All methods raise ServingError."""

    def call(self, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
        """What a signature answers. inputs: arrays or nested lists, batch first; they become the signature's types.

        Raises TypeError where a type cannot become the signature's without loss, as float int64.
        """
        with self._explain_error():
            return outputs_of(self._predict(signature, inputs))

    @functools.cached_property
    def signatures(self) -> frozenset[str]:
        """The names of its signatures."""
        with self._explain_error():
            return signatures_of(self._metadata())

    def states(self) -> dict[int, str]:
        """START, LOADING, AVAILABLE, UNLOADING or END by version."""
        with self._explain_error():
            return states_of(self._status())

    def pinned(self) -> "Model":
        """The same model at the version that answers now, for calls that belong together."""
        with self._explain_error():
            return self._pin_version(self._metadata())


class AsyncModel(ModelRequests):
    """As Model, its methods awaited."""

    async def call(self, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
        """As Model.call."""
        with self._explain_error():
            return outputs_of(await self._predict(signature, inputs))

    async def signatures(self) -> frozenset[str]:
        """As Model.signatures."""
        with self._explain_error():
            return signatures_of(await self._metadata())

    async def states(self) -> dict[int, str]:
        """As Model.states."""
        with self._explain_error():
            return states_of(await self._status())

    async def pinned(self) -> "AsyncModel":
        """As Model.pinned."""
        with self._explain_error():
            return self._pin_version(await self._metadata())


class Client:
    """A channel to a server, for any number of threads.

    address: HOST:PORT.  tls: by default, none.  deadline: seconds that a call may take with all its retries.
    Raises InputError for another address, or files that cannot be read.
    """

    def __init__(self, address: str, *, tls: ClientTls | None = None, deadline: float = DEADLINE):
        self.address, self.deadline = parse_address(address), deadline
        if tls:
            self._channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(*tls.read()), OPTIONS)
        else:
            self._channel = grpc.insecure_channel(address, OPTIONS)

    def model(self, name: str, *, version: int | None = None, label: str | None = None) -> Model:
        """The model of that name, such as "lstm-2bar". Nothing is asked yet.

        Raises ValueError where a version and a label are given.
        """
        return Model(self.address, self._channel, self.deadline, name, version, label)

    def close(self) -> None:
        """Ends the calls under way, with CancelledError."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()


class AsyncClient:
    """As Client; make it where asyncio's loop runs."""

    def __init__(self, address: str, *, tls: ClientTls | None = None, deadline: float = DEADLINE):
        self.address, self.deadline = parse_address(address), deadline
        if tls:
            self._channel = grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(*tls.read()), OPTIONS)
        else:
            self._channel = grpc.aio.insecure_channel(address, OPTIONS)

    def model(self, name: str, *, version: int | None = None, label: str | None = None) -> AsyncModel:
        """As Client.model."""
        return AsyncModel(self.address, self._channel, self.deadline, name, version, label)

    async def close(self) -> None:
        """As Client.close."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_) -> None:
        await self.close()
