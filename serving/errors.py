"""What can go wrong between a client and a server, each with a sentence for people and a type for programs.

Both clients raise these; nothing here needs gRPC.
"""

from drumline.errors import InputError


class ServingError(InputError):
    """A server did not answer a request as it was asked. code: the name of gRPC's status code, such as NOT_FOUND."""

    code = "UNKNOWN"


class UnreachableError(ServingError):
    """No server answers at the address."""

    code = "UNAVAILABLE"


class UnknownModelError(ServingError):
    """The server has no such model, or not that version of it."""

    code = "NOT_FOUND"


class DeadlineError(ServingError):
    """The answer did not come in time."""

    code = "DEADLINE_EXCEEDED"


class OverloadedError(ServingError):
    """The server has too much to do, or a message is larger than it may be."""

    code = "RESOURCE_EXHAUSTED"


class RefusedError(ServingError):
    """The inputs are not the signature's, or there is no such signature or label."""

    code = "INVALID_ARGUMENT"


_TYPES = {error.code: error for error in ServingError.__subclasses__()} | {"FAILED_PRECONDITION": RefusedError}
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


def serving_error(code: str, said: str, address: str, model: str) -> ServingError:
    """Makes the ServingError of a status.

    Args:
      code: Name of gRPC's status code.
      said: What the server or the network said.
      address: Of the server.
      model: Name of the model that was asked.

    Returns:
      The error, its message one sentence, to be raised.
    """
    kind = _TYPES.get(code, ServingError)
    error = kind(_SENTENCES[kind].format(address=address, model=model, said=" ".join(said.split()), code=code))
    error.code = code
    return error
