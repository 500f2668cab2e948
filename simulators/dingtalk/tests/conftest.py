from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulators.dingtalk.testing import Running, running
from simulators.dingtalk.tests.official import Official


@pytest.fixture
def dingtalk() -> Iterator[Running]:
    with running() as handle:
        yield handle


@pytest.fixture
def official(dingtalk: Running) -> Official:
    return Official(dingtalk)
