"""A real connector asks a real simulator for everything it can; what is kept of it holds no secret of either."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from simulators.dingtalk.testing import Running, running
from viatica.connectors import registry, testing
from viatica.connectors.dingtalk import client
from viatica.connectors.dingtalk.tests.conftest import connection_to
from viatica.connectors.tokens import TokenCache
from viatica.kernel.errors import OutsideRefused
from viatica.offices.approval.ports import OutsidePerson
from viatica.spine import exchanges
from viatica.spine.models import Capability, Connection, Exchange


@pytest.fixture
def dingtalk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    with running(terminate_ban_s=0) as server:
        monkeypatch.setattr(client, "_tokens", TokenCache())
        yield server


@pytest.fixture
def connection(dingtalk: Running, db: None) -> Connection:
    made = connection_to(dingtalk)
    made.save()
    return made


def kept(connection: Connection) -> list[Exchange]:
    return list(Exchange.objects.filter(connection_id=connection.pk).order_by("id"))


def test_nothing_kept_holds_a_secret(connection: Connection, dingtalk: Running) -> None:
    connector = registry.of("dingtalk")
    assert connector.check and connector.directory and connector.sign_in and connector.approval
    with exchanges.gathered(connection):
        connector.check(connection)
    with exchanges.gathered(connection, "directory"):
        members = list(connector.directory(connection).members())
    one = next(member for member in members if member.mobile)
    with exchanges.gathered(connection, "sign_in"):
        code = dingtalk.free_login_code(one.userid)
        assert connector.sign_in(connection).free_login(code).userid == one.userid
    with exchanges.gathered(connection, "approval"):
        port = connector.approval(connection)
        instance = port.submit(testing.order(applicant=OutsidePerson(one.userid, one.name, one.unionid, "1")))
    secrets = {*connection.secrets().values(), code, *(member.mobile for member in members if member.mobile)}
    secrets -= {dingtalk.app_key, dingtalk.corp_id, dingtalk.agent_id}
    tokens = {slot.value for slot in client._tokens._slots.values()}
    assert tokens and all(tokens)
    said = json.dumps([[row.path, row.request, row.answer] for row in kept(connection)], ensure_ascii=False)
    assert not [one for one in map(str, secrets | tokens) if one and one in said]
    # And it is of use: what was asked is readable, the answer's business too.
    assert {"", "directory", "sign_in", "approval"} == {row.capability for row in kept(connection)}
    (created,) = [row for row in kept(connection) if instance in row.answer]
    assert (created.method, created.path, created.status, created.error) == (
        "POST", "/v1.0/workflow/processInstances", 200, "",
    )  # fmt: skip
    assert testing.NUMBER in created.request
    assert re.search(r"x-acs-dingtalk-access-token: …\n", created.request)
    assert set(Capability.objects.filter(connection=connection).values_list("name", flat=True)) == {
        "directory", "sign_in", "approval",
    }  # fmt: skip


def test_a_wrong_secret_is_told_without_being_shown(connection: Connection) -> None:
    connection.seal(connection.secrets() | {"app_secret": "wr0ng-s3cret-value"})
    connection.save()
    with pytest.raises(OutsideRefused), exchanges.gathered(connection, "directory"):
        list(registry.of("dingtalk").directory(connection).members())  # type: ignore[misc]  # it has one
    (row,) = kept(connection)
    assert row.error != ""
    assert "wr0ng" not in row.request + row.answer
    capability = Capability.objects.get(connection=connection)
    assert (capability.name, capability.succeeded_at) == ("directory", None)
    assert capability.error != "" and "wr0ng" not in capability.error
