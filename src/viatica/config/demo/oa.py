"""The parent's OA in the demo: a simulated DingTalk that knows our people, and the connection to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from viatica.config.demo import plan
from viatica.config.demo.structure import Company
from viatica.connectors.dingtalk import standard
from viatica.offices.company.models import Employee, LegalEntity, OutsideIdentity
from viatica.spine.models import Connection

SLUG = "dingtalk"
FIRST_DEPARTMENT = 10  # 1 is DingTalk's own root

# The simulator's short names of its two templates.
TEMPLATES = {"expense_report": "expense", "travel_request": "travel"}


def organisation(company: Company) -> dict[str, Any]:
    """The parent as DingTalk's address book: departments with their heads, people with their managers."""
    numbers = {one.key: place for place, one in enumerate(_ours(), FIRST_DEPARTMENT)}
    logins = {person.pk: login for login, person in company.logins.items()}
    root = company.entities[plan.PARENT]
    departments = [
        {
            "dept_id": 1,
            "name": root.name,
            "parent_id": 0,
            "dept_manager_userid_list": [_login(company, "SH00")],
        }
    ]
    users = []
    for order, one in enumerate(_ours()):
        departments.append(
            {
                "dept_id": numbers[one.key],
                "name": one.name,
                "parent_id": numbers.get(one.parent, 1),
                "order": order,
                "dept_manager_userid_list": [_login(company, one.key)],
            }
        )
        for person in company.members[one.key]:
            users.append(_user(person, logins, numbers[one.key]))
    return {"departments": departments, "users": users}


def _ours() -> list[plan.DepartmentPlan]:
    return [one for one in plan.DEPARTMENTS if one.key.startswith(plan.PARENT)]


def _login(company: Company, key: str) -> str:
    return company.head(key).email.split("@")[0]


def _user(person: Employee, logins: Mapping[int, str], dept_id: int) -> dict[str, Any]:
    login = logins[person.pk]
    return {
        "userid": login,
        "name": person.name,
        "dept_id": dept_id,
        "unionid": f"union-{login}",
        "manager_userid": logins.get(person.manager_id or 0, ""),
        "mobile": person.mobile,
        "email": person.email,
        "org_email": person.email,
        "title": person.title,
        "job_number": person.number,
        "admin": login == "fangzhiyuan",
        "boss": login == "guanheping",
        "roles": ["财务负责人"] if login == "luzhengping" else [],
    }


def connect(company: Company, facts: Mapping[str, Any]) -> Connection:
    """From now on the parent approves in DingTalk. `facts` is what the simulator says of itself."""
    connection = Connection(slug=SLUG, kind="dingtalk", name="钉钉（演示）")
    point_at(connection, facts)
    connection.uses = list(standard.USES)
    connection.save()
    people = [person for one in _ours() for person in company.members[one.key]]
    numbers = {one.key: place for place, one in enumerate(_ours(), FIRST_DEPARTMENT)}
    by_department = {company.departments[key].pk: str(number) for key, number in numbers.items()}
    OutsideIdentity.objects.bulk_create(
        OutsideIdentity(
            employee=person,
            connection=connection,
            userid=person.email.split("@")[0],
            unionid=f"union-{person.email.split('@')[0]}",
            dept_id=by_department[person.department_id],
        )
        for person in people
    )
    LegalEntity.objects.filter(code=plan.PARENT).update(connection=connection)
    return connection


def point_at(connection: Connection, facts: Mapping[str, Any]) -> None:
    """Fill in where the simulator listens and what it accepts; the caller saves."""
    codes = {kind: facts["process_codes"][short] for kind, short in TEMPLATES.items()}
    connection.settings = {
        **standard.settings(
            process_codes=codes,
            base_url=facts["base_url"],
            oapi_base_url=facts["oapi_base_url"],
            login_url=facts["base_url"],
        ),
        "corp_id": facts["corp_id"],
        "agent_id": str(facts["agent_id"]),
        "robot_code": facts["robot_code"],
        # What a page inside the client asks for a code; the real one comes from DingTalk's own servers.
        "client_script": f"{facts['base_url']}/client/dingtalk.js",
    }
    connection.seal({name: facts[name] for name in ("app_key", "app_secret", "token", "aes_key")})


def write_organisation(company: Company, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(organisation(company), ensure_ascii=False, indent=1))
