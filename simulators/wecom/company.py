"""The corp: departments and members, with the indexes the address book needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulators.stage.fields import Fields

ROOT = 1
FINANCE_LEAD = "财务负责人"
ACTIVE = 1


@dataclass(slots=True)
class Department:
    id: int
    name: str
    parentid: int  # 0 for the root
    leaders: list[str] = field(default_factory=list)
    order: int = 0
    name_en: str = ""


@dataclass(slots=True)
class User:
    userid: str
    name: str
    departments: list[int]
    position: str = ""
    mobile: str = ""
    gender: str = "0"
    email: str = ""
    biz_mail: str = ""
    direct_leader: list[str] = field(default_factory=list)
    telephone: str = ""
    alias: str = ""
    address: str = ""
    avatar: str = ""
    status: int = ACTIVE  # 1 active, 2 disabled, 4 not activated
    extattr: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    admin: bool = False

    @property
    def main_department(self) -> int:
        return self.departments[0]


@dataclass(slots=True)
class Company:
    departments: dict[int, Department] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    children: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    members: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    spellings: dict[str, str] = field(default_factory=dict)  # lower-case userid → userid
    by_mobile: dict[str, str] = field(default_factory=dict)
    by_email: dict[str, str] = field(default_factory=dict)

    def load(self, document: Mapping[str, Any]) -> None:
        """Replace the corp. Raises ValueError naming what does not fit; then nothing has changed."""
        fresh = read_company(document)
        self.departments, self.users = fresh.departments, fresh.users
        self.index()

    def index(self) -> None:
        self.children = defaultdict(list)
        self.members = defaultdict(list)
        # A larger order sorts first.
        for department in sorted(self.departments.values(), key=lambda row: (-row.order, row.id)):
            self.children[department.parentid].append(department.id)
        for user in self.users.values():
            for dept_id in user.departments:
                self.members[dept_id].append(user.userid)
        self.spellings = {userid.lower(): userid for userid in self.users}
        self.by_mobile = {user.mobile: user.userid for user in self.users.values() if user.mobile}
        self.by_email = {
            mail: user.userid for user in self.users.values() for mail in (user.biz_mail, user.email) if mail
        }

    def find(self, userid: str) -> User | None:
        """userids are case-insensitive."""
        return self.users.get(self.spellings.get(userid.lower(), ""))

    def put_user(self, user: User) -> bool:
        """Add or replace one person; True when the person is new."""
        is_new = user.userid not in self.users
        self.users[user.userid] = user
        self.index()
        return is_new

    def let_go(self, userid: str) -> None:
        del self.users[userid]
        for department in self.departments.values():
            if userid in department.leaders:
                department.leaders.remove(userid)
        self.index()

    def name(self, userid: str) -> str:
        user = self.users.get(userid)
        return user.name if user else userid

    def department_name(self, dept_id: int) -> str:
        department = self.departments.get(dept_id)
        return department.name if department else ""

    def upwards(self, dept_id: int) -> Iterator[Department]:
        """The department and those above it."""
        seen: set[int] = set()
        while (department := self.departments.get(dept_id)) and dept_id not in seen:
            seen.add(dept_id)
            yield department
            dept_id = department.parentid

    def below(self, dept_id: int) -> Iterator[int]:
        """The department and all beneath it."""
        waiting = [dept_id]
        while waiting:
            dept_id = waiting.pop()
            yield dept_id
            waiting.extend(reversed(self.children.get(dept_id, [])))

    def superior(self, userid: str, dept_id: int) -> str | None:
        """Who decides for this person (上级): the direct leader, or the leader of the department or the next up."""
        for leader in self.users[userid].direct_leader:
            if leader in self.users:
                return leader
        for department in self.upwards(dept_id):
            for leader in department.leaders:
                if leader != userid and leader in self.users:
                    return leader
        return None

    def tagged(self, tag: str) -> list[str]:
        return [user.userid for user in self.users.values() if tag in user.tags]


def read_company(document: Mapping[str, Any]) -> Company:
    """{"departments": [{id, name, parentid, department_leader}], "users": [{userid, name, department, …}]}."""
    fields = Fields(document, ValueError)
    company = Company()
    for row in fields.rows("departments"):
        department = _read_department(row)
        if department.id in company.departments:
            raise ValueError(f"department {department.id} appears twice")
        company.departments[department.id] = department
    root = company.departments.setdefault(ROOT, Department(ROOT, "公司", 0))
    root.parentid = 0
    for department in company.departments.values():
        if department.id != ROOT and department.parentid not in company.departments:
            raise ValueError(f"department {department.id} has no parent {department.parentid}")
    for row in fields.rows("users"):
        user = read_user(row)
        if user.userid.lower() in company.spellings:
            raise ValueError(f"user {user.userid} appears twice")
        company.spellings[user.userid.lower()] = user.userid
        company.users[user.userid] = user
        check_departments(company, user)
    _check_leaders(company)
    company.index()
    return company


def _read_department(row: Fields) -> Department:
    return Department(
        id=row.number("id"),
        name=row.text("name"),
        parentid=row.number_or("parentid", ROOT),
        leaders=list(row.texts("department_leader")),
        order=row.number_or("order", 0),
        name_en=row.text_or("name_en"),
    )


def read_user(row: Fields) -> User:
    """`department` is a list of ids or one id; `extattr` an object of names and texts. Raises ValueError."""
    userid = row.text("userid", most=64)
    departments = row.values.get("department", ROOT)
    if isinstance(departments, int):
        departments = [departments]
    if not isinstance(departments, list) or not departments:
        raise ValueError(f"user {userid}: department must be a number or a list of numbers")
    if not all(isinstance(item, int) for item in departments):
        raise ValueError(f"user {userid}: department must be a number or a list of numbers")
    return User(
        userid=userid,
        name=row.text("name"),
        departments=list(departments),
        position=row.text_or("position"),
        mobile=row.text_or("mobile"),
        gender=row.text_or("gender", "0"),
        email=row.text_or("email"),
        biz_mail=row.text_or("biz_mail"),
        direct_leader=list(row.texts("direct_leader")),
        telephone=row.text_or("telephone"),
        alias=row.text_or("alias"),
        address=row.text_or("address"),
        avatar=row.text_or("avatar"),
        status=row.number_or("status", ACTIVE),
        extattr={name: str(value) for name, value in row.part("extattr").values.items()},
        tags=list(row.texts("tags")),
        admin=row.flag_or("admin", False),
    )


def check_departments(company: Company, user: User) -> None:
    for dept_id in user.departments:
        if dept_id not in company.departments:
            raise ValueError(f"user {user.userid} is in department {dept_id}, which does not exist")


def _check_leaders(company: Company) -> None:
    for department in company.departments.values():
        for userid in _unknown(company, department.leaders):
            raise ValueError(f"department {department.id} is led by {userid}, who does not exist")
    for user in company.users.values():
        for userid in _unknown(company, user.direct_leader):
            raise ValueError(f"user {user.userid} reports to {userid}, who does not exist")


def _unknown(company: Company, userids: Iterable[str]) -> list[str]:
    return [userid for userid in userids if userid not in company.users]


DEPARTMENTS: list[dict[str, Any]] = [
    {"id": 1, "name": "行资演示公司", "parentid": 0, "department_leader": ["zhoumingyuan"]},
    {"id": 10, "name": "研发部", "parentid": 1, "department_leader": ["lisiyuan"]},
    {"id": 11, "name": "平台组", "parentid": 10, "department_leader": ["wangkai"]},
    {"id": 20, "name": "销售部", "parentid": 1, "department_leader": ["chenjing"]},
    {"id": 30, "name": "财务部", "parentid": 1, "department_leader": ["sunhui"]},
    {"id": 40, "name": "人力行政部", "parentid": 1, "department_leader": ["zhaomin"]},
    {"id": 50, "name": "市场部", "parentid": 1, "department_leader": ["hetao"]},
]
USERS: list[dict[str, Any]] = [
    {"userid": "zhoumingyuan", "name": "周明远", "department": 1, "position": "总经理", "admin": True},
    {"userid": "lisiyuan", "name": "李思源", "department": 10, "position": "研发总监"},
    {"userid": "wangkai", "name": "王凯", "department": 11, "position": "平台组长"},
    {"userid": "zhangsan", "name": "张三", "department": 11, "position": "工程师"},
    {"userid": "linxiao", "name": "林晓", "department": 10, "position": "工程师"},
    {"userid": "chenjing", "name": "陈静", "department": 20, "position": "销售总监"},
    {"userid": "wulei", "name": "吴磊", "department": 20, "position": "客户经理"},
    {
        "userid": "sunhui",
        "name": "孙慧",
        "department": 30,
        "position": "财务负责人",
        "tags": [FINANCE_LEAD],
    },
    {"userid": "qianwei", "name": "钱薇", "department": 30, "position": "出纳"},
    {"userid": "zhaomin", "name": "赵敏", "department": 40, "position": "人力行政经理"},
    {"userid": "hetao", "name": "何涛", "department": 50, "position": "市场经理"},
    {"userid": "xujia", "name": "徐佳", "department": 50, "position": "市场专员"},
]


def default_document() -> dict[str, Any]:
    """The built-in corp, with the numbers and addresses nobody wants to write by hand."""
    users = []
    for place, user in enumerate(USERS, start=1):
        more = {
            "mobile": f"138000000{place:02d}",
            "biz_mail": f"{user['userid']}@demo.example.com",
            # There is no field for the employee number: customers keep it in an attribute of their own.
            "extattr": {"工号": f"E{place:04d}"},
        }
        users.append({**more, **user})
    return {"departments": DEPARTMENTS, "users": users}
