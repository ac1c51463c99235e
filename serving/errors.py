"""What can go wrong between a client and a server, each with a sentence for people and a type for programs."""

import grpc

from drumline.errors import InputError


class ServingError(InputError):
    """A server did not answer a request as it was asked. code: gRPC's."""

    code = grpc.StatusCode.UNKNOWN


class UnreachableError(ServingError):
    """No server answers at the address."""

    code = grpc.StatusCode.UNAVAILABLE


class UnknownModelError(ServingError):
    """The server has no such model, or not that version of it."""

    code = grpc.StatusCode.NOT_FOUND


class DeadlineError(ServingError):
    """The answer did not come in time."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED


class OverloadedError(ServingError):
    """The server has too much to do, or a message is larger than it may be."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class RefusedError(ServingError):
    """The inputs are not the signature's, or there is no such signature or label."""

    code = grpc.StatusCode.INVALID_ARGUMENT


_TYPES = {error.code: error for error in ServingError.__subclasses__()} | {
    grpc.StatusCode.FAILED_PRECONDITION: RefusedError
}
_SENTENCES = {
    UnreachableError: "{address}: no server answers there, or it speaks TLS and does not trust this client; "
    "`./run drumline serve` starts one on this machine ({said})",
    UnknownModelError: "{address}: the server has no model {model} ({said}); "
    "name another one by --model and --bars, or push it",
    DeadlineError: "{address}: {model} did not answer in time; ask for less at once, or try again later",
    OverloadedError: "{address}: {model} could not answer ({said}); ask for less at once, or try again later",
    RefusedError: "{address}: {model} refused what it was asked: {said}",
    ServingError: "{address}: {model} could not answer ({code}: {said})",
}


def error_of(error: grpc.RpcError, address: str, model: str) -> ServingError:
    """The ServingError of what gRPC raised, with the status code that the server gave."""
    kind = _TYPES.get(error.code(), ServingError)
    said = " ".join((error.details() or "").split())
    explained = kind(_SENTENCES[kind].format(address=address, model=model, said=said, code=error.code().name))
    explained.code = error.code()
    return explained
