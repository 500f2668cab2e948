"""What a run would change: the difference between what was read and what we have, set by set.

`directory_department_change` and `directory_change` hold the rows that would be written; their lines are kept as
DirectoryDifference, so that the run can be read page by page now and long after.
"""

from __future__ import annotations

from typing import Any

from viatica.offices.company.directory.statements import create, execute, rows
from viatica.offices.company.directory.terms import Terms

_HEADS = """
UPDATE directory_department d SET head_id = k.employee_id FROM directory_known k WHERE k.key = d.head_key
"""
# Whatever the product does not say stays as it is; so does a head or a manager we cannot recognise.
_DEPARTMENT_CHANGE = """
CREATE TEMP TABLE directory_department_change ON COMMIT DROP AS
SELECT d.outside_id, d.department_id, d.name, d.parent_id, d.entity_id, d.head_id, d.path, c.name AS old_name,
       c.parent_id AS old_parent_id, c.entity_id AS old_entity_id, c.head_id AS old_head_id, c.is_active AS was_active
  FROM (SELECT outside_id, department_id, name, parent_id, entity_id, path, head_key,
               head_id AS known_head_id
          FROM directory_department WHERE NOT is_gone AND NOT is_new AND entity_id = ANY(%(led)s)) n
  JOIN company_department c ON c.id = n.department_id
 CROSS JOIN LATERAL (SELECT n.outside_id, n.department_id, n.name, n.parent_id, n.entity_id, n.path,
                            CASE WHEN n.known_head_id IS NOT NULL THEN n.known_head_id
                                 WHEN n.head_key = '' AND %(says_heads)s THEN NULL ELSE c.head_id END AS head_id) d
 WHERE (c.name, c.parent_id, c.entity_id, c.head_id, c.is_active)
       IS DISTINCT FROM (d.name, d.parent_id, d.entity_id, d.head_id, true)
"""
_DEPARTMENT_GONE = """
CREATE TEMP TABLE directory_department_gone ON COMMIT DROP AS
SELECT c.id AS department_id, link.outside_id, c.name
  FROM company_departmentidentity link JOIN company_department c ON c.id = link.department_id
 WHERE link.connection_id = %(connection)s AND c.is_active AND c.entity_id = ANY(%(led)s)
   AND NOT EXISTS (SELECT 1 FROM directory_department d WHERE d.outside_id = link.outside_id AND NOT d.is_gone)
   AND (%(is_full)s OR link.outside_id IN (SELECT outside_id FROM directory_department WHERE is_gone))
"""
_CHANGE = """
CREATE TEMP TABLE directory_change ON COMMIT DROP AS
SELECT t.id, t.userid, t.employee_id, n.*, e.number AS old_number, e.name AS old_name, e.title AS old_title,
       e.mobile AS old_mobile, e.email AS old_email, e.department_id AS old_department_id, e.entity_id AS old_entity_id,
       e.manager_id AS old_manager_id, e.is_active AS was_active
  FROM directory_target t
  JOIN company_employee e ON e.id = t.employee_id
  LEFT JOIN directory_known m ON m.key = t.manager_key AND t.manager_key <> ''
 CROSS JOIN LATERAL (SELECT
       t.number, CASE WHEN t.is_named THEN t.name ELSE e.name END AS name,
       coalesce(nullif(t.title, ''), e.title) AS title,
       CASE WHEN t.mobile IN ('', e.mobile) OR t.mobile_key = company_mobile(e.mobile) THEN e.mobile ELSE t.mobile END AS mobile,
       coalesce(nullif(t.email, ''), e.email) AS email,
       coalesce(t.department_id, e.department_id) AS department_id, coalesce(t.entity_id, e.entity_id) AS entity_id,
       CASE WHEN m.employee_id = t.employee_id THEN NULL WHEN m.employee_id IS NOT NULL THEN m.employee_id
            WHEN t.manager_key = '' AND %(says_managers)s THEN NULL ELSE e.manager_id END AS manager_id) n
 WHERE t.is_led
   AND (e.number, e.name, e.title, e.mobile, e.email, e.department_id, e.entity_id, e.manager_id, e.is_active)
       IS DISTINCT FROM (n.number, n.name, n.title, n.mobile, n.email, n.department_id, n.entity_id, n.manager_id, true)
"""
# An identity of ours that the merge makes, or whose userid it puts right.
_LINK = """
CREATE TEMP TABLE directory_link ON COMMIT DROP AS
SELECT t.employee_id, t.userid, t.unionid, coalesce(t.department_ids[1], '') AS dept_id, t.is_new, t.id, t.name,
       i.id AS identity_id, coalesce(i.userid, '') AS old_userid
  FROM directory_target t
  LEFT JOIN company_outsideidentity i ON i.connection_id = %(connection)s AND i.employee_id = t.employee_id
 WHERE i.id IS NULL OR i.userid <> t.userid OR i.dept_id <> left(coalesce(t.department_ids[1], ''), 64)
    OR i.unionid <> coalesce(nullif(t.unionid, ''), i.unionid)
"""
_FORGET = "DELETE FROM company_directorydifference WHERE run_id = %(run)s"
_DEPARTMENT_LINES = """
INSERT INTO company_directorydifference (run_id, subject, kind, outside_id, name, place, changes)
SELECT %(run)s, 'department', kind, outside_id, name, '', changes FROM (
SELECT 'added' AS kind, d.outside_id, d.name, '{}'::jsonb AS changes, d.depth FROM directory_department d WHERE d.is_new
UNION ALL
SELECT CASE WHEN NOT c.was_active THEN 'back'
            WHEN (c.parent_id, c.entity_id) IS DISTINCT FROM (c.old_parent_id, c.old_entity_id) THEN 'moved'
            WHEN c.name <> c.old_name THEN 'renamed' ELSE 'changed' END,
       c.outside_id, c.name, jsonb_strip_nulls(jsonb_build_object(
           'name', CASE WHEN c.name <> c.old_name THEN jsonb_build_array(c.old_name, c.name) END,
           'parent', CASE WHEN c.parent_id IS DISTINCT FROM c.old_parent_id
                          THEN jsonb_build_array(coalesce(was.name, ''), coalesce(now.name, fresh.name, '')) END,
           'entity', CASE WHEN c.entity_id <> c.old_entity_id THEN jsonb_build_array(before.code, after.code) END,
           'head', CASE WHEN c.head_id IS DISTINCT FROM c.old_head_id
                        THEN jsonb_build_array(coalesce(led.name, ''), coalesce(leads.name, comes.name, '')) END)), 0
  FROM directory_department_change c
  LEFT JOIN company_department was ON was.id = c.old_parent_id
  LEFT JOIN company_department now ON now.id = c.parent_id
  LEFT JOIN directory_department fresh ON fresh.department_id = c.parent_id
  JOIN company_legalentity before ON before.id = c.old_entity_id
  JOIN company_legalentity after ON after.id = c.entity_id
  LEFT JOIN company_employee led ON led.id = c.old_head_id
  LEFT JOIN company_employee leads ON leads.id = c.head_id
  LEFT JOIN directory_target comes ON comes.employee_id = c.head_id
UNION ALL
SELECT 'gone', outside_id, name, '{}', 0 FROM directory_department_gone
UNION ALL
SELECT 'linked', d.outside_id, d.name, '{}', d.depth
  FROM directory_department d
 WHERE d.department_id IS NOT NULL AND NOT d.is_new AND NOT d.is_gone
   AND NOT EXISTS (SELECT 1 FROM company_departmentidentity i
                    WHERE i.connection_id = %(connection)s AND i.outside_id = d.outside_id)
) line ORDER BY depth, outside_id
"""
# In the order the directory tells them.
_PEOPLE_LINES = """
INSERT INTO company_directorydifference (run_id, subject, kind, outside_id, name, place, changes)
SELECT %(run)s, 'person', kind, outside_id, name, place, changes FROM (
SELECT 'added' AS kind, t.userid AS outside_id, t.name, d.name AS place, '{}'::jsonb AS changes, t.id
  FROM directory_target t JOIN LATERAL (
       SELECT name FROM directory_place p WHERE p.department_id = t.department_id LIMIT 1) d ON true
 WHERE t.is_new
UNION ALL
SELECT CASE WHEN NOT c.was_active THEN 'back'
            WHEN (c.department_id, c.entity_id) <> (c.old_department_id, c.old_entity_id) THEN 'moved' ELSE 'changed' END,
       c.userid, c.name, coalesce(goes.name, fresh.name, ''), jsonb_strip_nulls(jsonb_build_object(
           'number', CASE WHEN c.number <> c.old_number THEN jsonb_build_array(c.old_number, c.number) END,
           'name', CASE WHEN c.name <> c.old_name THEN jsonb_build_array(c.old_name, c.name) END,
           'title', CASE WHEN c.title <> c.old_title THEN jsonb_build_array(c.old_title, c.title) END,
           'mobile', CASE WHEN c.mobile <> c.old_mobile THEN jsonb_build_array(c.old_mobile, c.mobile) END,
           'email', CASE WHEN c.email <> c.old_email THEN jsonb_build_array(c.old_email, c.email) END,
           'department', CASE WHEN c.department_id <> c.old_department_id
                              THEN jsonb_build_array(was.name, coalesce(goes.name, fresh.name, '')) END,
           'entity', CASE WHEN c.entity_id <> c.old_entity_id THEN jsonb_build_array(before.code, after.code) END,
           'manager', CASE WHEN c.manager_id IS DISTINCT FROM c.old_manager_id
                           THEN jsonb_build_array(coalesce(managed.name, ''), coalesce(manages.name, comes.name, '')) END)), c.id
  FROM directory_change c
  JOIN company_department was ON was.id = c.old_department_id
  LEFT JOIN company_department goes ON goes.id = c.department_id
  LEFT JOIN directory_department fresh ON fresh.department_id = c.department_id
  JOIN company_legalentity before ON before.id = c.old_entity_id
  JOIN company_legalentity after ON after.id = c.entity_id
  LEFT JOIN company_employee managed ON managed.id = c.old_manager_id
  LEFT JOIN company_employee manages ON manages.id = c.manager_id
  LEFT JOIN directory_target comes ON comes.employee_id = c.manager_id
UNION ALL
SELECT 'gone', g.userid, e.name, d.name, '{}', e.id
  FROM directory_gone g JOIN company_employee e ON e.id = g.employee_id JOIN company_department d ON d.id = e.department_id
UNION ALL
SELECT 'linked', l.userid, e.name, d.name, jsonb_build_object('userid', jsonb_build_array(l.old_userid, l.userid)), l.id
  FROM directory_link l JOIN company_employee e ON e.id = l.employee_id JOIN company_department d ON d.id = e.department_id
 WHERE NOT l.is_new AND l.old_userid <> l.userid
) line ORDER BY id
"""
_COUNTS = """
SELECT subject, kind, count(*) FROM company_directorydifference WHERE run_id = %(run)s GROUP BY subject, kind
"""
_MORE = """
SELECT (SELECT count(*) FROM directory_person WHERE reason IS NOT NULL),
       (SELECT count(*) FROM directory_person WHERE reason IS NULL AND employee_id IS NULL AND NOT is_led),
       (SELECT count(*) FROM directory_member WHERE verdict = 'out'),
       (SELECT count(*) FROM directory_member WHERE manager_key <> ''),
       (SELECT count(*) FROM directory_department WHERE head_key <> '')
"""


def differ(terms: Terms) -> dict[str, Any]:
    """Fill the tables and keep the lines. Counts: {"person": {"added": 3, …}, "department": {…}, "conflicts": …}.

    `elsewhere`: members of entities led by others whom nobody here fits; `second`: accounts left alone; `managers` and
    `heads`: how many are named.
    """
    params = terms.params
    execute(_HEADS)
    create("department_change", _DEPARTMENT_CHANGE, params, "department_id")
    create("department_gone", _DEPARTMENT_GONE, params, "department_id")
    create("change", _CHANGE, params, "employee_id")
    create("link", _LINK, params, "employee_id")
    execute(_FORGET, params)
    execute(_DEPARTMENT_LINES, params)
    execute(_PEOPLE_LINES, params)
    return _count(terms)


def _count(terms: Terms) -> dict[str, Any]:
    counts: dict[str, Any] = {"person": {}, "department": {}}
    for subject, kind, number in rows(_COUNTS, terms.params):
        counts[subject][kind] = number
    names = ("conflicts", "elsewhere", "second", "managers", "heads")
    return counts | dict(zip(names, rows(_MORE)[0], strict=True))
