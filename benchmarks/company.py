"""A company to measure with: 50 departments with budgets, any number of people, one manager each. Made by SQL."""

from __future__ import annotations

import psycopg

from viatica.offices.access.queries import digest

DEPARTMENTS = 50

_PEOPLE = """
INSERT INTO company_legalentity (code, name, tax_id, currency, bank_name, bank_account)
VALUES ('BENCH', '压测科技有限公司', '91310115MA1K4XY72B', 'CNY', '招商银行', '1219');
INSERT INTO company_grade (code, name, rank) VALUES ('P6', '专员', 6), ('M4', '总监', 14);
INSERT INTO company_city (name, tier, adcode) VALUES ('南京', 't2', '320100'), ('北京', 't1', '110000');
INSERT INTO company_costcenter (code, name, is_active)
SELECT 'CC' || n, '成本中心' || n, true FROM generate_series(1, {departments}) n;
INSERT INTO company_department (id, name, entity_id, parent_id, path, cost_center_id, is_active)
SELECT n, '部门' || n, e.id, CASE WHEN n > 1 THEN 1 END, CASE WHEN n > 1 THEN '/1/' || n || '/' ELSE '/1/' END,
       (SELECT id FROM company_costcenter WHERE code = 'CC' || n), true
  FROM generate_series(1, {departments}) n, company_legalentity e;
SELECT setval(pg_get_serial_sequence('company_department', 'id'), {departments});
INSERT INTO company_employee (id, number, name, entity_id, department_id, grade_id, manager_id, title, mobile, email,
                              bank_name, bank_account, is_active)
SELECT n, 'E' || n, '员工' || n, e.id, (n - 1) %% {departments} + 1, g.id,
       CASE WHEN n > {departments} THEN (n - 1) %% {departments} + 1 WHEN n > 1 THEN 1 END,
       '职员', '', '', '招商银行', '6200' || n, true
  FROM generate_series(1, {people}) n, company_legalentity e, company_grade g
 WHERE g.code = CASE WHEN n <= {departments} THEN 'M4' ELSE 'P6' END;
SELECT setval(pg_get_serial_sequence('company_employee', 'id'), {people});
UPDATE company_department SET head_id = id;
INSERT INTO access_user (id, password, last_login, username, language, is_active, employee_id)
SELECT id, '!', NULL, 'e' || id, '', true, id FROM company_employee;
SELECT setval(pg_get_serial_sequence('access_user', 'id'), {people});
INSERT INTO budget_budget (name, entity_id, department_id, category, start, "end", amount, currency, control, reserved,
                           consumed)
SELECT d.name || ' 年度', d.entity_id, d.id, '', date_trunc('year', now() - interval '1 year')::date,
       date_trunc('year', now() + interval '2 years')::date, 1000000000000, 'CNY', 'hard', 0, 0
  FROM company_department d;
"""


def make(url: str, *, people: int) -> None:
    """Employees 1 to DEPARTMENTS head a department each; the others report to them."""
    with psycopg.connect(url, application_name="bench") as line:
        for statement in (
            _PEOPLE.format(departments=DEPARTMENTS, people=people).replace("%%", "%").split(";\n")
        ):
            if statement.strip():
                line.execute(statement)


def tokens(url: str, employees: list[int]) -> dict[int, str]:
    """API tokens, one for each employee."""
    made = {number: f"via_bench_{number}" for number in employees}
    with psycopg.connect(url, application_name="bench") as line, line.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO access_apitoken (user_id, name, digest, created_at) VALUES (%s, 'bench', %s, now())"
            " ON CONFLICT (digest) DO NOTHING",
            [(number, digest(token)) for number, token in made.items()],
        )
    return made
