"""Somebody leaves while they are asked: no paper waits for them."""

from __future__ import annotations

from typing import Any

import pytest

from viatica.kernel.refs import Ref
from viatica.offices.access.models import Role
from viatica.offices.approval import leaving, ports, reconciling
from viatica.offices.approval.tests.bridge import Bridge, submitted
from viatica.offices.approval.tests.conftest import Desk
from viatica.offices.approval.tests.toy_desk import ToyDesk
from viatica.offices.company.models import Employee, OutsideIdentity
from viatica.spine import facts, issues, relay, replays
from viatica.spine.models import Connection, Issue, OutboxMessage


def leave(desk: Desk, *names: str) -> None:
    ids = [desk[name].pk for name in names]
    Employee.objects.filter(pk__in=ids).update(is_active=False)
    leaving.person_left(ids, desk.at)
    relay.drain()


def open_at(desk: Desk, *steps: Any, key: str = "1") -> Ref:
    desk.flow(*steps)
    return desk.submit(key)


def reassigned(ref: Ref) -> list[tuple[str, str]]:
    return [(row.data["who"], row.data["to"]) for row in facts.timeline(ref) if row.fact == "case.reassigned"]


def test_the_superior_decides_instead(desk: Desk) -> None:
    desk.hire("甲", manager="总监")
    refs = [open_at(desk, desk.named("甲"), desk.named("乙"), key=f"{n}") for n in range(3)]
    desk.decide(refs[2], "甲")
    leave(desk, "甲")
    for ref in refs[:2]:
        assert desk.states(ref) == {"甲": "transferred", "总监": "open"}
        assert reassigned(ref) == [("甲", "总监")]
    assert desk.states(refs[2]) == {"甲": "approved", "乙": "open"}
    item = desk.item(refs[0], "总监")
    assert (item.reason, item.on_behalf_of) == ("handed_over", None)
    desk.decide(refs[0], "总监")
    assert desk.open_for(refs[0]) == ["乙"]


def test_the_delegate_comes_before_the_superior(desk: Desk) -> None:
    desk.hire("甲", manager="总监")
    ref = open_at(desk, desk.named("甲"))
    desk.stands_in("代理", "甲")
    leave(desk, "甲")
    item = desk.item(ref, "代理")
    assert item.on_behalf_of == desk["甲"]


def test_a_delegate_who_leaves_gives_it_back(desk: Desk) -> None:
    desk.stands_in("代理", "甲")
    ref = open_at(desk, desk.named("甲"))
    assert desk.open_for(ref) == ["代理"]
    leave(desk, "代理")
    assert desk.open_for(ref) == ["甲"]


def test_nobody_above_means_the_fallback_then_an_administrator(desk: Desk) -> None:
    fallback = desk.named("甲", fallback=desk["后备"].pk)
    first = open_at(desk, fallback, key="1")
    second = open_at(desk, desk.named("甲"), key="2")
    desk.grant("管理员", Role.ADMINISTRATOR)
    leave(desk, "甲")
    assert desk.open_for(first) == ["后备"]
    assert desk.open_for(second) == ["管理员"]


def test_the_applicant_never_decides(desk: Desk) -> None:
    desk.hire("甲", manager="owner")
    desk.grant("管理员", Role.ADMINISTRATOR)
    ref = open_at(desk, desk.named("甲"))
    leave(desk, "甲")
    # The applicant is above: then whoever is above the applicant.
    assert desk.open_for(ref) == ["boss"]


def test_who_is_asked_in_the_step_already_decides_for_both(desk: Desk) -> None:
    desk.hire("甲", manager="总监")
    ref = open_at(desk, desk.named("甲", "总监"), desk.named("乙"))
    leave(desk, "甲")
    assert desk.states(ref) == {"甲": "cancelled", "总监": "open"}
    desk.decide(ref, "总监")
    assert desk.open_for(ref) == ["乙"]


def test_both_leave_at_once(desk: Desk) -> None:
    desk.hire("总监", manager="总裁")
    desk.hire("甲", manager="总监")
    ref = open_at(desk, desk.named("甲", "总监"))
    leave(desk, "甲", "总监")
    assert desk.open_for(ref) == ["总裁"]


def test_in_a_sequence_who_waits_is_replaced_too(desk: Desk) -> None:
    desk.hire("乙", manager="总监")
    ref = open_at(desk, desk.named("甲", "乙", "丙", mode="sequence"))
    leave(desk, "乙")
    assert desk.states(ref) == {"甲": "open", "乙": "transferred", "丙": "waiting", "总监": "waiting"}
    for name in ("甲", "总监", "丙"):
        assert desk.open_for(ref) == [name]
        desk.decide(ref, name)
    assert desk.case(ref).state == "approved"


