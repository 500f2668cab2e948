"""The meaning of modes and actions, as one table: a flow, what people do, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from viatica.offices.approval.tests.conftest import Desk


@dataclass(frozen=True)
class Story:
    """`acts`: (who, verdict) or (who, "before" | "after" | "beside" | "to", other)."""

    name: str
    mode: str
    people: tuple[str, ...]
    acts: tuple[tuple[str, ...], ...]
    state: str
    asked: tuple[str, ...] = ()
    items: dict[str, str] | None = None
    more: dict[str, Any] | None = None


A, B, C, D = "阿甲", "阿乙", "阿丙", "阿丁"
OK, NO, BACK = "approve", "reject", "send_back"

STORIES = [
    Story("one approves", "countersign", (A,), ((A, OK),), "approved", items={A: "approved"}),
    Story("one rejects", "countersign", (A,), ((A, NO),), "rejected", items={A: "rejected"}),
    Story("one sends back", "countersign", (A,), ((A, BACK),), "returned", items={A: "returned"}),
    # 会签
    Story("countersign waits for all", "countersign", (A, B, C), ((B, OK),), "active", (A, C)),
    Story(
        "countersign passes with the last", "countersign", (A, B, C), ((B, OK), (A, OK), (C, OK)), "approved"
    ),
    Story(
        "countersign ends with the first refusal",
        "countersign",
        (A, B, C),
        ((B, OK), (A, NO)),
        "rejected",
        items={A: "rejected", B: "approved", C: "cancelled"},
    ),
    Story(
        "send back inside a countersign loses nobody",
        "countersign",
        (A, B, C),
        ((B, OK), (A, BACK)),
        "returned",
        items={A: "returned", B: "approved", C: "cancelled"},
    ),
    # 或签
    Story(
        "any-sign: the first decides",
        "any_sign",
        (A, B, C),
        ((B, OK),),
        "approved",
        items={A: "cancelled", B: "approved", C: "cancelled"},
    ),
    Story(
        "any-sign: the first refusal decides, and is not told as the others' doing",
        "any_sign",
        (A, B, C),
        ((B, NO),),
        "rejected",
        items={A: "cancelled", B: "rejected", C: "cancelled"},
    ),
    Story(
        "any-sign, all must refuse: one refusal leaves it open",
        "any_sign",
        (A, B),
        ((B, NO),),
        "active",
        (A,),
        items={A: "open", B: "rejected"},
        more={"refusal": "all"},
    ),
    Story(
        "any-sign, all must refuse: an approval still wins",
        "any_sign",
        (A, B),
        ((B, NO), (A, OK)),
        "approved",
        items={A: "approved", B: "rejected"},
        more={"refusal": "all"},
    ),
    Story(
        "any-sign, all must refuse: all did",
        "any_sign",
        (A, B),
        ((B, NO), (A, NO)),
        "rejected",
        more={"refusal": "all"},
    ),
    # 依次
    Story(
        "sequence asks one at a time",
        "sequence",
        (A, B, C),
        (),
        "active",
        (A,),
        items={A: "open", B: "waiting", C: "waiting"},
    ),
    Story("sequence goes on", "sequence", (A, B, C), ((A, OK),), "active", (B,)),
    Story("sequence passes with the last", "sequence", (A, B, C), ((A, OK), (B, OK), (C, OK)), "approved"),
    Story(
        "sequence: refused halfway, nobody after is asked",
        "sequence",
        (A, B, C),
        ((A, OK), (B, NO)),
        "rejected",
        items={A: "approved", B: "rejected", C: "cancelled"},
    ),
    # 转交
    Story(
        "handed over: the other decides",
        "countersign",
        (A,),
        ((A, "to", D),),
        "active",
        (D,),
        items={A: "transferred", D: "open"},
    ),
    Story("handed over and approved", "countersign", (A, B), ((A, "to", D), (D, OK), (B, OK)), "approved"),
    Story(
        "handed over in an any-sign",
        "any_sign",
        (A, B),
        ((A, "to", D), (D, OK)),
        "approved",
        items={A: "transferred", B: "cancelled", D: "approved"},
    ),
    Story(
        "handed over in a sequence keeps its turn",
        "sequence",
        (A, B),
        ((A, "to", D), (D, OK)),
        "active",
        (B,),
    ),
    # 加签
    Story(
        "before: the added one first, then oneself",
        "countersign",
        (A,),
        ((A, "before", D),),
        "active",
        (D,),
        items={A: "suspended", D: "open"},
    ),
    Story("before: then oneself", "countersign", (A,), ((A, "before", D), (D, OK)), "active", (A,)),
    Story("before: both approve", "countersign", (A,), ((A, "before", D), (D, OK), (A, OK)), "approved"),
    Story(
        "before: the added one can reject",
        "countersign",
        (A, B),
        ((A, "before", D), (D, NO)),
        "rejected",
        items={A: "cancelled", B: "cancelled", D: "rejected"},
    ),
    Story(
        "after: asked once the adder approved",
        "countersign",
        (A,),
        ((A, "after", D), (A, OK)),
        "active",
        (D,),
    ),
    Story(
        "after: waits until then",
        "countersign",
        (A,),
        ((A, "after", D),),
        "active",
        (A,),
        items={A: "open", D: "waiting"},
    ),
    Story("after: both approve", "countersign", (A,), ((A, "after", D), (A, OK), (D, OK)), "approved"),
    Story(
        "after: the adder can still reject",
        "countersign",
        (A,),
        ((A, "after", D), (A, NO)),
        "rejected",
        items={A: "rejected", D: "cancelled"},
    ),
    Story(
        "after: the added one can reject",
        "countersign",
        (A,),
        ((A, "after", D), (A, OK), (D, NO)),
        "rejected",
    ),
    Story(
        "after in any-sign: only the acting path goes on",
        "any_sign",
        (A, B),
        ((A, "after", D), (A, OK)),
        "active",
        (D,),
        items={A: "approved", B: "cancelled", D: "open"},
    ),
    Story(
        "after in any-sign: the path ends it",
        "any_sign",
        (A, B),
        ((A, "after", D), (A, OK), (D, OK)),
        "approved",
    ),
    Story(
        "after in any-sign: the other may act first",
        "any_sign",
        (A, B),
        ((A, "after", D), (B, OK)),
        "approved",
        items={A: "cancelled", B: "approved", D: "cancelled"},
    ),
    Story(
        "before in any-sign is not decisive",
        "any_sign",
        (A, B),
        ((A, "before", D), (D, OK)),
        "active",
        (A, B),
    ),
    Story(
        "after in a sequence comes before the next",
        "sequence",
        (A, B),
        ((A, "after", D), (A, OK)),
        "active",
        (D,),
    ),
    Story(
        "after in a sequence, then the next",
        "sequence",
        (A, B),
        ((A, "after", D), (A, OK), (D, OK)),
        "active",
        (B,),
    ),
    Story("beside joins the countersign", "countersign", (A,), ((A, "beside", D), (A, OK)), "active", (D,)),
    Story("beside, both approve", "countersign", (A,), ((A, "beside", D), (A, OK), (D, OK)), "approved"),
    Story(
        "beside joins the any-sign",
        "any_sign",
        (A,),
        ((A, "beside", D), (D, OK)),
        "approved",
        items={A: "cancelled", D: "approved"},
    ),
    Story(
        "beside in a sequence: both before the next",
        "sequence",
        (A, B),
        ((A, "beside", D), (A, OK)),
        "active",
        (D,),
    ),
    Story(
        "nested: the added adds before",
        "countersign",
        (A,),
        ((A, "before", D), (D, "before", C), (C, OK), (D, OK)),
        "active",
        (A,),
    ),
    Story(
        "nested: the added rejects after 加签",
        "countersign",
        (A,),
        ((A, "before", D), (D, "before", C), (C, NO)),
        "rejected",
    ),
    Story(
        "an added signer hands over, the adder still follows",
        "countersign",
        (A,),
        ((A, "before", D), (D, "to", C), (C, OK)),
        "active",
        (A,),
    ),
    Story(
        "the adder hands over, the signer after still follows",
        "countersign",
        (A,),
        ((A, "after", D), (A, "to", C), (C, OK)),
        "active",
        (D,),
    ),
    Story(
        "send back by an added signer",
        "countersign",
        (A, B),
        ((A, "beside", D), (D, BACK)),
        "returned",
        items={A: "cancelled", B: "cancelled", D: "returned"},
    ),
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_story(desk: Desk, story: Story) -> None:
    desk.flow(desk.named(*story.people, mode=story.mode, **(story.more or {})))
    ref = desk.submit()
    for who, act, *other in story.acts:
        match act:
            case "to":
                desk.hand_over(ref, who, other[0])
            case "before" | "after" | "beside":
                desk.add_signer(ref, who, other[0], act)
            case verdict:
                desk.decide(ref, who, verdict)
    assert desk.case(ref).state == story.state
    assert sorted(desk.open_for(ref)) == sorted(story.asked)
    if story.items is not None:
        assert desk.states(ref) == story.items
    ended = story.state != "active"
    assert [conclusion.outcome for conclusion in desk.conclusions] == ([story.state] if ended else [])
    assert desk.facts(ref).count("case.concluded") == int(ended)
    acts = ("case.decided", "case.handed_over", "case.signer_added")
    assert len([fact for fact in desk.facts(ref) if fact in acts]) == len(story.acts)
