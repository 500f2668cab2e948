"""Reading what WeCom pushes: names in any case, one or many alike, and nothing from outside."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from viatica.connectors.errors import BadCallback
from viatica.connectors.wecom import events, tasks
from viatica.connectors.wecom.events import event_id, event_instance, event_type, tree
from viatica.connectors.wecom.tests.test_signing import REQUESTS
from viatica.offices.approval.ports import CaseStatus

SUBMITTED = REQUESTS["sys_approval_submit"]["plaintext"]


def told(text: str) -> dict[str, Any]:
    body = tree(text)
    assert body is not None
    return body


def test_names_are_read_in_any_case() -> None:
    lower = told(SUBMITTED.replace("SubNodeList", "subnodelist").replace("UserId", "userID"))
    assert lower == told(SUBMITTED)
    both = [
        REQUESTS[name]["plaintext"]
        for name in REQUESTS
        if name.startswith("open_approval_") and "spelling" in name
    ]
    items = [told(one)["approvalinfo"]["approvalnodes"]["approvalnode"][0]["items"]["item"] for one in both]
    assert [item[0]["itemuserid"] for item in items] == ["lisi", "lisi"]
    assert [told(one)["approvalinfo"]["approverstep"] for one in both] == ["1", "0"]


def test_one_approver_is_read_as_two_are() -> None:
    one = "<SubNodeList><UserInfo><UserId>a</UserId></UserInfo><SpYj>1</SpYj></SubNodeList>"
    for count in (1, 2, 3):
        nodes = f"<NodeList><NodeType>1</NodeType><SpStatus>1</SpStatus><ApvRel>1</ApvRel>{one * count}</NodeList>"
        info = told(f"<xml><ProcessList>{nodes * count}</ProcessList></xml>")
        found = tasks.nodes(info)
        assert [len(node.subs) for node in found] == [count] * count


def test_both_spellings_of_a_process_are_the_same_process() -> None:
    asked = {"userid": "lisi", "speech": "", "sp_yj": 1, "sptime": 0, "media_ids": []}
    node = {"node_type": 1, "sp_status": 1, "apv_rel": 2, "sub_node_list": [asked]}
    queried = {"process_list": {"node_list": [node]}}
    assert tasks.nodes(queried) == tasks.nodes(told(SUBMITTED)["approvalinfo"])
    (task,) = tasks.tasks(tasks.nodes(queried), CaseStatus.RUNNING)
    assert asdict(task)["task_id"] == "lisi#1"


def test_any_word_that_is_repeated_becomes_a_list() -> None:
    assert told("<xml><A>1</A><A>2</A><A>3</A></xml>") == {"a": ["1", "2", "3"]}


ENTITY = '<!DOCTYPE xml [<!ENTITY x SYSTEM "file:///etc/hostname">]><xml><Event>&x;</Event></xml>'
BOMB = (
    "<!DOCTYPE xml ["
    + '<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "]><xml><Event>&i;</Event></xml>"
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no xml",
        "<xml>",
        "<xml/>",
        "<xml>text</xml>",
        ENTITY,
        BOMB,
        '<!DOCTYPE xml SYSTEM "http://x/y"><xml><A>1</A></xml>',
    ],
)
def test_what_is_no_plain_xml_is_nothing(text: str) -> None:
    assert tree(text) is None


def test_a_file_is_never_read_for_a_stranger(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    text = f'<!DOCTYPE xml [<!ENTITY x SYSTEM "file://{secret}">]><xml><Event>&x;</Event></xml>'
    assert "s3cret" not in str(tree(text))


@pytest.mark.parametrize("body", [b"", b"{}", b"<xml/>", b"<xml><Encrypt></Encrypt></xml>", ENTITY.encode()])
def test_an_envelope_without_a_seal_is_bad(body: bytes) -> None:
    with pytest.raises(BadCallback):
        events.encrypted_in(body)


def test_the_number_as_text_is_preferred_to_the_number() -> None:
    assert event_instance(told(SUBMITTED)) == "202311150001"
    older = SUBMITTED.replace("<SpNoStr><![CDATA[202311150001]]></SpNoStr>", "")
    assert event_instance(told(older)) == "202311150001"
    assert event_instance(told(REQUESTS["open_approval_in_progress"]["plaintext"])) == ""


def test_people_writing_to_the_app_are_no_event() -> None:
    text = "<xml><MsgType>text</MsgType><Event>sys_approval_change</Event><Content>你好</Content></xml>"
    assert event_type(told(text)) == ""


# There is no id of an event's own


def test_repetitions_share_their_id_and_nothing_else_does() -> None:
    every = [REQUESTS[name]["plaintext"] for name in REQUESTS]
    ids = [event_id(told(one)) for one in every]
    assert len(set(ids)) == len(every)
    assert [event_id(told(one)) for one in every] == ids
    assert all(len(one) <= 200 for one in ids)


def test_two_changes_in_one_second_are_two_events() -> None:
    """A batch of approvals comes from the same sender in the same second."""
    other_form = SUBMITTED.replace("202311150001", "202311150002")
    agreed = SUBMITTED.replace("<StatuChangeEvent>1<", "<StatuChangeEvent>2<")
    by_another = agreed.replace("<![CDATA[lisi]]>", "<![CDATA[wangwu]]>")
    later = SUBMITTED.replace("<CreateTime>1700000000<", "<CreateTime>1700000001<")
    ids = {event_id(told(one)) for one in (SUBMITTED, other_form, agreed, by_another, later)}
    assert len(ids) == 5


def test_a_click_is_known_by_the_code_it_brings() -> None:
    click = REQUESTS["template_card_event"]["plaintext"]
    assert event_id(told(click)) == "template_card_event:RespCode0001"
    again = click.replace("RespCode0001", "RespCode0002")
    assert event_id(told(again)) == "template_card_event:RespCode0002"


def test_an_approval_taken_back_is_told_by_its_status_or_by_its_change() -> None:
    assert not events.is_reversal(told(SUBMITTED))
    assert events.is_reversal(
        told(SUBMITTED.replace("<SpStatus>1</SpStatus><TemplateId>", "<SpStatus>6</SpStatus><TemplateId>"))
    )
    assert events.is_reversal(told(SUBMITTED.replace("<StatuChangeEvent>1<", "<StatuChangeEvent>8<")))
