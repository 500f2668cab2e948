"""Who hears what: rooms register here in their `apps.py` and are called inside our transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

from viatica.offices.approval.ports import Asked, Conclusion, Unasked

Concluded = Callable[[Conclusion], None]
Ask = Callable[[Sequence[Asked]], Collection[int] | None]
Unask = Callable[[Sequence[Unasked]], None]

_concluded: dict[str, Concluded] = {}
_asked: defaultdict[str, list[Ask]] = defaultdict(list)
_unasked: defaultdict[str, list[Unask]] = defaultdict(list)


def on_concluded(kind: str, handler: Concluded) -> None:
    """`handler` hears how every case of documents of `kind` ends; one handler a kind."""
    _concluded[kind] = handler


def on_asked(kind: str, handler: Ask) -> None:
    """`handler` hears whom a document of `kind` asks; `kind` "" hears all.

    It gives the ids of the items that a message or to-do in an OA now tells of: `on_unasked` hears of those again.
    """
    if handler not in _asked[kind]:
        _asked[kind].append(handler)


def on_unasked(kind: str, handler: Unask) -> None:
    """`handler` hears who is asked no longer, of those an `on_asked` handler told in an OA; `kind` "" hears all."""
    if handler not in _unasked[kind]:
        _unasked[kind].append(handler)


def conclude(conclusion: Conclusion) -> None:
    handler = _concluded.get(conclusion.ref.kind)
    if handler is not None:
        handler(conclusion)


def ask(asked: Sequence[Asked]) -> set[int]:
    """All of `asked` concern one document. The items an OA was told of."""
    told: set[int] = set()
    if asked:
        for handler in (*_asked[asked[0].ref.kind], *_asked[""]):
            told.update(handler(asked) or ())
    return told


def unask(unasked: Sequence[Unasked]) -> None:
    """All of `unasked` concern one document."""
    if unasked:
        for handler in (*_unasked[unasked[0].ref.kind], *_unasked[""]):
            handler(unasked)
