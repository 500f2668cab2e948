from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulators.feishu.testing import Running, running
from simulators.feishu.tests.wire import Wire


@pytest.fixture
def feishu() -> Iterator[Running]:
    with running() as handle:
        yield handle


@pytest.fixture
def wire(feishu: Running) -> Wire:
    return Wire(feishu)
