from __future__ import annotations

from datetime import timedelta

from viatica.connectors.looks import Looks
from viatica.connectors.testing import AT as NOW


def test_one_look_covers_what_was_heard_before_it_began() -> None:
    looks = Looks(most=2)
    looks.note(1, "a", NOW)
    assert looks.covers(1, "a", NOW - timedelta(seconds=1))
    assert not looks.covers(1, "a", NOW)
    assert not looks.covers(1, "a", NOW + timedelta(seconds=1))
    assert not looks.covers(2, "a", NOW - timedelta(seconds=1))
    looks.note(1, "a", NOW - timedelta(seconds=9))  # a slower look that began earlier
    assert looks.covers(1, "a", NOW - timedelta(seconds=1))
    looks.note(1, "b", NOW)
    looks.note(1, "c", NOW)
    assert not looks.covers(1, "a", NOW - timedelta(seconds=1))  # forgotten: one look more, no harm
