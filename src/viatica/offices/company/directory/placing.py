"""Where departments over there stand here: `directory_department`, a temporary table of the open transaction.

A department is recognised by its id over there; on first sight by a name that only one department of its entity has,
then by its name below a parent already recognised. What is not recognised is new and gets its id at once, so that
people, heads and paths can refer to it before it is written.
"""

from __future__ import annotations

from viatica.offices.company.directory.errors import DepartmentWithoutEntity
from viatica.offices.company.directory.statements import create, execute, rows
from viatica.offices.company.directory.terms import Terms

_READ = """
CREATE TEMP TABLE directory_read ON COMMIT DROP AS
SELECT DISTINCT ON (s.outside_id) s.outside_id, s.parent_id, coalesce(nullif(s.name, ''), left(s.outside_id, 120)) AS name,
       lower(s.head_userid) AS head_key, s.is_gone, n.entity_id
  FROM company_stageddepartment s
  LEFT JOIN unnest(%(named)s::text[], %(named_entities)s::bigint[]) AS n (outside_id, entity_id) USING (outside_id)
 WHERE s.run_id = %(run)s ORDER BY s.outside_id, s.id DESC
"""
# Parents first. One whose parent cannot be seen stands at the top, and so does a ring, which no top leads to.
_TREE = """
CREATE TEMP TABLE directory_department ON COMMIT DROP AS
WITH RECURSIVE tree AS (
    SELECT h.outside_id, 0 AS depth, coalesce(h.entity_id, above.entity_id, %(default)s::bigint) AS entity_id,
           above.id AS parent_here
      FROM directory_read h
      LEFT JOIN company_departmentidentity link
        ON link.connection_id = %(connection)s AND link.outside_id = h.parent_id AND NOT %(is_full)s
      LEFT JOIN company_department above ON above.id = link.department_id
     WHERE NOT h.is_gone
       AND NOT EXISTS (SELECT 1 FROM directory_read p WHERE p.outside_id = h.parent_id AND NOT p.is_gone)
    UNION ALL
    SELECT h.outside_id, t.depth + 1, coalesce(h.entity_id, t.entity_id), NULL::bigint
      FROM tree t JOIN directory_read h ON h.parent_id = t.outside_id AND NOT h.is_gone
)
SELECT r.outside_id, CASE WHEN t.depth > 0 THEN r.parent_id ELSE '' END AS parent_outside, r.name, r.head_key, r.is_gone,
       coalesce(t.depth, 0) AS depth,
       CASE WHEN t.outside_id IS NULL THEN coalesce(r.entity_id, %(default)s::bigint) ELSE t.entity_id END AS entity_id,
       link.department_id, t.parent_here AS parent_id, false AS is_new, NULL::bigint AS head_id, NULL::text AS path
  FROM directory_read r
  LEFT JOIN tree t USING (outside_id)
  LEFT JOIN company_departmentidentity link ON link.connection_id = %(connection)s AND link.outside_id = r.outside_id
"""
_WITHOUT_ENTITY = """
SELECT outside_id, name FROM directory_department
 WHERE entity_id IS NULL AND NOT is_gone ORDER BY depth, outside_id LIMIT 1
"""
_DEEPEST_UNKNOWN = "SELECT max(depth) FROM directory_department WHERE department_id IS NULL AND NOT is_gone"
# Departments of ours that nobody over there is yet.
_FREE = """
SELECT c.id, c.name, c.entity_id, c.parent_id FROM company_department c
 WHERE c.is_active AND c.entity_id = ANY(%(led)s)
   AND NOT EXISTS (SELECT 1 FROM company_departmentidentity i
                    WHERE i.connection_id = %(connection)s AND i.department_id = c.id)
   AND NOT EXISTS (SELECT 1 FROM directory_department d WHERE d.department_id = c.id)
"""
_BY_NAME = f"""
UPDATE directory_department d SET department_id = ours.id
  FROM (SELECT name, entity_id, min(id) AS id FROM ({_FREE}) free GROUP BY name, entity_id HAVING count(*) = 1) ours
  JOIN (SELECT name, entity_id FROM directory_department
         WHERE department_id IS NULL AND NOT is_gone GROUP BY name, entity_id HAVING count(*) = 1) theirs
       USING (name, entity_id)
 WHERE d.department_id IS NULL AND NOT d.is_gone AND d.name = ours.name AND d.entity_id = ours.entity_id
"""
_BY_PARENT = f"""
UPDATE directory_department d SET department_id = fit.id
  FROM (SELECT DISTINCT ON (id) id, outside_id
          FROM (SELECT min(free.id) AS id, t.outside_id
                  FROM directory_department t
                  JOIN directory_department p ON p.outside_id = t.parent_outside
                  JOIN ({_FREE}) free ON free.parent_id = p.department_id AND free.name = t.name
                 WHERE t.depth = %(depth)s AND t.department_id IS NULL AND NOT t.is_gone
                 GROUP BY t.outside_id) one
         ORDER BY id, outside_id) fit
 WHERE d.outside_id = fit.outside_id
"""
_NEW = """
UPDATE directory_department
   SET department_id = nextval(pg_get_serial_sequence('company_department', 'id')), is_new = true
 WHERE department_id IS NULL AND NOT is_gone AND entity_id = ANY(%(led)s)
"""
_PARENTS = """
UPDATE directory_department d SET parent_id = p.department_id
  FROM directory_department p WHERE p.outside_id = d.parent_outside AND d.parent_outside <> ''
"""
# Of the whole tree as it will be, the departments nobody over there knows among them.
_PATHS = """
CREATE TEMP TABLE directory_path ON COMMIT DROP AS
WITH RECURSIVE node AS (
    SELECT department_id AS id, parent_id FROM directory_department
     WHERE department_id IS NOT NULL AND NOT is_gone AND entity_id = ANY(%(led)s)
    UNION ALL
    SELECT c.id, c.parent_id FROM company_department c
     WHERE EXISTS (SELECT 1 FROM directory_department)
       AND NOT EXISTS (SELECT 1 FROM directory_department d
                        WHERE d.department_id = c.id AND NOT d.is_gone AND d.entity_id = ANY(%(led)s))
), tree AS (
    SELECT id, '/' || id || '/' AS path FROM node WHERE parent_id IS NULL
    UNION ALL
    SELECT n.id, t.path || n.id || '/' FROM tree t JOIN node n ON n.parent_id = t.id
)
SELECT id, path FROM tree
"""
_SET_PATHS = (
    "UPDATE directory_department d SET path = p.path FROM directory_path p WHERE p.id = d.department_id"
)

