"""A client of TensorFlow Serving's REST API that needs neither TensorFlow nor gRPC: the extra `client` is enough.

    with RestClient("http://localhost:8501") as client:
        model = client.model("hierarchical_vae-2bar")
        hits = model.call("sample", temperature=[1.0], seed=[[0, 7]])["hits"]  # int64 [1, 32, 9]

A request that finds no server, or one with too much to do, is sent again: five times at most.
"""

import base64
import functools
import json
import operator
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import quote, urlsplit

import numpy as np
import requests
from drumline.serving.client_tls import ClientTls
from drumline.serving.errors import serving_error
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from drumline.errors import InputError

TIMEOUT = 60.0  # seconds
_CONNECT_TIMEOUT = 5.0  # seconds; five attempts may take five times as long

_CODES: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "INVALID_ARGUMENT",
    HTTPStatus.NOT_FOUND: "NOT_FOUND",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "RESOURCE_EXHAUSTED",
    HTTPStatus.TOO_MANY_REQUESTS: "RESOURCE_EXHAUSTED",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL",
    HTTPStatus.NOT_IMPLEMENTED: "UNIMPLEMENTED",
    HTTPStatus.SERVICE_UNAVAILABLE: "UNAVAILABLE",
    HTTPStatus.GATEWAY_TIMEOUT: "DEADLINE_EXCEEDED",
}
_DTYPES = {"DT_INT64": np.int64, "DT_INT32": np.int32, "DT_FLOAT": np.float32, "DT_BOOL": np.bool_}
_LONGEST = 300  # characters of an answer that is not JSON, in an error's message


