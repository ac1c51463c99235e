"""The way to a server of Kubeflow Pipelines: time limits, repeats, tokens that change, and failures as sentences.

It stands on the API's generated client. kfp.Client above that one has no time limits, asks a server that refuses a
token five times for its health, prints, and waits for ever for a run that was canceled.
"""

import contextlib
import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kfp_server_api as api
from urllib3 import Retry
from urllib3.exceptions import HTTPError, LocationParseError, MaxRetryError, SSLError

from drumline.errors import InputError

TIMEOUT = (10, 60)  # seconds: to connect, to answer
# What breaks off or fails for a while is asked again, all in all for some seconds.
REPEATS = Retry(
    total=4,
    connect=2,
    other=0,
    status_forcelist=(429, 500, 502, 503, 504),
    backoff_factor=0.5,
    raise_on_status=False,
    respect_retry_after_header=False,
)


class NoAnswerError(InputError):
    """The server does not answer, or not as it should. It may, later."""


class Connection:
    """host: the address, with http:// or https://.  token_file: read at each request, as Kubernetes changes tokens.

    ca_file: whose certificates to trust, PEM.
    named: a client for what has a name, and so may be asked for twice: the second time it is there.  once: one that
    does not repeat what would then be there twice, such as a run.
    """

    def __init__(self, host: str, token_file: Path | None = None, ca_file: Path | None = None) -> None:
        """Raises InputError."""
        self.host = host.partition("#")[0].rstrip("/")
        if not re.match(r"https?://[^/]", self.host):
            raise InputError(f"{host}: no address of a server; it begins with http:// or https://")
        if ca_file:
            _check_authority(ca_file)
        self._token_file = token_file
        configuration = api.Configuration(self.host)
        configuration.ssl_ca_cert = ca_file and str(ca_file)
        if token_file:
            configuration.api_key = {"authorization": _token(token_file)}
            configuration.api_key_prefix = {"authorization": "Bearer"}
            configuration.refresh_api_key_hook = lambda it: it.api_key.update(authorization=_token(token_file))
        configuration.retries = REPEATS.new(allowed_methods=None)
        self.named = _Client(configuration)
        configuration.retries = REPEATS
        self.once = _Client(configuration)

    @contextlib.contextmanager
    def to(self, do: str, repeatable: bool = True) -> Iterator[None]:
        """Around requests: raises InputError for what the server refuses, NoAnswerError where it may later do it."""
        again = "ask again later" if repeatable else "look in the UI whether it did, before you ask again"
        try:
            yield
        except api.ApiException as error:
            said = f"{self.host}: could not {do} ({error.status} {_said(error)})"
            if error.status in REPEATS.status_forcelist:
                raise NoAnswerError(f"{said}; {again}") from error
            raise InputError(said + self._advice(error.status)) from error
        except LocationParseError as error:
            raise InputError(f"{self.host}: no address of a server ({error})") from error
        except HTTPError as error:
            reason = error.reason if isinstance(error, MaxRetryError) and error.reason else error
            if isinstance(reason, SSLError):
                raise InputError(
                    f"{self.host}: no trusted TLS connection ({_line(reason)}); --ca-file names whom to trust"
                ) from error
            raise NoAnswerError(f"{self.host}: could not {do}, no answer ({_line(reason)}); {again}") from error

    def _advice(self, status: int | None) -> str:
        if status in (401, 403) and self._token_file:
            return f"; the token in {self._token_file} does not do for it"
        if status in (401, 403):
            return "; give a token by --token-file"
        if status == 404:
            return "; it is not there, or the address is not that of Kubeflow Pipelines 2"
        return ""


class _Client(api.ApiClient):
    def request(self, *arguments, _request_timeout=None, **named):
        return super().request(*arguments, _request_timeout=_request_timeout or TIMEOUT, **named)

    def deserialize(self, response, response_type):
        # The generated client would make an empty answer of a page, such as that of a login.
        if not response.data.lstrip().startswith("{"):
            raise InputError(
                f"{self.configuration.host}: answers with a page, not as an API; "
                "is the path of Kubeflow Pipelines missing, or a token (--token-file)?"
            )
        return super().deserialize(response, response_type)


def _check_authority(file: Path) -> None:
    try:
        ssl.create_default_context(cafile=str(file))
    except OSError as error:
        raise InputError(f"{file}: no certificates can be read there ({error}); --ca-file is one of PEM") from error


def _token(file: Path) -> str:
    try:
        token = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: no token can be read there ({error})") from error
    if not token.isascii() or len(token.split()) != 1:
        raise InputError(f"{file}: holds no token; it is one word, without 'Bearer'")
    return token


def _said(error: api.ApiException) -> str:
    """What the server says of a failure, in a line: from the API, from its uploads, or from what stands before it."""
    try:
        body = json.loads(error.body or "")
        inner = [detail["message"] for detail in body.get("details", []) if detail.get("message")]
        text = body.get("message") or body.get("error_message")
        if error.status < 500 and inner:
            text = inner[0]
    except (ValueError, AttributeError, TypeError):
        text = error.body if error.body and "<" not in error.body else None
    return _line(text or error.reason)


def _line(text: Any) -> str:
    return " ".join(str(text).split())[:300]
