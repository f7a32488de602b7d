import pytest

from tests.evaluate.logs.programs.making import unpack


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Logs that inspect, lm-eval and garak wrote."""
    return unpack(tmp_path_factory.mktemp("made"))
