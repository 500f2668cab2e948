"""How the items of one step decide it. Pure: items in memory, no statements.

An item is *settled* when it is no longer live. Added signers hang on the item that called them: one *before* must
approve until that item opens again; one *after* is asked once that item has approved, and it counts only then.
"""

from __future__ import annotations

from collections.abc import Sequence

from viatica.offices.approval.flows import Refusal
from viatica.offices.approval.models import Item, ItemState, Mode, Origin, Reason, StepState

PASSED = (ItemState.APPROVED, ItemState.AUTO_APPROVED)
_HANGING = (Origin.BEFORE, Origin.AFTER)
_BUSY = (ItemState.OPEN, ItemState.SUSPENDED)


def to_open(mode: str, items: Sequence[Item]) -> list[Item]:
    """Waiting or suspended items whose turn has come."""
    ready = [item for item in items if item.state == ItemState.SUSPENDED and not _asked_first(item, items)]
    ready += [
        item
        for item in items
        if item.state == ItemState.WAITING and item.origin == Origin.AFTER and _parent_passed(item, items)
    ]
    if mode == Mode.SEQUENCE and not ready and not any(item.state in _BUSY for item in items):
        queue = [item for item in items if item.state == ItemState.WAITING and item.origin != Origin.AFTER]
        first = min((item.place for item in queue), default=0)
        ready += [item for item in queue if item.place == first]
    return ready


def standing(mode: str, refusal: Refusal, items: Sequence[Item]) -> StepState:
    """ACTIVE, PASSED, REJECTED or RETURNED."""
    if any(item.state == ItemState.RETURNED for item in items):
        return StepState.RETURNED
    rejected = [item for item in items if item.state == ItemState.REJECTED]
    if rejected and not (mode == Mode.ANY_SIGN and refusal is Refusal.ALL):
        return StepState.REJECTED
    live = [item for item in items if item.is_live]
    if mode == Mode.ANY_SIGN:
        if any(_decides(item, items) for item in items):
            return StepState.PASSED
        if rejected and not live:
            return StepState.REJECTED
    return StepState.ACTIVE if live else StepState.PASSED


def overtaken(mode: str, items: Sequence[Item]) -> list[Item]:
    """In an any-sign step, the live items that no longer matter: someone approved, only their path goes on."""
    if mode != Mode.ANY_SIGN:
        return []
    acted = next((item for item in items if item.state in PASSED and item.origin != Origin.BEFORE), None)
    if acted is None:
        return []
    path = _family(_root(acted, items), items)
    return [item for item in items if item.is_live and not any(item is one for one in path)]


def depth(item: Item, items: Sequence[Item]) -> int:
    """How many signers were added one upon another to reach `item`."""
    count = 0
    while (parent := _parent(item, items)) is not None:
        item, count = parent, count + 1
    return count


def _asked_first(item: Item, items: Sequence[Item]) -> bool:
    return any(one.is_live for one in items if one.origin == Origin.BEFORE and _parent(one, items) is item)


def _parent_passed(item: Item, items: Sequence[Item]) -> bool:
    parent = _parent(item, items)
    return parent is not None and parent.state in PASSED


def _decides(item: Item, items: Sequence[Item]) -> bool:
    """Whether this approval settles an any-sign step: everybody asked after it has approved too."""
    if item.state not in PASSED or item.origin == Origin.BEFORE:
        return False
    family = _family(_root(item, items), items)
    return not any(
        one.is_live or (one.state == ItemState.REJECTED and one.origin == Origin.AFTER) for one in family
    )


def _parent(item: Item, items: Sequence[Item]) -> Item | None:
    """The item it was added to, or the one that took its place when it was handed over."""
    if item.parent_id is None:
        return None
    heir = {one.replaces_id: one for one in items if one.reason == Reason.HANDED_OVER}
    parent = next((one for one in items if one.pk == item.parent_id), None)
    while parent is not None and parent.pk in heir:
        parent = heir[parent.pk]
    return parent


def _root(item: Item, items: Sequence[Item]) -> Item:
    while item.origin in _HANGING and (parent := _parent(item, items)) is not None:
        item = parent
    return item


def _family(root: Item, items: Sequence[Item]) -> list[Item]:
    """`root` and all that were added before or after it, at any depth."""
    return [
        item for item in items if item is root or (item.origin in _HANGING and _root(item, items) is root)
    ]
