import grpc
import pytest
import requests
from drumline.serving.server import ModelServer
from drumline.serving.tls import ServerTls
from tensorflow_serving.apis import prediction_service_pb2_grpc

from drumline.errors import InputError
from tests.serving.certificates import Authority
from tests.serving.running import FLAT, sampling


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"), "authority")


def asked(server, root, client=None) -> int:
    """The version that answers over gRPC and then over REST."""
    pair = [file.read_bytes() for file in reversed(client)] if client else [None, None]
    credentials = grpc.ssl_channel_credentials(root.read_bytes(), *pair)
    with grpc.secure_channel(f"127.0.0.1:{server.port}", credentials) as channel:
        response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(sampling(), timeout=20)
    address = f"https://127.0.0.1:{server.rest_port}/v1/models/{FLAT}/versions/1"
    client = tuple(map(str, client)) if client else None
    assert requests.get(address, verify=str(root), cert=client, timeout=20).ok
    return response.model_spec.version.value


def test_with_a_certificate_both_ports_speak_tls_only(own, authority):
    with ModelServer(own, tls=ServerTls(*authority.sign("server"))) as server:
        assert asked(server, authority.certificate) == 1
        plain = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(f"127.0.0.1:{server.port}"))
        with pytest.raises(grpc.RpcError):
            plain.Predict(sampling(), timeout=5)
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://127.0.0.1:{server.rest_port}/v1/models/{FLAT}", timeout=5)


def test_where_clients_must_show_a_certificate_no_other_one_will_do(own, authority, tmp_path):
    stranger = Authority(tmp_path, "stranger")
    with ModelServer(own, tls=ServerTls(*authority.sign("server"), authority.certificate)) as server:
        assert asked(server, authority.certificate, authority.sign("client")) == 1
        address = f"https://127.0.0.1:{server.rest_port}/v1/models/{FLAT}"
        for client in (None, stranger.sign("client")):
            with pytest.raises(grpc.RpcError):
                asked(server, authority.certificate, client)
            pair = tuple(map(str, client)) if client else None
            with pytest.raises(requests.ConnectionError):
                requests.get(address, verify=str(authority.certificate), cert=pair, timeout=20)
        assert asked(server, authority.certificate, authority.sign("client")) == 1


def test_files_that_are_no_certificates_are_refused_in_a_sentence(authority, tmp_path):
    certificate, key = authority.sign("server")
    text = tmp_path / "text.pem"
    text.write_text("hello")
    for wrong in ((text, key), (certificate, text), (certificate, authority.key_file), (tmp_path / "no.pem", key)):
        with pytest.raises(InputError, match="no certificate with its key"):
            ServerTls(*wrong)
    for clients in (text, tmp_path / "no.pem"):
        with pytest.raises(InputError, match="no certificate of an authority"):
            ServerTls(certificate, key, clients)