# Where somebody in a department over there is here. A part knows what earlier runs linked, as far as it is asked for.
_PLACES = """
CREATE TEMP TABLE directory_place ON COMMIT DROP AS
SELECT d.outside_id, d.department_id, d.entity_id, d.name, length(coalesce(d.path, '')) AS depth
  FROM directory_department d
 WHERE d.department_id IS NOT NULL AND NOT d.is_gone AND d.entity_id = ANY(%(led)s)
UNION ALL
SELECT link.outside_id, c.id, c.entity_id, c.name, length(c.path)
  FROM company_departmentidentity link JOIN company_department c ON c.id = link.department_id
 WHERE NOT %(is_full)s AND link.connection_id = %(connection)s AND c.is_active AND c.entity_id = ANY(%(led)s)
   AND NOT EXISTS (SELECT 1 FROM directory_department d WHERE d.outside_id = link.outside_id)
   AND (c.parent_id IS NULL
        OR link.outside_id IN (SELECT unnest(department_ids) FROM company_stagedmember WHERE run_id = %(run)s))
"""


def place(terms: Terms) -> None:
    """Fill `directory_department`, `directory_path` and `directory_place`. Raises DepartmentWithoutEntity."""
    create("read", _READ, terms.params, "outside_id", "parent_id")
    create("department", _TREE, terms.params, "outside_id", "department_id")
    if terms.led:
        _refuse_homeless()
        _recognise(terms)
    create("path", _PATHS, terms.params, "id")
    execute(_SET_PATHS)
    create("place", _PLACES, terms.params, "outside_id", "department_id")


def _refuse_homeless() -> None:
    for outside_id, name in rows(_WITHOUT_ENTITY):
        raise DepartmentWithoutEntity(id=outside_id, name=name)


def _recognise(terms: Terms) -> None:
    ((deepest,),) = rows(_DEEPEST_UNKNOWN)
    if deepest is not None:
        execute(_BY_NAME, terms.params)
        for depth in range(1, deepest + 1):
            execute(_BY_PARENT, {**terms.params, "depth": depth})
        execute(_NEW, terms.params)
    execute(_PARENTS)
