import forge
import pytest
from server import Server


def serve(tmp_path_factory, jwks):
    path = tmp_path_factory.mktemp("keys") / "jwks.json"
    path.write_text(jwks)
    return Server("resource_server", "--jwks", str(path), "--issuer", forge.ISSUER, "--audience", forge.AUDIENCE)


@pytest.fixture(scope="session")
def public(tmp_path_factory):
    """A resource server that knows public keys of every algorithm."""
    server = serve(tmp_path_factory, forge.jwks())
    yield server
    server.stop()


@pytest.fixture(scope="session")
def secret(tmp_path_factory):
    """A resource server that shares secrets with its issuer."""
    server = serve(tmp_path_factory, forge.secret_jwks())
    yield server
    server.stop()
