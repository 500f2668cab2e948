"""Re-adding the cases: each running one asks somebody, each ended one nobody, and none ended twice."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from viatica.kernel.books import Disagreement

ROOM = "approval"

_UNASKED = """
SELECT c.ref_kind || ':' || c.ref_key, c.state, '0'
  FROM approval_case c
 WHERE c.state = 'active' AND c.sent = 'in_house'
   AND NOT EXISTS (SELECT FROM approval_item i WHERE i.case_id = c.id AND i.state = 'open')
 ORDER BY c.id
"""

_STILL_ASKED = """
SELECT c.ref_kind || ':' || c.ref_key, c.state, count(*)::text
  FROM approval_case c JOIN approval_item i ON i.case_id = c.id
 WHERE c.state <> 'active' AND i.state IN ('open', 'waiting', 'suspended')
 GROUP BY c.id ORDER BY c.id
"""

_ENDED_TWICE = """
SELECT c.ref_kind || ':' || c.ref_key, c.state, count(*)::text
  FROM approval_case c
  JOIN spine_fact f ON f.ref_kind = c.ref_kind AND f.ref_key = c.ref_key AND f.fact = 'case.concluded'
   AND (f.data ->> 'case')::bigint = c.id
 GROUP BY c.id HAVING count(*) > 1 OR c.state = 'active' ORDER BY c.id
"""

_CHECKS = {
    "nobody is asked": _UNASKED,
    "still asked after the end": _STILL_ASKED,
    "ends recorded": _ENDED_TWICE,
}


def disagreements(at: datetime) -> list[Disagreement]:
    """All of them; empty when every case is as it should be."""
    found: list[Disagreement] = []
    with connection.cursor() as cursor:
        for what, sql in _CHECKS.items():
            cursor.execute(sql)
            found += [Disagreement(ROOM, ref, what, ours, theirs) for ref, ours, theirs in cursor.fetchall()]
    return found
