from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from viatica.spine import connections
from viatica.spine.models import Connection
from viatica.spine.tests.toy import connector
from viatica.spine.tests.toy.handles import Nursery, Receiver

connector.register()


@pytest.fixture(autouse=True)
def _no_memory_of_connections() -> Iterator[None]:
    connections.forget()
    yield
    connections.forget()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.close()


@pytest.fixture
def nursery(transactional_db: None) -> Iterator[Nursery]:
    """Processes on the test's own database."""
    parts = connection.settings_dict
    url = f"dbname='{parts['NAME']}' user='{parts['USER']}' host='{parts['HOST']}' port='{parts['PORT']}'"
    if parts["PASSWORD"]:
        url += f" password='{parts['PASSWORD']}'"
    nursery = Nursery(url, Path(settings.HOME))
    yield nursery
    nursery.close()


def a_connection(slug: str = "toy", *, rate: int = 0) -> Connection:
    made = Connection(slug=slug, kind=connector.KIND, name=slug.title(), rate_per_second=rate)
    made.seal({"secret": "s3cret"})
    made.save()
    return made
