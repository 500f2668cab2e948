"""The tenant: departments and people, with the indexes the directory needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from simulators.stage.crowd import Room, Stranger, login_of, mobile_of
from simulators.stage.fields import Fields
from simulators.stage.org import Org, People

ROOT = "0"
FINANCE_LEAD = "财务负责人"


@dataclass(slots=True)
class Department:
    department_id: str
    name: str
    parent_id: str = ROOT
    open_id: str = ""
    leaders: list[str] = field(default_factory=list)  # user_ids, the main one first
    order: int = 0


@dataclass(slots=True)
class User:
    user_id: str
    name: str
    department_ids: list[str]
    open_id: str = ""
    union_id: str = ""
    en_name: str = ""
    mobile: str = ""  # with the country: +86…
    email: str = ""
    enterprise_email: str = ""
    employee_no: str = ""
    employee_type: int = 1
    job_title: str = ""
    leader_user_id: str = ""
    city: str = ""
    join_time: int = 0  # seconds
    is_activated: bool = True
    is_frozen: bool = False
    is_tenant_manager: bool = False
    roles: list[str] = field(default_factory=list)

    @property
    def is_active(self) -> bool:
        return self.is_activated and not self.is_frozen


@dataclass
class Company(Org[str, Department, User]):
    root: str = ROOT  # which has no record of its own
    users: People[User] = field(default_factory=lambda: People(invented))
    name: str = ""
    left: dict[str, User] = field(default_factory=dict)
    by_open_department: dict[str, str] = field(default_factory=dict)

    def room_key(self, number: int) -> str:
        return f"B{number:06d}"

    def room_number(self, key: str) -> int | None:
        return int(key[1:]) if key.startswith("B") and key[1:].isdigit() else None

    def invent_room(self, room: Room) -> Department:
        key = self.room_key(room.number)
        parent = ROOT if room.parent is None else self.room_key(room.parent)
        heads = [] if room.head is None else [login_of(room.head)]
        return Department(key, room.name, parent, made_up("od-", key), heads, order=room.number + 1000)

    def key_of(self, department: Department) -> str:
        return department.department_id

    def parent_of(self, department: Department) -> str:
        return department.parent_id

    def rank_of(self, department: Department) -> tuple[int, str]:
        return department.order, department.department_id

    def heads_of(self, department: Department) -> list[str]:
        return department.leaders

    def id_of(self, user: User) -> str:
        return user.user_id

    def rooms_of(self, user: User) -> Sequence[str]:
        return user.department_ids

    def marks_of(self, user: User) -> Iterator[tuple[str, str]]:
        yield "open_id", user.open_id
        yield "union_id", user.union_id
        if user.mobile:
            yield "mobile", user.mobile
        if user.email:
            yield "email", user.email

    def mark_number(self, kind: str, value: str) -> int | None:
        prefix, suffix = {
            "open_id": ("ou_crowd", ""),
            "union_id": ("on_crowd", ""),
            "mobile": (f"+86{mobile_of(0)[:3]}", ""),
            "email": ("p", "@crowd.example.com"),
        }[kind]
        if not (value.startswith(prefix) and value.endswith(suffix)):
            return None
        number = value.removeprefix(prefix).removesuffix(suffix)
        return int(number) if number.isascii() and number.isdigit() else None

    def document_of(self, user: User) -> dict[str, Any]:
        names = ("name", "open_id", "union_id", "en_name", "mobile", "email", "enterprise_email")
        more = ("employee_no", "employee_type", "job_title", "leader_user_id", "city", "join_time")
        flags = ("is_activated", "is_frozen", "is_tenant_manager", "roles", "department_ids")
        return {name: getattr(user, name) for name in (*names, *more, *flags)}

    def read_user(self, row: Fields) -> User:
        user = read_user(row)
        for department_id in user.department_ids:
            if not self.is_department(department_id):
                raise ValueError(
                    f"user {user.user_id} is in department {department_id}, which does not exist"
                )
        return user

    def department_document(self, department: Department) -> dict[str, Any]:
        return {
            "name": department.name,
            "parent_department_id": department.parent_id,
            "open_department_id": department.open_id,
            "leaders": list(department.leaders),
            "order": department.order,
        }

    def read_department(self, row: Fields) -> Department:
        department_id = row.text("department_id")
        return Department(
            department_id=department_id,
            name=row.text("name"),
            parent_id=row.text_or("parent_department_id", ROOT),
            open_id=row.text_or("open_department_id") or made_up("od-", department_id),
            leaders=row.texts("leaders"),
            order=row.number_or("order", 0),
        )

    def retitled(self, user: User, title: str) -> User:
        return replace(user, job_title=title)

    def moved(self, user: User, key: str) -> User:
        return replace(user, department_ids=[key])

    def read(self, document: Mapping[str, Any]) -> Company:
        """{"name", "departments": [{department_id, name, parent_department_id, leaders}], "users": [{user_id, …}]}."""
        fields = Fields(document, ValueError)
        fresh = Company(name=fields.text_or("name", "公司"))
        for row in fields.rows("departments"):
            department = self.read_department(row)
            if fresh.is_department(department.department_id):
                raise ValueError(f"department {department.department_id} appears twice")
            fresh.departments[department.department_id] = department
        for department in fresh.departments.values():
            if not fresh.is_department(department.parent_id):
                raise ValueError(
                    f"department {department.department_id} has no parent {department.parent_id}"
                )
        for row in fields.rows("users"):
            user = fresh.read_user(row)
            if user.user_id in fresh.users:
                raise ValueError(f"user {user.user_id} appears twice")
            fresh.users.kept[user.user_id] = user
        fresh.check_leaders()
        people = fresh.users.kept.values()
        if any(len({mark(user) for user in people}) != len(people) for mark in (open_id, union_id)):
            raise ValueError("two users share an open_id or union_id")
        return fresh

    def check_leaders(self) -> None:
        for department in self.departments.values():
            for leader in department.leaders:
                if leader not in self.users:
                    raise ValueError(
                        f"department {department.department_id} is led by {leader}, who does not exist"
                    )

    def load(self, document: Mapping[str, Any]) -> None:
        super().load(document)
        self.name = Fields(document, ValueError).text_or("name", "公司")

    def _index_departments(self) -> None:
        super()._index_departments()
        self.by_open_department = {row.open_id: row.department_id for row in self.departments.values()}

    def put_user(self, user: User) -> User | None:
        self.left.pop(user.user_id, None)
        return super().put_user(user)

    def remember(self, user: User, reason: str) -> None:
        self.left[user.user_id] = user

    def find_user(self, given: str, id_type: str) -> User | None:
        return self.users.get(given) if id_type == "user_id" else self.find_by(id_type, given)

    def find_left(self, given: str, id_type: str) -> User | None:
        return next((user for user in self.left.values() if id_of(user, id_type) == given), None)

    def find_department(self, given: str, id_type: str) -> Department | None:
        if id_type == "department_id":
            return self.departments.get(given)
        return self.departments.get(self.by_open_department.get(given, ""))

    def department_id(self, department_id: str, id_type: str) -> str:
        """The id of a department as the caller wants it; the root is "0" in both."""
        if id_type == "department_id" or department_id not in self.departments:
            return department_id
        return self.departments[department_id].open_id

    def is_active(self, user_id: str) -> bool:
        user = self.users.get(user_id)
        return user is not None and user.is_active

    def user(self, user_id: str) -> User | None:
        """Also one who has left: papers still name him."""
        return self.users.get(user_id) or self.left.get(user_id)

    def name_of(self, user_id: str) -> str:
        user = self.user(user_id)
        return user.name if user else user_id

    def open_id_of(self, user_id: str) -> str:
        user = self.user(user_id)
        return user.open_id if user else ""

    def holders(self, role: str) -> list[str]:
        return [user.user_id for user in self.users.named() if role in user.roles and user.is_active]

    def managers(self) -> list[User]:
        """Of the tenant."""
        return [user for user in self.users.named() if user.is_tenant_manager]


def invented(stranger: Stranger) -> User:
    return User(
        user_id=stranger.login,
        name=stranger.name,
        department_ids=[f"B{stranger.room:06d}"],
        open_id=f"ou_crowd{stranger.number:027d}",
        union_id=f"on_crowd{stranger.number:027d}",
        mobile=f"+86{stranger.mobile}",
        email=stranger.email,
        enterprise_email=stranger.email,
        employee_no=stranger.employee_number,
        job_title=stranger.title,
        leader_user_id="" if stranger.manager is None else login_of(stranger.manager),
        join_time=1_609_430_400,
    )


def open_id(user: User) -> str:
    return user.open_id


def union_id(user: User) -> str:
    return user.union_id


def id_of(user: User, id_type: str) -> str:
    match id_type:
        case "user_id":
            return user.user_id
        case "union_id":
            return user.union_id
        case _:
            return user.open_id


def read_user(row: Fields) -> User:
    user_id = row.text("user_id")
    return User(
        user_id=user_id,
        name=row.text("name"),
        department_ids=row.texts("department_ids") or [row.text_or("department_id", ROOT)],
        open_id=row.text_or("open_id") or made_up("ou_", user_id),
        union_id=row.text_or("union_id") or made_up("on_", user_id),
        en_name=row.text_or("en_name"),
        mobile=row.text_or("mobile"),
        email=row.text_or("email"),
        enterprise_email=row.text_or("enterprise_email"),
        employee_no=row.text_or("employee_no"),
        employee_type=row.number_or("employee_type", 1),
        job_title=row.text_or("job_title"),
        leader_user_id=row.text_or("leader_user_id"),
        city=row.text_or("city"),
        join_time=row.number_or("join_time", 0),
        is_activated=row.flag_or("is_activated", True),
        is_frozen=row.flag_or("is_frozen", False),
        is_tenant_manager=row.flag_or("is_tenant_manager", False),
        roles=row.texts("roles"),
    )


def made_up(prefix: str, key: str) -> str:
    return prefix + sha256(f"{prefix}{key}".encode()).hexdigest()[:32]


DEFAULT: dict[str, Any] = {
    "name": "行资演示公司",
    "departments": [
        {"department_id": "D10", "name": "研发部", "leaders": ["lisiyuan"]},
        {"department_id": "D11", "name": "平台组", "parent_department_id": "D10", "leaders": ["wangkai"]},
        {"department_id": "D20", "name": "销售部", "leaders": ["chenjing"]},
        {"department_id": "D30", "name": "财务部", "leaders": ["sunhui"]},
        {"department_id": "D40", "name": "人力行政部", "leaders": ["zhaomin"]},
        {"department_id": "D50", "name": "市场部", "leaders": ["hetao"]},
    ],
    "users": [
        {
            "user_id": "zhoumingyuan",
            "name": "周明远",
            "department_id": ROOT,
            "job_title": "总经理",
            "is_tenant_manager": True,
        },
        {"user_id": "lisiyuan", "name": "李思源", "department_id": "D10", "job_title": "研发总监"},
        {"user_id": "wangkai", "name": "王凯", "department_id": "D11", "job_title": "平台组长"},
        {"user_id": "zhangsan", "name": "张三", "department_id": "D11", "job_title": "工程师"},
        {"user_id": "linxiao", "name": "林晓", "department_id": "D10", "job_title": "工程师"},
        {"user_id": "chenjing", "name": "陈静", "department_id": "D20", "job_title": "销售总监"},
        {"user_id": "wulei", "name": "吴磊", "department_id": "D20", "job_title": "客户经理"},
        {
            "user_id": "sunhui",
            "name": "孙慧",
            "department_id": "D30",
            "job_title": "财务负责人",
            "roles": [FINANCE_LEAD],
        },
        {"user_id": "qianwei", "name": "钱薇", "department_id": "D30", "job_title": "出纳"},
        {"user_id": "zhaomin", "name": "赵敏", "department_id": "D40", "job_title": "人力行政经理"},
        {"user_id": "hetao", "name": "何涛", "department_id": "D50", "job_title": "市场经理"},
        {"user_id": "xujia", "name": "徐佳", "department_id": "D50", "job_title": "市场专员"},
    ],
}


def default_document() -> dict[str, Any]:
    """The built-in organisation, with the numbers and addresses nobody wants to write by hand."""
    leads = {row["department_id"]: row["leaders"][0] for row in DEFAULT["departments"]}
    users = []
    for place, user in enumerate(DEFAULT["users"], start=1):
        leader = leads.get(user["department_id"], "zhoumingyuan")
        if leader == user["user_id"]:
            leader = "lisiyuan" if leader == "wangkai" else "zhoumingyuan"
        more = {
            "mobile": f"+86138000000{place:02d}",
            "email": f"{user['user_id']}@demo.example.com",
            "enterprise_email": f"{user['user_id']}@demo.example.com",
            "employee_no": f"E{place:04d}",
            "join_time": 1_609_430_400 + place * 86_400,
            "leader_user_id": "" if user["department_id"] == ROOT else leader,
        }
        users.append({**more, **user})
    return {**DEFAULT, "users": users}
