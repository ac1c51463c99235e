"""Tensors in the JSON of TensorFlow Serving's REST API, by rows or by columns."""

import base64
import binascii
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from drumline.serving import checks
from drumline.serving.request_error import invalid_argument
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

_BYTES = "_bytes"  # a name with this ending has its strings in base64
_DIGITS = 309  # of the largest double
_BOTH = "JSON Value: Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist"


class JsonRequest:
    """The body of a `:predict`. `signature` is the name it asks for, or "".

    Raises RefusalError (INVALID_ARGUMENT) for what is no request.
    """

    def __init__(self, body: bytes):
        try:
            document = json.loads(body, object_hook=_unwrapped, parse_int=_integer, parse_float=_float)
        except (ValueError, RecursionError) as error:
            raise invalid_argument(f"JSON Parse error: {error}") from error
        if not isinstance(document, dict):
            raise invalid_argument("JSON Value: Is not object")
        self.signature = document.get("signature_name", "")
        if not isinstance(self.signature, str) or not self.signature.isprintable():
            raise invalid_argument("JSON Value: not formatted correctly. 'signature_name' key must be a string value.")
        forms = [key for key in ("instances", "inputs") if key in document]
        if len(forms) != 1:
            raise invalid_argument("Missing 'inputs' or 'instances' key" if not forms else _BOTH)
        (self._form,) = forms
        self._given = document[self._form]

    def inputs(self, signature: SignatureDef) -> dict[str, np.ndarray]:
        """The tensors, of the signature's types. Raises RefusalError (INVALID_ARGUMENT)."""
        columns = self._rows(signature) if self._form == "instances" else self._columns(signature)
        checks.check_names(signature, columns)
        return {name: _array(name, value, signature.inputs[name].dtype) for name, value in columns.items()}

    def answer(self, outputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """The answer in the form of the question; a single output goes without its name."""
        values = {name: _listed(name, value) for name, value in outputs.items()}
        if self._form == "inputs":
            return {"outputs": values if len(values) > 1 else next(iter(values.values()))}
        lengths = {value.shape[:1] for value in outputs.values()}
        if len(lengths) != 1 or () in lengths:
            raise invalid_argument("the outputs of this signature have no rows; ask by 'inputs' instead of 'instances'")
        rows = zip(*values.values(), strict=True)
        return {"predictions": [dict(zip(values, row, strict=True)) if len(values) > 1 else row[0] for row in rows]}

    def _rows(self, signature: SignatureDef) -> dict[str, list]:
        rows = self._given
        if not isinstance(rows, list) or not rows:
            raise invalid_argument("Expecting 'instances' to be a list/array with values")
        if not isinstance(rows[0], dict):
            return {_only_input(signature, "instances"): rows}
        for place, row in enumerate(rows):
            if not isinstance(row, dict) or row.keys() != set(signature.inputs):
                raise invalid_argument(
                    f"Failed to process element: {place} of 'instances' list. "
                    f"JSON object keys must be equal to: {','.join(sorted(signature.inputs))}"
                )
        return {name: [row[name] for row in rows] for name in signature.inputs}

    def _columns(self, signature: SignatureDef) -> dict[str, Any]:
        if isinstance(self._given, dict):
            return self._given
        return {_only_input(signature, "inputs"): self._given}


def _unwrapped(found: dict[str, Any]) -> Any:
    """The bytes of an object such as {"b64": "aGk="}; any other object as it is."""
    if found.keys() != {"b64"} or not isinstance(found["b64"], str):
        return found
    try:
        return base64.b64decode(found["b64"], validate=True)
    except binascii.Error as error:
        raise ValueError("Unable to base64 decode") from error


def _only_input(signature: SignatureDef, form: str) -> str:
    if len(signature.inputs) != 1:
        raise invalid_argument(f"{form} is a plain list, but expecting objects as multiple input tensors are required")
    return next(iter(signature.inputs))


def _array(name: str, value: Any, number: int) -> np.ndarray:
    dtype = tf.as_dtype(number)
    try:
        array = np.array(value, object if dtype == tf.string else None)
    except (ValueError, OverflowError) as error:
        raise invalid_argument(f"input {name}: lists of unequal size at one level") from error
    if not array.size or _holds(dtype, array):
        return array.astype(dtype.as_numpy_dtype)
    raise invalid_argument(f"input {name}: JSON Value is not of expected type: {dtype.name}")


def _integer(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError("Number too big to be stored in double.")
    return int(text)


def _float(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError("Number too big to be stored in double.")
    return number


def _holds(dtype: tf.DType, array: np.ndarray) -> bool:
    """Whether values as JSON has them go into a type without loss."""
    if dtype == tf.string:
        return all(isinstance(value, str | bytes) for value in array.flat)
    if dtype.is_integer:
        return array.dtype.kind in "iu" and dtype.min <= array.min() and array.max() <= dtype.max
    if dtype.is_floating:
        if array.dtype.kind not in "iuf":
            return False
        finite = np.abs(array[np.isfinite(array)].astype(np.float64))
        return not finite.size or finite.max() <= float(dtype.max)
    return dtype == tf.bool and array.dtype.kind == "b"


def _listed(name: str, value: np.ndarray) -> Any:
    if value.dtype == object:
        return _texts(value.tolist(), name.endswith(_BYTES))
    if value.dtype == np.float32:
        # The shortest digits that give the same float32, not those of its neighbour in float64.
        return value.astype(str).astype(np.float64).tolist()
    return value.tolist()


def _texts(value: Any, as_bytes: bool) -> Any:
    if isinstance(value, list):
        return [_texts(item, as_bytes) for item in value]
    return {"b64": base64.b64encode(value).decode()} if as_bytes else value.decode(errors="replace")
