"""The organisation: departments and people, with the indexes the address book needs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from simulators.stage.crowd import Room, Stranger, login_of, mobile_of
from simulators.stage.fields import Fields
from simulators.stage.org import Org, People

ROOT = 1
OF_CROWD = 500_000_000  # department ids of a crowd begin here
FINANCE_LEAD = "财务负责人"


@dataclass(slots=True)
class Department:
    dept_id: int
    name: str
    parent_id: int  # 0 for the root
    managers: list[str] = field(default_factory=list)
    order: int = 0
    code: str = ""
    source_identifier: str = ""


@dataclass(slots=True)
class User:
    userid: str
    name: str
    dept_ids: list[int]
    unionid: str = ""
    openid: str = ""
    manager_userid: str = ""
    mobile: str = ""
    email: str = ""
    org_email: str = ""
    title: str = ""
    job_number: str = ""
    work_place: str = ""
    remark: str = ""
    avatar: str = ""
    hired_date: int = 0  # ms
    extension: str = ""  # a JSON string
    active: bool = True
    admin: bool = False
    boss: bool = False
    roles: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Leaving:
    userid: str
    name: str
    mobile: str
    left_at: float  # seconds
    reason: str


@dataclass
class Company(Org[int, Department, User]):
    root: int = ROOT
    users: People[User] = field(default_factory=lambda: People(invented))
    left: list[Leaving] = field(default_factory=list)

    def room_key(self, number: int) -> int:
        return OF_CROWD + number

    def room_number(self, key: int) -> int | None:
        return key - OF_CROWD if key >= OF_CROWD else None

    def invent_room(self, room: Room) -> Department:
        parent = ROOT if room.parent is None else self.room_key(room.parent)
        heads = [] if room.head is None else [login_of(room.head)]
        return Department(self.room_key(room.number), room.name, parent, heads, order=room.number)

    def key_of(self, department: Department) -> int:
        return department.dept_id

    def parent_of(self, department: Department) -> int:
        return department.parent_id

    def rank_of(self, department: Department) -> tuple[int, int]:
        return department.order, department.dept_id

    def heads_of(self, department: Department) -> list[str]:
        return department.managers

    def id_of(self, user: User) -> str:
        return user.userid

    def rooms_of(self, user: User) -> Sequence[int]:
        return user.dept_ids

    def marks_of(self, user: User) -> Iterator[tuple[str, str]]:
        yield "unionid", user.unionid
        if user.mobile:
            yield "mobile", user.mobile

    def mark_number(self, kind: str, value: str) -> int | None:
        prefix = {"unionid": "union-p", "mobile": mobile_of(0)[:3]}[kind]
        number = value.removeprefix(prefix)
        return int(number) if value.startswith(prefix) and number.isascii() and number.isdigit() else None

    def document_of(self, user: User) -> dict[str, Any]:
        names = ("name", "unionid", "openid", "manager_userid", "mobile", "email", "org_email", "title")
        more = ("job_number", "work_place", "remark", "avatar", "hired_date", "extension", "active", "admin")
        known = {name: getattr(user, name) for name in (*names, *more, "boss", "roles")}
        return {**known, "dept_id_list": list(user.dept_ids)}

    def read_user(self, row: Fields) -> User:
        """`leader_in_dept` makes them manager of those departments."""
        user = read_user(row)
        for dept_id in user.dept_ids:
            if dept_id not in self.departments:
                raise ValueError(f"user {user.userid} is in department {dept_id}, which does not exist")
        for dept_id in read_leads(row):
            department = self.departments.get(dept_id)
            if department and user.userid not in department.managers:
                department.managers.append(user.userid)
        return user

    def department_document(self, department: Department) -> dict[str, Any]:
        return {
            "name": department.name,
            "parent_id": department.parent_id,
            "dept_manager_userid_list": list(department.managers),
            "order": department.order,
            "code": department.code,
            "source_identifier": department.source_identifier,
        }

    def read_department(self, row: Fields) -> Department:
        dept_id = row.number("dept_id")
        return Department(
            dept_id=dept_id,
            name=row.text("name"),
            parent_id=0 if dept_id == ROOT else row.number_or("parent_id", ROOT),
            managers=row.texts("dept_manager_userid_list"),
            order=row.number_or("order", 0),
            code=row.text_or("code"),
            source_identifier=row.text_or("source_identifier"),
        )

    def retitled(self, user: User, title: str) -> User:
        return replace(user, title=title)

    def moved(self, user: User, key: int) -> User:
        return replace(user, dept_ids=[key])

    def read(self, document: Mapping[str, Any]) -> Company:
        """{"departments": [{dept_id, name, parent_id, dept_manager_userid_list}], "users": [{userid, name, …}]}."""
        fields = Fields(document, ValueError)
        fresh = Company()
        for row in fields.rows("departments"):
            department = self.read_department(row)
            if department.dept_id in fresh.departments:
                raise ValueError(f"department {department.dept_id} appears twice")
            fresh.departments[department.dept_id] = department
        fresh.departments.setdefault(ROOT, Department(ROOT, "公司", 0))
        for department in fresh.departments.values():
            if department.dept_id != ROOT and department.parent_id not in fresh.departments:
                raise ValueError(f"department {department.dept_id} has no parent {department.parent_id}")
        for row in fields.rows("users"):
            user = fresh.read_user(row)
            if user.userid in fresh.users:
                raise ValueError(f"user {user.userid} appears twice")
            fresh.users.kept[user.userid] = user
        fresh.check_managers()
        if len({user.unionid for user in fresh.users.kept.values()}) != len(fresh.users):
            raise ValueError("two users share a unionid")
        return fresh

    def check_managers(self) -> None:
        for department in self.departments.values():
            for userid in department.managers:
                if userid not in self.users:
                    raise ValueError(
                        f"department {department.dept_id} is led by {userid}, who does not exist"
                    )

    def remember(self, user: User, reason: str) -> None:
        self.left.append(Leaving(user.userid, user.name, user.mobile, time.time(), reason))

    def user_by_unionid(self, unionid: str) -> User | None:
        return self.find_by("unionid", unionid)

    def leads(self, userid: str, dept_id: int) -> bool:
        department = self.departments.get(dept_id)
        return department is not None and userid in department.managers

    def name(self, userid: str) -> str:
        user = self.users.get(userid)
        return user.name if user else userid

    def holders(self, role: str) -> list[str]:
        return [user.userid for user in self.users.named() if role in user.roles]


def invented(stranger: Stranger) -> User:
    return User(
        userid=stranger.login,
        name=stranger.name,
        dept_ids=[OF_CROWD + stranger.room],
        unionid=f"union-{stranger.login}",
        openid=f"open-{stranger.login}",
        manager_userid="" if stranger.manager is None else login_of(stranger.manager),
        mobile=stranger.mobile,
        email=stranger.email,
        org_email=stranger.email,
        title=stranger.title,
        job_number=stranger.employee_number,
        hired_date=1_609_430_400_000,
    )


def read_user(row: Fields) -> User:
    userid = row.text("userid")
    dept_ids = row.values.get("dept_id_list") or [row.number_or("dept_id", ROOT)]
    if not isinstance(dept_ids, list) or not all(isinstance(item, int) for item in dept_ids):
        raise ValueError(f"user {userid}: dept_id_list must be a list of numbers")
    return User(
        userid=userid,
        name=row.text("name"),
        dept_ids=list(dept_ids),
        unionid=row.text_or("unionid") or _made_up("union", userid),
        openid=row.text_or("openid") or _made_up("open", userid),
        manager_userid=row.text_or("manager_userid"),
        mobile=row.text_or("mobile"),
        email=row.text_or("email"),
        org_email=row.text_or("org_email"),
        title=row.text_or("title"),
        job_number=row.text_or("job_number"),
        work_place=row.text_or("work_place"),
        remark=row.text_or("remark"),
        avatar=row.text_or("avatar"),
        hired_date=row.number_or("hired_date", 0),
        extension=row.text_or("extension"),
        active=row.flag_or("active", True),
        admin=row.flag_or("admin", False),
        boss=row.flag_or("boss", False),
        roles=row.texts("roles"),
    )


def read_leads(row: Fields) -> list[int]:
    return [entry.number("dept_id") for entry in row.rows("leader_in_dept") if entry.flag_or("leader", True)]


def _made_up(kind: str, userid: str) -> str:
    return sha256(f"{kind}:{userid}".encode()).hexdigest()[:22] + "iE"


DEFAULT: dict[str, Any] = {
    "departments": [
        {"dept_id": 1, "name": "行资演示公司", "parent_id": 0, "dept_manager_userid_list": ["zhoumingyuan"]},
        {"dept_id": 10, "name": "研发部", "parent_id": 1, "dept_manager_userid_list": ["lisiyuan"]},
        {"dept_id": 11, "name": "平台组", "parent_id": 10, "dept_manager_userid_list": ["wangkai"]},
        {"dept_id": 20, "name": "销售部", "parent_id": 1, "dept_manager_userid_list": ["chenjing"]},
        {"dept_id": 30, "name": "财务部", "parent_id": 1, "dept_manager_userid_list": ["sunhui"]},
        {"dept_id": 40, "name": "人力行政部", "parent_id": 1, "dept_manager_userid_list": ["zhaomin"]},
        {"dept_id": 50, "name": "市场部", "parent_id": 1, "dept_manager_userid_list": ["hetao"]},
    ],
    "users": [
        {
            "userid": "zhoumingyuan",
            "name": "周明远",
            "dept_id": 1,
            "title": "总经理",
            "boss": True,
            "admin": True,
        },
        {"userid": "lisiyuan", "name": "李思源", "dept_id": 10, "title": "研发总监"},
        {"userid": "wangkai", "name": "王凯", "dept_id": 11, "title": "平台组长"},
        {"userid": "zhangsan", "name": "张三", "dept_id": 11, "title": "工程师"},
        {"userid": "linxiao", "name": "林晓", "dept_id": 10, "title": "工程师"},
        {"userid": "chenjing", "name": "陈静", "dept_id": 20, "title": "销售总监"},
        {"userid": "wulei", "name": "吴磊", "dept_id": 20, "title": "客户经理"},
        {"userid": "sunhui", "name": "孙慧", "dept_id": 30, "title": "财务负责人", "roles": [FINANCE_LEAD]},
        {"userid": "qianwei", "name": "钱薇", "dept_id": 30, "title": "出纳"},
        {"userid": "zhaomin", "name": "赵敏", "dept_id": 40, "title": "人力行政经理"},
        {"userid": "hetao", "name": "何涛", "dept_id": 50, "title": "市场经理"},
        {"userid": "xujia", "name": "徐佳", "dept_id": 50, "title": "市场专员"},
    ],
}


def default_document() -> dict[str, Any]:
    """The built-in organisation, with the numbers and addresses nobody wants to write by hand."""
    users = []
    for place, user in enumerate(DEFAULT["users"], start=1):
        more = {
            "mobile": f"138000000{place:02d}",
            "org_email": f"{user['userid']}@demo.example.com",
            "email": f"{user['userid']}@demo.example.com",
            "job_number": f"E{place:04d}",
            "hired_date": 1_609_430_400_000 + place * 86_400_000,
        }
        users.append({**more, **user})
    return {"departments": DEFAULT["departments"], "users": users}