@pytest.mark.parametrize("leaver", ["甲", "签"])
def test_added_signers_keep_their_place(desk: Desk, leaver: str) -> None:
    desk.hire("甲", manager="总监")
    desk.hire("签", manager="总监")
    ref = open_at(desk, desk.named("甲"))
    desk.add_signer(ref, "甲", "签", "before")
    assert desk.states(ref) == {"甲": "suspended", "签": "open"}
    leave(desk, leaver)
    if leaver == "甲":
        assert desk.states(ref) == {"甲": "transferred", "签": "open", "总监": "suspended"}
        desk.decide(ref, "签")
        assert desk.open_for(ref) == ["总监"]
    else:
        assert desk.states(ref) == {"甲": "suspended", "签": "transferred", "总监": "open"}
        desk.decide(ref, "总监")
        assert desk.open_for(ref) == ["甲"]


def test_a_signer_asked_afterwards_is_not_lost(desk: Desk) -> None:
    desk.hire("甲", manager="总监")
    ref = open_at(desk, desk.named("甲", "总监"))
    desk.add_signer(ref, "甲", "签", "after")
    desk.grant("管理员", Role.ADMINISTRATOR)
    leave(desk, "甲")
    # The superior is asked already, but somebody waits for this very decision.
    assert desk.states(ref) == {"甲": "transferred", "总监": "open", "签": "waiting", "管理员": "open"}
    desk.decide(ref, "管理员")
    assert desk.states(ref)["签"] == "open"


def test_nobody_at_all_stops_and_goes_on_when_mended(desk: Desk) -> None:
    ref = open_at(desk, desk.named("甲"))
    leave(desk, "甲")
    assert desk.states(ref) == {"甲": "open"}
    (parked,) = replays.parked()
    assert "甲" in parked.reason and "BX-1" in parked.reason
    desk.grant("管理员", Role.ADMINISTRATOR)
    replays.replay(message_id=parked.id, actor="system", via="cli", at=desk.at)
    relay.drain()
    assert desk.open_for(ref) == ["管理员"]
    assert Issue.objects.filter(closed_at=None).count() == 0


def test_repeated_it_changes_nothing(desk: Desk) -> None:
    desk.hire("甲", manager="总监")
    ref = open_at(desk, desk.named("甲"))
    leave(desk, "甲")
    version = desk.case(ref).version
    OutboxMessage.objects.update(state="waiting", done_at=None)
    relay.drain()
    leaving.person_left([desk["甲"].pk, desk["路人"].pk], desk.at)
    assert OutboxMessage.objects.count() == 1
    assert desk.case(ref).version == version


def test_who_came_back_keeps_their_tasks(desk: Desk) -> None:
    desk.hire("甲", manager="总监")
    ref = open_at(desk, desk.named("甲"))
    leaving.person_left([desk["甲"].pk], desk.at)
    relay.drain()
    assert desk.states(ref) == {"甲": "open"}


def test_the_desk_follows(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    there = Connection.objects.create(slug="toy", kind="toy", name="玩具OA", uses=["desk"])
    desk.entity.connection = there
    desk.entity.save()
    toy = ToyDesk(there.pk)
    monkeypatch.setattr(ports, "_desks", {"toy": lambda _: toy})
    desk.hire("甲", manager="总监")
    for name in ("甲", "总监"):
        OutsideIdentity.objects.create(employee=desk[name], connection=there, userid=f"u-{name}")
    open_at(desk, desk.named("甲"))
    relay.drain()
    assert toy.list_of("u-甲") == ["BX-1"]
    OutsideIdentity.objects.filter(employee=desk["甲"]).delete()  # as a directory may do with who has left
    leave(desk, "甲")
    assert toy.statuses("BX-1") == {"甲": "handed_over", "总监": "open"}
    assert toy.list_of("u-甲") == []


def test_in_an_oa_only_its_people_can_so_an_issue_names_the_papers(bridge: Bridge) -> None:
    desk = bridge.desk
    first = submitted(bridge, desk.named("甲"), key="1")
    second = desk.submit("2")
    bridge.deliver()
    bridge.hear()
    leave(desk, "甲")
    assert desk.states(first) == desk.states(second) == {"甲": "open"}
    issue = Issue.objects.get(kind="approval.left_there", closed_at=None)
    assert (issue.params["who"], issue.params["system"]) == ("甲", "玩具OA")
    assert issue.params["number"] == "BX-1、BX-2"
    assert sorted(wait.ref for wait in issue.waits.all()) == [str(first), str(second)]
    bridge.oa.decide("u-甲")
    reconciling.reconcile(bridge.connection, desk.at)
    assert [one.pk for one in issues.blocking(second)] == [issue.pk]
    assert issues.blocking(first) == []
    bridge.oa.decide("u-甲")
    reconciling.reconcile(bridge.connection, desk.at)
    issue.refresh_from_db()
    assert issue.closed_at == desk.at
