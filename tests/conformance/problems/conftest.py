import pytest
from judge import judge, pytest_terminal_summary  # noqa: F401
from server import Server


@pytest.fixture(scope="session")
def example():
    server = Server("error_mapping")
    yield server
    server.stop()
