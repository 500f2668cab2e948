from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_httpserver import HTTPServer

from simulators.wecom.testing import Running, running
from simulators.wecom.tests.client import Api
from simulators.wecom.tests.receiver import Receiver


@pytest.fixture
def wecom() -> Iterator[Running]:
    with running(retry_after_s=[0.02, 0.02, 0.02]) as handle:
        yield handle


@pytest.fixture
def api(wecom: Running) -> Api:
    return Api(wecom)


@pytest.fixture
def receiver(wecom: Running, httpserver: HTTPServer) -> Iterator[Receiver]:
    receiver = Receiver(wecom, httpserver)
    assert wecom.set_callback(receiver.url) == "success"
    yield receiver
    wecom.wait_for_callbacks()


@pytest.fixture(scope="session")
def _one_for_all() -> Iterator[Running]:
    with running() as handle:
        yield handle


@pytest.fixture
def unharmed(_one_for_all: Running) -> Api:
    """A simulator shared by tests in which everything is refused: none of them leaves anything behind."""
    return Api(_one_for_all)
