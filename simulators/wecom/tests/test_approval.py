"""What people do with a form, and how it reads afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from simulators.wecom.testing import ControlError, Running
from simulators.wecom.tests.client import Api, through, window


def deeds(info: dict[str, Any]) -> list[list[tuple[str, int]]]:
    """Person and sp_yj, node by node."""
    return [
        [(sub["userid"], sub["sp_yj"]) for sub in node["sub_node_list"]]
        for node in info["process_list"]["node_list"]
    ]


def test_the_templates_own_flow(wecom: Running, api: Api) -> None:
    sp_no = api.apply()
    assert deeds(api.info(sp_no)) == [[("wangkai", 1)], [("sunhui", 1)]]
    wecom.decide(sp_no, remark="同意，注意留存发票")
    info = api.info(sp_no)
    assert info["sp_status"] == 1
    first, second = info["process_list"]["node_list"]
    assert (first["sp_status"], first["sub_node_list"][0]["speech"]) == (2, "同意，注意留存发票")
    assert first["sub_node_list"][0]["sptime"] >= info["apply_time"]
    # A node not reached yet looks like one at work.
    assert (second["sp_status"], second["sub_node_list"][0]["sptime"]) == (1, 0)
    wecom.decide(sp_no, userid="sunhui")
    info = api.info(sp_no)
    assert info["sp_status"] == 2
    assert [row["details"][0]["sp_status"] for row in info["sp_record"]] == [2, 2]


def test_one_of_several_is_enough(wecom: Running, api: Api) -> None:
    sp_no = api.apply(**through((1, 2, ["wangkai", "lisiyuan"])))
    info = api.info(sp_no)
    assert info["sp_record"][0]["approverattr"] == 1  # OR is 1 here and apv_rel 2 there
    assert info["process_list"]["node_list"][0]["apv_rel"] == 2
    wecom.decide(sp_no, userid="lisiyuan")
    info = api.info(sp_no)
    assert info["sp_status"] == 2
    # Who was spared keeps sp_yj 1.
    assert deeds(info) == [[("wangkai", 1), ("lisiyuan", 2)]]
    assert wecom.tasks() == []


def test_all_have_to_agree(wecom: Running, api: Api) -> None:
    sp_no = api.apply(**through((1, 1, ["wangkai", "lisiyuan"])))
    assert api.info(sp_no)["sp_record"][0]["approverattr"] == 2
    wecom.decide(sp_no, userid="lisiyuan")
    assert api.info(sp_no)["sp_status"] == 1
    wecom.decide(sp_no, userid="wangkai")
    assert api.info(sp_no)["sp_status"] == 2


def test_one_after_the_other(wecom: Running, api: Api) -> None:
    sp_no = api.apply(**through((1, 3, ["wangkai", "lisiyuan"])))
    assert [task["userid"] for task in wecom.tasks()] == ["wangkai"]
    with pytest.raises(ControlError):
        wecom.decide(sp_no, userid="lisiyuan")
    wecom.decide(sp_no, userid="wangkai")
    assert [task["userid"] for task in wecom.tasks()] == ["lisiyuan"]
    wecom.decide(sp_no, userid="lisiyuan")
    assert api.info(sp_no)["sp_status"] == 2


def test_the_older_shape_numbers_them_the_other_way_round(wecom: Running, api: Api) -> None:
    old = {
        "use_template_approver": 0,
        "approver": [{"attr": 1, "userid": ["wangkai", "lisiyuan"]}, {"attr": 2, "userid": ["sunhui"]}],
        "notifyer": ["zhaomin"],
        "notify_type": 2,
    }
    sp_no = api.apply(**old)
    info = api.info(sp_no)
    assert [(node["node_type"], node["apv_rel"]) for node in info["process_list"]["node_list"]] == [
        (1, 2),
        (1, 1),
        (2, 1),
    ]
    assert info["notifyer"] == [{"userid": "zhaomin"}]


def test_rejecting_ends_it(wecom: Running, api: Api) -> None:
    sp_no = api.apply(**through((1, 1, ["wangkai", "lisiyuan"]), (1, 2, ["sunhui"])))
    wecom.decide(sp_no, "reject", userid="wangkai", remark="金额不符")
    info = api.info(sp_no)
    assert info["sp_status"] == 3
    assert deeds(info) == [[("wangkai", 3), ("lisiyuan", 1)], [("sunhui", 1)]]
    assert wecom.tasks() == []
    with pytest.raises(ControlError):
        wecom.decide(sp_no, userid="lisiyuan")
    assert api.info(sp_no) == info


def test_handing_over(wecom: Running, api: Api) -> None:
    sp_no = api.apply()
    wecom.hand_over(sp_no, "lisiyuan", remark="你来")
    assert deeds(api.info(sp_no))[0] == [("wangkai", 4), ("lisiyuan", 1)]
    wecom.decide(sp_no, userid="lisiyuan")
    assert api.info(sp_no)["process_list"]["node_list"][0]["sp_status"] == 2
    with pytest.raises(ControlError):
        wecom.hand_over(sp_no, "nobody")


def test_adding_somebody_before_and_after(wecom: Running, api: Api) -> None:
    sp_no = api.apply()
    wecom.add_signer(sp_no, "lisiyuan", after=False)
    assert [task["userid"] for task in wecom.tasks()] == ["lisiyuan"]
    wecom.decide(sp_no)
    assert [task["userid"] for task in wecom.tasks()] == ["wangkai"]
    wecom.add_signer(sp_no, "chenjing", after=True, remark="请再看")
    assert [task["userid"] for task in wecom.tasks()] == ["chenjing"]
    expected = [[("lisiyuan", 2)], [("wangkai", 13)], [("chenjing", 1)], [("sunhui", 1)]]
    assert deeds(api.info(sp_no)) == expected


def test_sending_back_asks_again(wecom: Running, api: Api) -> None:
    sp_no = api.apply()
    wecom.decide(sp_no)
    wecom.send_back(sp_no, 0, userid="sunhui", remark="请核对")
    info = api.info(sp_no)
    assert info["sp_status"] == 1
    assert deeds(info) == [[("wangkai", 2)], [("sunhui", 11)], [("wangkai", 1)], [("sunhui", 1)]]
    wecom.decide(sp_no, userid="wangkai")
    wecom.decide(sp_no, userid="sunhui")
    assert api.info(sp_no)["sp_status"] == 2


def test_copies_and_handlers(wecom: Running, api: Api) -> None:
    nodes = through((2, 1, ["zhaomin"]), (1, 2, ["wangkai"]), (3, 2, ["qianwei"]), (2, 1, ["hetao"]))
    sp_no = api.apply(**nodes)
    info = api.info(sp_no)
    assert [node["sp_status"] for node in info["process_list"]["node_list"]] == [2, 1, 1, 1]
    wecom.decide(sp_no)
    with pytest.raises(ControlError, match="办理人"):
        wecom.decide(sp_no, "reject")
    wecom.decide(sp_no, userid="qianwei")
    info = api.info(sp_no)
    assert info["sp_status"] == 2
    assert [node["sp_status"] for node in info["process_list"]["node_list"]] == [2, 2, 14, 2]
    assert info["notifyer"] == [{"userid": "zhaomin"}, {"userid": "hetao"}]
    assert len(info["sp_record"]) == 1


def test_withdrawing_before_and_after_approval(wecom: Running, api: Api) -> None:
    running, approved = api.apply(), api.apply(**through((1, 2, ["wangkai"])))
    wecom.withdraw(running)
    assert api.info(running)["sp_status"] == 4
    wecom.decide(approved)
    wecom.withdraw(approved)
    assert api.info(approved)["sp_status"] == 6
    assert wecom.tasks() == []
    with pytest.raises(ControlError):
        wecom.withdraw(approved)


def test_paid_and_deleted(wecom: Running, api: Api) -> None:
    paid, deleted = api.apply(**through((1, 2, ["wangkai"]))), api.apply()
    with pytest.raises(ControlError):
        wecom.pay(paid)
    wecom.decide(paid)
    wecom.pay(paid)
    wecom.delete(deleted)
    assert (api.info(paid)["sp_status"], api.info(deleted)["sp_status"]) == (10, 7)
    assert wecom.tasks() == []
    assert api.post("/oa/getapprovaldetail", {"sp_no": "1"})["errcode"] == 301025


def test_comments(wecom: Running, api: Api) -> None:
    sp_no = api.apply()
    wecom.comment(sp_no, "zhangsan", "补充了发票 𠮷😀")
    (comment,) = api.info(sp_no)["comments"]
    assert comment["commentUserInfo"] == {"userid": "zhangsan"}
    assert comment["commentcontent"] == "补充了发票 𠮷😀"


def test_an_approver_who_left_still_holds_the_task(wecom: Running, api: Api) -> None:
    sp_no = api.apply()
    wecom.leave("wangkai")
    assert [task["userid"] for task in wecom.tasks()] == ["wangkai"]
    wecom.hand_over(sp_no, "lisiyuan", userid="wangkai")
    assert [task["userid"] for task in wecom.tasks()] == ["lisiyuan"]


# The window.


def test_numbers_page_by_page(wecom: Running, api: Api) -> None:
    sent = [api.apply() for _ in range(5)]
    found: list[str] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        page = api.post("/oa/getapprovalinfo", window(new_cursor=cursor, size=2))
        found += page["sp_no_list"]
        cursor = page.get("new_next_cursor")
        pages += 1
    assert (found, pages) == (sent, 3)


def test_a_short_page_is_not_the_end(wecom: Running, api: Api) -> None:
    api.apply(creator_userid="chenjing", choose_department=20)
    mine = api.apply()
    wecom.set(visible_departments=[10])
    page = api.post("/oa/getapprovalinfo", window(size=1))
    assert page["sp_no_list"] == []
    page = api.post("/oa/getapprovalinfo", window(size=1, new_cursor=page["new_next_cursor"]))
    assert (page["sp_no_list"], "new_next_cursor" in page) == ([mine], False)


def test_filters(wecom: Running, api: Api) -> None:
    first, second = api.apply(), api.apply(creator_userid="chenjing")
    wecom.decide(first)
    wecom.decide(first)

    def found(**wanted: Any) -> list[str]:
        filters = [{"key": key, "value": str(value)} for key, value in wanted.items()]
        return list(api.post("/oa/getapprovalinfo", window(filters=filters))["sp_no_list"])

    assert found(template_id=wecom.template_ids["expense"]) == [first, second]
    assert found(template_id=wecom.template_ids["travel"]) == []
    assert found(creator="ChenJing") == [second]
    assert found(sp_status=2) == [first]
    assert found(sp_status=2, creator="chenjing") == []
    assert found(department=11) == [first]
    both = [{"key": "department", "value": "11"}, {"key": "department", "value": "20"}]
    assert api.post("/oa/getapprovalinfo", window(filters=both))["sp_no_list"] == [first, second]


@pytest.mark.parametrize(
    ("more", "errcode"),
    [
        ({"starttime": "0"}, 301025),
        ({"endtime": "1"}, 301025),
        ({"size": 101}, 301025),
        ({"filters": [{"key": "title", "value": "x"}]}, 301025),
        ({"filters": [{"key": "sp_status", "value": "1"}, {"key": "sp_status", "value": "2"}]}, 301025),
        ({"filters": [{"key": "creator", "value": "gone"}]}, 301055),
    ],
)
def test_windows_that_do_not_fit(unharmed: Api, more: dict[str, Any], errcode: int) -> None:
    assert unharmed.post("/oa/getapprovalinfo", window(**more))["errcode"] == errcode


def test_a_window_too_full(wecom: Running, api: Api) -> None:
    api.apply()
    api.apply()
    wecom.set(most_in_window=1)
    assert api.post("/oa/getapprovalinfo", window())["errcode"] == 301112


def test_agreeing_by_itself(wecom: Running, api: Api) -> None:
    wecom.set(auto_agree_after_s=0.01)
    sp_no = api.apply()
    for _ in range(200):
        if api.info(sp_no)["sp_status"] == 2:
            break
    assert api.info(sp_no)["sp_status"] == 2
