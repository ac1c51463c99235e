"""A request's tensors against the signature that they are for, before anything is made of them."""

import math
from collections.abc import Collection, Iterable, Mapping

import grpc
import numpy as np
import tensorflow as tf
from drumline.serving.request_error import RequestError, invalid_argument
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo

_MOST_DIMENSIONS = 32  # numpy's arrays take 64, TensorFlow's tensors 254


def decode_inputs(signature: SignatureDef, given: Mapping[str, TensorProto], largest: int) -> dict[str, np.ndarray]:
    """The tensors of a request by their names in the signature.

    largest: bytes that one may have when decoded; a short message can name a huge shape.
    Raises RefusalError (INVALID_ARGUMENT), in TensorFlow Serving's words where it has them.
    """
    check_names(signature, given)
    for place, name in enumerate(sorted(given)):
        proto, info = given[name], signature.inputs[name]
        if proto.dtype != info.dtype:
            raise invalid_argument(
                f"Expects arg[{place}] to be {_dtype(info.dtype)} but {_dtype(proto.dtype)} is provided"
            )
        _check_size(name, proto, largest)
    return {name: _array(name, proto) for name, proto in given.items()}


def check_names(signature: SignatureDef, given: Collection[str]) -> None:
    """Refuses inputs that are not those of the signature."""
    missing, extra = set(signature.inputs) - set(given), set(given) - set(signature.inputs)
    if missing or extra:
        raise invalid_argument(
            f"input size does not match signature: {len(given)}!={len(signature.inputs)} "
            f"len({_braced(given)}) != len({_braced(signature.inputs)}). "
            f"Sent extra: {_braced(extra)}. Missing but required: {_braced(missing)}."
        )


def check_shapes(signature: SignatureDef, inputs: Mapping[str, np.ndarray]) -> None:
    """Refuses shapes that do not fit, and batches of different sizes."""
    for name, value in inputs.items():
        info = signature.inputs[name]
        if not _fits(value.shape, info):
            wanted = ",".join(str(dim.size) if dim.size >= 0 else "?" for dim in info.tensor_shape.dim)
            raise invalid_argument(f"input {name}: expected shape [{wanted}], got [{','.join(map(str, value.shape))}]")
    if batches(signature) and len({len(value) for value in inputs.values()}) > 1:
        raise invalid_argument("Batching session Run() input tensors must have equal 0th-dimension size")


def check_outputs(signature: SignatureDef, asked: Iterable[str]) -> list[str]:
    """The outputs to answer with: those that were asked for, or all."""
    asked = list(asked)
    for name in asked:
        if name not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {name} "
                f"Outputs expected to be in the set {_braced(signature.outputs)}."
            )
        if asked.count(name) > 1:
            raise invalid_argument(f"duplicate output tensor alias: {name}")
    return asked or sorted(signature.outputs)


def signature_of(signatures: Mapping[str, SignatureDef], name: str) -> SignatureDef:
    """The signature of that name. Raises RefusalError (FAILED_PRECONDITION) where there is none."""
    if name not in signatures:
        raise RequestError(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    return signatures[name]


def batches(signature: SignatureDef) -> bool:
    """Whether the first dimension of every tensor is one of any size, so that requests can run together."""
    tensors = [*signature.inputs.values(), *signature.outputs.values()]
    return bool(signature.inputs) and all(
        info.tensor_shape.dim and info.tensor_shape.dim[0].size < 0 for info in tensors
    )


def _check_size(name: str, proto: TensorProto, largest: int) -> None:
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in sizes) or len(sizes) > _MOST_DIMENSIONS:
        raise invalid_argument(f"tensor parsing error: {name}")
    if math.prod(sizes) * tf.as_dtype(proto.dtype).size > largest:
        raise invalid_argument(
            f"input {name}: a tensor of shape {sizes} is larger than the {largest} bytes that are taken"
        )


def _array(name: str, proto: TensorProto) -> np.ndarray:
    try:
        return tf.make_ndarray(proto)
    except (ValueError, TypeError) as error:
        raise invalid_argument(f"tensor parsing error: {name}") from error


def _fits(shape: tuple[int, ...], info: TensorInfo) -> bool:
    wanted = info.tensor_shape
    if wanted.unknown_rank:
        return True
    return len(shape) == len(wanted.dim) and all(
        dim.size in (-1, size) for dim, size in zip(wanted.dim, shape, strict=True)
    )


def _dtype(number: int) -> str:
    try:
        return tf.as_dtype(number).name
    except TypeError:
        return f"dtype {number}"


def _braced(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
