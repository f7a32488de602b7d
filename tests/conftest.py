"""What every test sees: one thread each, shapes checked at run time, nothing fetched.

Large libraries are imported where they are used, as pytest-xdist loads this file in a process that runs no test.
"""

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("COLUMNS", None)  # width of the terminal that the tests were started from, to which tables would wrap

import pytest
from jaxtyping import config, install_import_hook

CHECKED = ("score/*.py", "select/*.py", "judge/*.py", "prompts/*.py", "values.py")
"""Parts of the package whose shapes are checked. A check takes microseconds, which add up where no tensor is."""


def with_shapes() -> Iterator[str]:
    """Yields the names of the modules of those parts whose signatures have shapes."""
    package = Path(__file__).parents[1] / "src/holdfast"
    for path in (path for pattern in CHECKED for path in sorted(package.glob(pattern))):
        if "import jaxtyping" in (text := path.read_text("utf-8")) or "from jaxtyping import" in text:
            yield ".".join(path.relative_to(package.parent).with_suffix("").parts)


install_import_hook(list(with_shapes()), "beartype.beartype")

from tests.docstrings import read_once
from tests.judge.chat_server import KEY, ChatServer

gc.disable()  # while tests are collected: nearly all that importing makes stays, and is looked through again and again
LIGHT = ("tests/judge/", "tests/evaluate/", "tests/prompts/", "tests/select/")
"""Folders whose tests take milliseconds. They come last, so that all processes end at about the same time."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives the tests of a file to one process, so that no two make what its fixtures share."""
    items.sort(key=lambda item: item.nodeid.startswith(LIGHT))
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


def pytest_collection_finish() -> None:
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
def little_to_collect() -> None:
    """Takes what is loaded out of the garbage collector's rounds: the Trainer asks for one whenever it ends."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def docstrings_read_once() -> None:
    read_once()


@pytest.fixture(autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Types are not checked at run time, as in a user's script: the package's own sentences are met."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.fixture
def tokenizer():
    from tests.tiny import make_tokenizer

    return make_tokenizer()


@pytest.fixture
def llama():
    from tests.tiny import make_llama

    return make_llama()


@pytest.fixture
def guard_tokenizer():
    from tests.tiny import GUARD_TEMPLATE, make_tokenizer

    return make_tokenizer(vocabulary=300, template=GUARD_TEMPLATE)


@pytest.fixture
def guard_model():
    from tests.tiny import make_llama

    return make_llama(vocabulary=300, width=24, seed=1)


@pytest.fixture
def serve(monkeypatch) -> Iterator[Callable[..., ChatServer]]:
    """Starts servers that answer chats as a function says; the key is set, and no proxy stands between."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ExitStack() as running:
        yield lambda answer, models=None: running.enter_context(ChatServer(answer, models).running())
