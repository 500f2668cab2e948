"""The merge: what `differing` found, written set by set. Nobody is deleted; who is gone is not active any more."""

from __future__ import annotations

from datetime import datetime

from viatica.offices.company import hearing
from viatica.offices.company.directory.statements import execute, rows
from viatica.offices.company.directory.terms import Terms

_NEW_DEPARTMENTS = """
INSERT INTO company_department (id, name, entity_id, parent_id, path, head_id, is_active)
SELECT department_id, name, entity_id, parent_id, coalesce(path, '/' || department_id || '/'), head_id, true
  FROM directory_department WHERE is_new ORDER BY depth, department_id
"""
_NEW_PEOPLE = """
INSERT INTO company_employee (id, number, name, entity_id, department_id, grade_id, manager_id, title, mobile, email,
                              bank_name, bank_account, is_active)
SELECT t.employee_id, t.number, t.name, t.entity_id, t.department_id, %(grade)s, nullif(m.employee_id, t.employee_id), t.title,
       t.mobile, t.email, '', '', true
  FROM directory_target t LEFT JOIN directory_known m ON m.key = t.manager_key AND t.manager_key <> ''
 WHERE t.is_new
"""
_CHANGED_PEOPLE = """
UPDATE company_employee e
   SET number = c.number, name = c.name, title = c.title, mobile = c.mobile, email = c.email, is_active = true,
       department_id = c.department_id, entity_id = c.entity_id, manager_id = c.manager_id
  FROM directory_change c WHERE e.id = c.employee_id
"""
_GONE_PEOPLE = """
UPDATE company_employee e SET is_active = false FROM directory_gone g WHERE e.id = g.employee_id AND e.is_active
RETURNING e.id
"""
# Together with the paths of all that stands below a department that moved.
_CHANGED_DEPARTMENTS = """
UPDATE company_department d
   SET name = n.name, parent_id = n.parent_id, entity_id = n.entity_id, head_id = n.head_id, is_active = n.is_active,
       path = n.path
  FROM (SELECT d.id, coalesce(c.name, d.name) AS name,
               CASE WHEN c.department_id IS NULL THEN d.parent_id ELSE c.parent_id END AS parent_id,
               coalesce(c.entity_id, d.entity_id) AS entity_id,
               CASE WHEN c.department_id IS NULL THEN d.head_id ELSE c.head_id END AS head_id,
               CASE WHEN g.department_id IS NOT NULL THEN false ELSE d.is_active OR c.department_id IS NOT NULL END AS is_active,
               coalesce(p.path, d.path) AS path
          FROM company_department d
          LEFT JOIN directory_department_change c ON c.department_id = d.id
          LEFT JOIN directory_department_gone g ON g.department_id = d.id
          LEFT JOIN directory_path p ON p.id = d.id
         WHERE c.department_id IS NOT NULL OR g.department_id IS NOT NULL OR p.path <> d.path) n
 WHERE d.id = n.id
"""
_DEPARTMENT_LINKS = """
INSERT INTO company_departmentidentity (department_id, connection_id, outside_id)
SELECT d.department_id, %(connection)s, d.outside_id
  FROM directory_department d
 WHERE d.department_id IS NOT NULL AND NOT d.is_gone AND d.entity_id = ANY(%(led)s)
   AND NOT EXISTS (SELECT 1 FROM company_departmentidentity i
                    WHERE i.connection_id = %(connection)s AND i.outside_id = d.outside_id)
"""
# A userid that goes from one person to another leaves the first before it comes to the second.
_FREED_LINKS = """
DELETE FROM company_outsideidentity i USING directory_link l
 WHERE i.connection_id = %(connection)s AND i.userid = l.userid AND i.employee_id <> l.employee_id
"""
_CHANGED_LINKS = """
UPDATE company_outsideidentity i
   SET userid = l.userid, dept_id = left(l.dept_id, 64), unionid = coalesce(nullif(l.unionid, ''), i.unionid)
  FROM directory_link l WHERE i.id = l.identity_id
"""
_NEW_LINKS = """
INSERT INTO company_outsideidentity (employee_id, connection_id, userid, unionid, dept_id)
SELECT employee_id, %(connection)s, userid, unionid, left(dept_id, 64)
  FROM directory_link l
 WHERE NOT EXISTS (SELECT 1 FROM company_outsideidentity i
                    WHERE i.connection_id = %(connection)s AND i.employee_id = l.employee_id)
"""


def merge(terms: Terms, at: datetime) -> None:
    """Write it all. Who must know that somebody left is told at the end, in the same transaction."""
    execute(_NEW_DEPARTMENTS)
    execute(_NEW_PEOPLE, terms.params)
    execute(_CHANGED_PEOPLE)
    execute(_CHANGED_DEPARTMENTS)
    execute(_DEPARTMENT_LINKS, terms.params)
    execute(_FREED_LINKS, terms.params)
    execute(_CHANGED_LINKS)
    execute(_NEW_LINKS, terms.params)
    hearing.left([employee_id for (employee_id,) in rows(_GONE_PEOPLE)], at)
