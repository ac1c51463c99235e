"""The certificates with which a client trusts a server and shows who it is."""

from dataclasses import dataclass
from pathlib import Path

from drumline.errors import InputError


@dataclass(frozen=True)
class ClientTls:
    """PEM files of a client.

    Attributes:
      authority: Who signed the server's certificate; by default, whom the system trusts.
      certificate: For mutual TLS, the client's own certificate.
      key: The key of the client's certificate.

    Raises:
      InputError: A file cannot be read, or there is a certificate without its key.
    """

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self):
        if bool(self.certificate) != bool(self.key):
            raise InputError(f"{self.certificate or self.key}: a certificate and its key belong together")
        self.read()

    def read(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """Returns the contents of the authority, key and certificate, in gRPC's order; None of what is not given."""
        return _read(self.authority), _read(self.key), _read(self.certificate)


def _read(path: Path | None) -> bytes | None:
    try:
        return path.read_bytes() if path else None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