@dataclass(frozen=True)
class RestModel:
    """A model behind a server: a Player, as play/chaining.py takes it. All methods raise ServingError.

    version: a number; label: a name that the server gives to a version. Of neither, the latest version answers.
    """

    client: "RestClient" = field(repr=False)
    name: str
    version: int | None = None
    label: str | None = None

    def __post_init__(self):
        if self.version is not None and self.label is not None:
            raise ValueError(f"{self.name}: a version or a label, not both ({self.version}, {self.label!r})")

    def call(self, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
        """Asks for a prediction.

        Args:
          signature: Its name.
          **inputs: Arrays or nested lists, batch first; they become the signature's types.

        Returns:
          The outputs by name, of the signature's types.

        Raises:
          ServingError: The server did not answer, or refused the inputs.
          TypeError: A type cannot become the signature's without loss, as float int64.
        """
        if signature not in self._definitions:
            said = f'Serving signature key "{signature}" not found.'
            raise serving_error("FAILED_PRECONDITION", said, self.client.address, self.name)
        definition = self._definitions[signature]
        body = {
            "signature_name": signature,
            "inputs": {name: _listed(value, definition["inputs"].get(name)) for name, value in inputs.items()},
        }
        outputs = self._ask(":predict", "outputs", body=body)
        types = definition["outputs"]
        if len(types) == 1:  # TensorFlow Serving leaves out the name of a single output.
            outputs = dict.fromkeys(types, outputs)
        return {name: np.array(value, _dtype(types[name])) for name, value in outputs.items()}

    @property
    def signatures(self) -> frozenset[str]:
        """The names of its signatures, of when they were first asked for."""
        return frozenset(name for name in self._definitions if not name.startswith("__"))

    def states(self) -> dict[int, str]:
        """START, LOADING, AVAILABLE, UNLOADING or END by version."""
        return {int(status["version"]): status["state"] for status in self._ask("", "model_version_status")}

    def pinned(self) -> "RestModel":
        """The same model at the version that answers now, for calls that belong together."""
        return replace(self, version=int(self._ask("/metadata", "model_spec", "version")), label=None)

    @functools.cached_property
    def _definitions(self) -> dict[str, Any]:
        """The SignatureDefs by name."""
        return self._ask("/metadata", "metadata", "signature_def", "signature_def")

    def _ask(self, what: str, *keys: str, body: dict[str, Any] | None = None) -> Any:
        """Asks about the model, and returns what the answer has under `keys`, each inside the one before."""
        path = f"/v1/models/{quote(self.name, safe='')}"
        if self.version is not None:
            path += f"/versions/{self.version}"
        if self.label is not None:
            path += f"/labels/{quote(self.label, safe='')}"
        answer = self.client.ask(path + what, body, self.name)
        try:
            return functools.reduce(operator.getitem, keys, answer)
        except (KeyError, TypeError) as error:
            said = f"it is not TensorFlow Serving: its answer has no {'.'.join(keys)}"
            raise serving_error("UNKNOWN", said, self.client.address, self.name) from error


class RestClient:
    """Connections to a server, for any number of threads.

    Args:
      address: http://HOST:PORT or https://HOST:PORT, with a path before `/v1` where a proxy has one.
      tls: For https; by default, the authorities that requests trusts, and no certificate of the client's own.
      timeout: Seconds without an answer after which a request fails.

    Raises:
      InputError: The address is none, or it is http:// where TLS is asked for.
    """

    def __init__(self, address: str, *, tls: ClientTls | None = None, timeout: float = TIMEOUT):
        self.address, self._timeout = _parse_url(address), timeout
        if tls and not address.startswith("https://"):
            raise InputError(f"{address}: certificates are for https://; write that, or leave them out")
        self._tls = tls or ClientTls()
        self._session = requests.Session()
        # A read that fails is not repeated: it may have taken the whole timeout.
        again = Retry(
            4, read=False, backoff_factor=0.1, status_forcelist=(429, 503), allowed_methods=None, raise_on_status=False
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=again, pool_maxsize=32))

    def model(self, name: str, *, version: int | None = None, label: str | None = None) -> RestModel:
        """The model of that name, such as "lstm-2bar". Nothing is asked yet.

        Raises ValueError where a version and a label are given.
        """
        return RestModel(self, name, version, label)

    def ask(self, path: str, body: dict[str, Any] | None, model: str) -> dict[str, Any]:
        """Sends a request, POST where it has a body, and returns the JSON object of the answer.

        Args:
          path: Below the address, from `/v1` on.
          body: To be sent as JSON; bytes in it in base64.
          model: Name of the model, for the error's message.

        Raises:
          ServingError: There was no answer, or one that says what is wrong.
        """
        tls = self._tls
        try:
            answer = self._session.request(
                "GET" if body is None else "POST",
                self.address + path,
                data=None if body is None else json.dumps(body, default=_base64),
                headers={"Content-Type": "application/json"},
                timeout=(min(_CONNECT_TIMEOUT, self._timeout), self._timeout),
                # Given here, as the variable REQUESTS_CA_BUNDLE would take precedence over the session's.
                verify=str(tls.authority) if tls.authority else None,
                cert=(str(tls.certificate), str(tls.key)) if tls.certificate else None,
            )
        except requests.Timeout as error:
            raise serving_error("DEADLINE_EXCEEDED", str(error), self.address, model) from error
        except OSError as error:  # requests' own errors, and files that hold no certificate
            raise serving_error("UNAVAILABLE", str(error), self.address, model) from error
        return self._read(answer, model)

    def _read(self, answer: requests.Response, model: str) -> dict[str, Any]:
        try:
            found = answer.json()
        except ValueError:
            found = None
        if answer.ok and isinstance(found, dict):
            return found
        said = found.get("error") if isinstance(found, dict) else None
        status = f"HTTP status {answer.status_code}: {answer.text[:_LONGEST]}"
        raise serving_error(_CODES.get(answer.status_code, "UNKNOWN"), said or status, self.address, model)

    def close(self) -> None:
        """Closes the connections."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _parse_url(address: str) -> str:
    """The address without a slash at its end."""
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # no number of a port
        usable = False
    if not usable or parts.query or parts.fragment:
        raise InputError(f"{address}: no address of a server's REST API; write http://HOST:PORT")
    return address.rstrip("/")


def _dtype(info: dict[str, Any]) -> Any:
    """Numbers and booleans have their types; other values stay as JSON gives them."""
    return _DTYPES.get(info["dtype"], object)


def _listed(value: Any, info: dict[str, Any] | None) -> Any:
    """An input as JSON has it. info: its TensorInfo, None for an input that the signature does not have."""
    if info is None:
        return np.asarray(value).tolist()
    dtype = _dtype(info)
    # An array of numpy's own bytes would lose the zeros at their end.
    array = np.asarray(value, object if dtype is object else None)
    return array.astype(dtype, casting="same_kind", copy=False).tolist()


def _base64(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    raise TypeError(f"JSON has no {type(value).__name__}")
