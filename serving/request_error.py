"""Why a request is not answered."""

import grpc

_LONGEST = 1000  # characters: a status travels in a header


class RequestError(Exception):
    """A request that gets gRPC's `code` and a message for its sender instead of an answer."""

    def __init__(self, code: grpc.StatusCode, message: str):
        super().__init__(message if len(message) <= _LONGEST else f"{message[:_LONGEST]}...")
        self.code = code


def invalid_argument(message: str) -> RequestError:
    """What a request that can never be answered gets."""
    return RequestError(grpc.StatusCode.INVALID_ARGUMENT, message)
