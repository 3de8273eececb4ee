"""What every test shares: no network, a home of its own, one thread, and the published data."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# `pytest --hypothesis-profile=long tests/metrics/test_no_crash.py` before a release.
settings.register_profile("long", max_examples=100_000, deadline=None, derandomize=False)

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["EVALSUITE_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

DATA = "EVALSUITE_SHARED_DATA"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs the published data where it is not named; in CI that is a failure instead."""
    if os.environ.get(DATA):
        return
    for item in items:
        if item.get_closest_marker("published") is None:
            continue
        if os.environ.get("CI"):
            item.add_marker(pytest.mark.usefixtures("_published_data_is_lacking"))
        else:
            item.add_marker(pytest.mark.skip(reason=f"{DATA} does not name the published data"))


@pytest.fixture
def _published_data_is_lacking() -> None:
    pytest.fail(f"{DATA} is not set in CI: a test of published numbers would be skipped")


@pytest.fixture
def published_data() -> Path:
    """Folder of the published data."""
    return Path(os.environ[DATA])


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            host = address[0] if isinstance(address, tuple) else address
            if host not in {"127.0.0.1", "::1", "localhost"}:
                raise AssertionError(f"a test tried to reach {host}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty EVALSUITE_HOME for each test."""
    folder = tmp_path / "home"
    monkeypatch.setenv("EVALSUITE_HOME", str(folder))
    yield folder
