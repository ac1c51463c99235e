"""Certificates of the server, and of clients that must show one."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from drumline.errors import InputError


@dataclass(frozen=True)
class ServerTls:
    """PEM files. clients: the authority whose certificates clients must show; without one, anybody may call.

    Raises InputError for files that cannot be read or do not belong together.
    """

    certificate: Path
    key: Path
    clients: Path | None = None

    def __post_init__(self):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise InputError(f"{self.certificate}, {self.key}: no certificate with its key ({error})") from error
        try:
            if self.clients:
                context.load_verify_locations(self.clients)
        except (OSError, ssl.SSLError) as error:
            raise InputError(f"{self.clients}: no certificate of an authority ({error})") from error

    def for_grpc(self) -> grpc.ServerCredentials:
        pair = (self.key.read_bytes(), self.certificate.read_bytes())
        authority = self.clients.read_bytes() if self.clients else None
        return grpc.ssl_server_credentials([pair], authority, require_client_auth=self.clients is not None)

    def for_uvicorn(self) -> dict[str, str | int]:
        """Options of uvicorn.Config."""
        options: dict[str, str | int] = {"ssl_certfile": str(self.certificate), "ssl_keyfile": str(self.key)}
        if self.clients:
            options |= {"ssl_ca_certs": str(self.clients), "ssl_cert_reqs": ssl.CERT_REQUIRED}
        return options
