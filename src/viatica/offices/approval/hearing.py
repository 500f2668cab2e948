"""Who hears what: rooms register here in their `apps.py` and are called inside our transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from viatica.offices.approval.ports import Asked, Conclusion

Concluded = Callable[[Conclusion], None]
Ask = Callable[[Sequence[Asked]], None]

_concluded: dict[str, Concluded] = {}
_asked: defaultdict[str, list[Ask]] = defaultdict(list)


def on_concluded(kind: str, handler: Concluded) -> None:
    """`handler` hears how every case of documents of `kind` ends; one handler a kind."""
    _concluded[kind] = handler


def on_asked(kind: str, handler: Ask) -> None:
    """`handler` hears whom a document of `kind` asks; `kind` "" hears all."""
    if handler not in _asked[kind]:
        _asked[kind].append(handler)


def conclude(conclusion: Conclusion) -> None:
    handler = _concluded.get(conclusion.ref.kind)
    if handler is not None:
        handler(conclusion)


def ask(asked: Sequence[Asked]) -> None:
    """All of `asked` concern one document."""
    if asked:
        for handler in (*_asked[asked[0].ref.kind], *_asked[""]):
            handler(asked)
