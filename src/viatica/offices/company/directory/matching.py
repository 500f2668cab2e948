"""Who the members over there are here, in temporary tables of the open transaction.

| tier | a member is recognised by |
|---|---|
| 0 | what an administrator decided |
| 1 | an identity: their userid, whatever its case |
| 2 | a unionid, which products of one kind share |
| 3 | the employee number |
| 4 | the mobile |

A later tier speaks only where the earlier are silent, and only of one person; of a number or a mobile alone the names
must agree, since both are given to others in time. Whoever cannot be told apart gets a `reason` and is left out; a number
that one run frees is taken in the next.
`directory_person` holds who is there, `directory_target` who is merged and as whom; new people have their ids already.
"""

from __future__ import annotations

from viatica.offices.company.directory.statements import create, execute
from viatica.offices.company.directory.terms import Terms

FITS_SEVERAL = "fits_several"
SAME_EMPLOYEE = "same_employee"
SAME_NUMBER = "same_number"
SAME_MOBILE = "same_mobile"
NUMBER_TAKEN = "number_taken"
OTHER_NAME = "other_name"

# A userid in place of a number is no number: it neither finds anybody else nor replaces a number we have.
_MEMBER = """
CREATE TEMP TABLE directory_member ON COMMIT DROP AS
SELECT DISTINCT ON (s.userid) s.id, s.userid, lower(s.userid) AS key, coalesce(nullif(s.name, ''), left(s.userid, 60)) AS name,
       s.unionid, CASE WHEN lower(s.number) = lower(s.userid) THEN '' ELSE s.number END AS number,
       coalesce(nullif(s.number, ''), left(s.userid, 64)) AS claim, s.mobile, s.mobile_key, s.email, s.title,
       s.department_ids, lower(s.manager_userid) AS manager_key, s.is_active, s.name <> '' AS is_named,
       d.verdict, d.employee_id AS decided_id
  FROM company_stagedmember s
  LEFT JOIN company_directorydecision d ON d.connection_id = %(connection)s AND lower(d.userid) = lower(s.userid)
 WHERE s.run_id = %(run)s AND s.userid <> ''
 ORDER BY s.userid, s.id DESC
"""
_FIRM = """
CREATE TEMP TABLE directory_firm ON COMMIT DROP AS
SELECT DISTINCT ON (m.id) m.id, coalesce(m.decided_id, exact.employee_id, alike.employee_id) AS employee_id,
       CASE WHEN m.decided_id IS NOT NULL THEN 0 ELSE 1 END AS tier
  FROM directory_member m
  LEFT JOIN company_outsideidentity exact ON exact.connection_id = %(connection)s AND exact.userid = m.userid
  LEFT JOIN company_outsideidentity alike
    ON exact.id IS NULL AND alike.connection_id = %(connection)s AND lower(alike.userid) = m.key
   AND NOT EXISTS (SELECT 1 FROM directory_member x WHERE x.userid = alike.userid)
 WHERE m.verdict IS DISTINCT FROM 'out' AND coalesce(m.decided_id, exact.employee_id, alike.employee_id) IS NOT NULL
 ORDER BY m.id, alike.id
"""
_LOOSE = """
CREATE TEMP TABLE directory_loose ON COMMIT DROP AS
SELECT m.* FROM directory_member m
 WHERE m.is_active AND m.verdict IS NULL AND NOT EXISTS (SELECT 1 FROM directory_firm f WHERE f.id = m.id)
"""
_CANDIDATE = """
CREATE TEMP TABLE directory_candidate ON COMMIT DROP AS
SELECT DISTINCT l.id, i.employee_id, 2 AS tier
  FROM directory_loose l
  JOIN company_outsideidentity i ON i.unionid = l.unionid AND i.unionid <> ''
  JOIN spine_connection c ON c.id = i.connection_id AND c.kind = %(kind)s
 WHERE l.unionid <> ''
UNION ALL
SELECT l.id, e.id, 3 FROM directory_loose l JOIN company_employee e ON e.number = l.claim
UNION ALL
SELECT l.id, e.id, 4
  FROM directory_loose l JOIN company_employee e ON company_mobile(e.mobile) = l.mobile_key AND e.mobile <> ''
 WHERE l.mobile_key <> ''
"""
# Of several with one mobile those who work here count, unless none does.
_CHOICE = """
CREATE TEMP TABLE directory_choice ON COMMIT DROP AS
WITH fit AS (
    SELECT c.id, array_agg(c.employee_id) FILTER (WHERE c.tier = 2) AS by_union,
           min(c.employee_id) FILTER (WHERE c.tier = 3) AS by_number,
           array_agg(c.employee_id) FILTER (WHERE c.tier = 4) AS by_mobile,
           array_agg(c.employee_id) FILTER (WHERE c.tier = 4 AND e.is_active) AS by_mobile_here
      FROM directory_candidate c JOIN company_employee e ON e.id = c.employee_id GROUP BY c.id
), narrowed AS (
    SELECT id, by_union, by_number, coalesce(by_mobile_here, by_mobile) AS by_mobile, by_mobile AS by_mobile_at_all FROM fit
), chosen AS (
    SELECT n.*, coalesce(by_union[1], by_number, by_mobile[1]) AS employee_id,
           CASE WHEN by_union IS NOT NULL THEN 2 WHEN by_number IS NOT NULL THEN 3 ELSE 4 END AS tier
      FROM narrowed n
)
SELECT c.id, c.employee_id, c.tier,
       CASE WHEN c.tier = 2 AND cardinality(c.by_union) > 1 THEN 'fits_several'
            WHEN c.tier = 3 AND NOT c.by_number = ANY(c.by_mobile_at_all) THEN 'fits_several'
            WHEN c.tier = 4 AND cardinality(c.by_mobile) > 1 THEN 'fits_several'
            WHEN c.tier = 2 OR c.by_number = ANY(c.by_mobile_at_all) THEN NULL
            WHEN NOT l.is_named OR position(lower(l.name) IN lower(e.name)) > 0
                 OR position(lower(e.name) IN lower(l.name)) > 0 THEN NULL
            ELSE 'other_name' END AS reason
  FROM chosen c JOIN directory_loose l ON l.id = c.id JOIN company_employee e ON e.id = c.employee_id
"""
# The main department decides; where it cannot be seen, the first that can.
_PERSON = """
CREATE TEMP TABLE directory_person ON COMMIT DROP AS
SELECT m.*, coalesce(f.employee_id, c.employee_id) AS employee_id, coalesce(f.tier, c.tier) AS tier, c.reason,
       e.number AS own_number, place.department_id, place.entity_id,
       coalesce(e.entity_id = ANY(%(led)s), false)
       OR (e.is_active IS NOT TRUE AND place.entity_id IS NOT NULL) AS is_led,
       CASE WHEN m.verdict IS NOT NULL THEN NULL WHEN e.id IS NULL THEN m.claim
            ELSE coalesce(nullif(m.number, ''), e.number) END AS wants_number
  FROM directory_member m
  LEFT JOIN directory_firm f ON f.id = m.id
  LEFT JOIN directory_choice c ON c.id = m.id
  LEFT JOIN company_employee e ON e.id = coalesce(f.employee_id, c.employee_id)
  LEFT JOIN directory_place main ON main.outside_id = m.department_ids[1]
  LEFT JOIN LATERAL (
       SELECT main.department_id, main.entity_id WHERE main.department_id IS NOT NULL
       UNION ALL
       (SELECT p.department_id, p.entity_id
          FROM unnest(m.department_ids) WITH ORDINALITY AS o (outside_id, place)
          JOIN directory_place p USING (outside_id)
         WHERE main.department_id IS NULL ORDER BY o.place LIMIT 1)
       UNION ALL
       (SELECT p.department_id, p.entity_id FROM directory_place p
         WHERE main.department_id IS NULL AND m.department_ids = '{}' AND e.id IS NULL
         ORDER BY p.depth, p.department_id LIMIT 1)
       LIMIT 1) place ON true
 WHERE m.is_active AND m.verdict IS DISTINCT FROM 'out'
"""
_SAME_EMPLOYEE = """
UPDATE directory_person p SET reason = 'same_employee'
  FROM (SELECT employee_id, min(tier) AS best, count(*) FILTER (WHERE tier <= 2) AS firm
          FROM directory_person WHERE reason IS NULL AND employee_id IS NOT NULL
         GROUP BY employee_id HAVING count(*) > 1) g
 WHERE p.employee_id = g.employee_id AND p.reason IS NULL
   AND NOT (p.tier = g.best AND g.best <= 2
            AND (SELECT count(*) FROM directory_person o
                  WHERE o.employee_id = g.employee_id AND o.tier = g.best AND o.reason IS NULL) = 1)
"""
_SAME_NUMBER = """
UPDATE directory_person p SET reason = 'same_number'
  FROM (SELECT wants_number FROM directory_person
         WHERE is_led AND wants_number IS NOT NULL GROUP BY wants_number HAVING count(*) > 1) g
 WHERE p.wants_number = g.wants_number AND p.is_led AND p.reason IS NULL AND p.own_number IS DISTINCT FROM p.wants_number
"""
_NUMBER_TAKEN = """
UPDATE directory_person p SET reason = 'number_taken'
  FROM company_employee e
 WHERE e.number = p.wants_number AND e.id IS DISTINCT FROM p.employee_id AND p.is_led AND p.reason IS NULL
"""
_SAME_MOBILE = """
UPDATE directory_person p SET reason = 'same_mobile'
  FROM (SELECT mobile_key FROM directory_person
         WHERE mobile_key <> '' GROUP BY mobile_key HAVING count(*) > 1) g
 WHERE p.mobile_key = g.mobile_key AND p.is_led AND p.reason IS NULL AND p.verdict IS NULL
   AND (p.tier IS NULL OR p.tier = 4)
"""
# Of whom an administrator has decided, a number that belongs to somebody else is overlooked; a new one has their userid.
_TARGET = """
CREATE TEMP TABLE directory_target ON COMMIT DROP AS
SELECT p.id, p.userid, p.key, p.name, p.is_named, p.unionid, p.mobile, p.mobile_key, p.email, p.title, p.manager_key,
       p.department_ids, p.department_id, p.entity_id, p.employee_id IS NULL AS is_new, p.is_led,
       coalesce(p.employee_id, nextval(pg_get_serial_sequence('company_employee', 'id'))) AS employee_id,
       CASE WHEN p.wants_number IS NOT NULL THEN p.wants_number
            WHEN p.number <> ''
             AND NOT EXISTS (SELECT 1 FROM company_employee e WHERE e.number = p.claim AND e.id IS DISTINCT FROM p.employee_id)
             AND NOT EXISTS (SELECT 1 FROM directory_person o WHERE o.claim = p.claim AND o.id <> p.id) THEN p.claim
            WHEN p.own_number IS NOT NULL THEN p.own_number
            WHEN NOT EXISTS (SELECT 1 FROM company_employee e WHERE e.number = left(p.userid, 64))
             AND NOT EXISTS (SELECT 1 FROM directory_person o WHERE o.claim = left(p.userid, 64) AND o.id <> p.id)
            THEN left(p.userid, 64)
            ELSE left(%(slug)s || ':' || p.userid, 64) END AS number
  FROM directory_person p
 WHERE p.reason IS NULL AND (p.employee_id IS NOT NULL OR p.is_led)
"""
_KNOWN = """
CREATE TEMP TABLE directory_known ON COMMIT DROP AS
SELECT DISTINCT ON (key) key, employee_id FROM directory_target ORDER BY key, id
"""
# Heads and managers that this run does not speak of.
_KNOWN_BEFORE = """
INSERT INTO directory_known
SELECT DISTINCT ON (asked.key) asked.key, i.employee_id
  FROM (SELECT manager_key AS key FROM directory_target WHERE manager_key <> ''
        UNION SELECT head_key FROM directory_department WHERE head_key <> '') asked
  JOIN company_outsideidentity i ON i.connection_id = %(connection)s AND lower(i.userid) = asked.key
  JOIN company_employee e ON e.id = i.employee_id AND e.is_active
 WHERE NOT EXISTS (SELECT 1 FROM directory_target t WHERE t.key = asked.key)
 ORDER BY asked.key, i.id
"""
_GONE = """
CREATE TEMP TABLE directory_gone ON COMMIT DROP AS
SELECT e.id AS employee_id, i.userid
  FROM company_outsideidentity i JOIN company_employee e ON e.id = i.employee_id
 WHERE i.connection_id = %(connection)s AND e.is_active AND e.entity_id = ANY(%(led)s)
   AND NOT EXISTS (SELECT 1 FROM directory_member m WHERE m.key = lower(i.userid) AND m.is_active)
   AND NOT EXISTS (SELECT 1 FROM directory_target t WHERE t.employee_id = e.id)
"""
_GONE_IN_PART = """
CREATE TEMP TABLE directory_gone ON COMMIT DROP AS
SELECT DISTINCT e.id AS employee_id, i.userid
  FROM directory_member m
  JOIN company_outsideidentity i ON i.connection_id = %(connection)s AND lower(i.userid) = m.key
  JOIN company_employee e ON e.id = i.employee_id
 WHERE NOT m.is_active AND e.is_active AND e.entity_id = ANY(%(led)s)
   AND NOT EXISTS (SELECT 1 FROM directory_member o WHERE o.key = m.key AND o.is_active)
   AND NOT EXISTS (SELECT 1 FROM directory_target t WHERE t.employee_id = e.id)
"""


def match(terms: Terms) -> None:
    """Fill the tables; `placing.place` comes first."""
    params = terms.params
    create("member", _MEMBER, params, "id", "key", "userid")
    create("firm", _FIRM, params, "id")
    create("loose", _LOOSE, params, "id", "claim", "unionid", "mobile_key")
    create("candidate", _CANDIDATE, params, "id")
    create("choice", _CHOICE, params, "id")
    create("person", _PERSON, params, "id", "employee_id", "claim", "wants_number", "mobile_key")
    for conflict in (_SAME_EMPLOYEE, _SAME_NUMBER, _NUMBER_TAKEN, _SAME_MOBILE):
        execute(conflict)
    create("target", _TARGET, params, "employee_id", "key")
    create("known", _KNOWN, params, "key")
    execute(_KNOWN_BEFORE, params)
    create("gone", _GONE if terms.is_full else _GONE_IN_PART, params, "employee_id")
