"""Document numbers, given by the database in the INSERT itself: unique, in order of birth, gaps allowed.

`BX202611-000123`: the kind, the month it was made in, and a running number of its own sequence. No row is locked, so
any number of people may make papers at once.
"""

from __future__ import annotations

from django.db.models import CharField, Func, Value

CREATE = """
CREATE SEQUENCE {sequence};
CREATE FUNCTION {sequence}_next(zone text) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT '{prefix}' || to_char(now() AT TIME ZONE zone, 'YYYYMM') || '-'
        || CASE WHEN n < 1000000 THEN lpad(n::text, 6, '0') ELSE n::text END
    FROM nextval('{sequence}') AS n
$$;
"""
DROP = "DROP FUNCTION {sequence}_next(text); DROP SEQUENCE {sequence};"


def next_number(sequence: str, zone: str) -> Func:
    """The database default of a `number` column; `sequence` was made by `CREATE`."""
    return Func(Value(zone), function=f"{sequence}_next", output_field=CharField())
