"""The corp: departments and members, with the indexes the address book needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from simulators.stage.crowd import LOGIN, Room, Stranger, login_of, mobile_of
from simulators.stage.fields import Fields
from simulators.stage.org import Org, People

ROOT = 1
OF_CROWD = 100_000  # department ids of a crowd begin here
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


@dataclass
class Company(Org[int, Department, User]):
    root: int = ROOT
    users: People[User] = field(default_factory=lambda: People(invented))

    def room_key(self, number: int) -> int:
        return OF_CROWD + number

    def room_number(self, key: int) -> int | None:
        return key - OF_CROWD if key >= OF_CROWD else None

    def invent_room(self, room: Room) -> Department:
        parent = ROOT if room.parent is None else self.room_key(room.parent)
        heads = [] if room.head is None else [login_of(room.head)]
        return Department(self.room_key(room.number), room.name, parent, heads)

    def key_of(self, department: Department) -> int:
        return department.id

    def parent_of(self, department: Department) -> int:
        return department.parentid

    def rank_of(self, department: Department) -> tuple[int, int]:
        # A larger order sorts first.
        return -department.order, department.id

    def heads_of(self, department: Department) -> list[str]:
        return department.leaders

    def id_of(self, user: User) -> str:
        return user.userid

    def rooms_of(self, user: User) -> Sequence[int]:
        return user.departments

    def marks_of(self, user: User) -> Iterator[tuple[str, str]]:
        yield "userid", user.userid.lower()
        if user.mobile:
            yield "mobile", user.mobile
        for mail in {user.biz_mail, user.email} - {""}:
            yield "email", mail

    def mark_number(self, kind: str, value: str) -> int | None:
        if kind == "mobile":
            number = value.removeprefix(mobile_of(0)[:3])
            return int(number) if len(number) == 8 and number.isdecimal() else None
        match = LOGIN.fullmatch(value.removesuffix("@crowd.example.com"))
        return int(match[1]) if match else None

    def document_of(self, user: User) -> dict[str, Any]:
        names = ("name", "position", "mobile", "gender", "email", "biz_mail", "direct_leader", "telephone")
        more = ("alias", "address", "avatar", "status", "extattr", "tags", "admin")
        known = {name: getattr(user, name) for name in (*names, *more)}
        return {**known, "department": list(user.departments)}

    def read_user(self, row: Fields) -> User:
        user = read_user(row)
        for dept_id in user.departments:
            if dept_id not in self.departments:
                raise ValueError(f"user {user.userid} is in department {dept_id}, which does not exist")
        return user

    def department_document(self, department: Department) -> dict[str, Any]:
        return {
            "name": department.name,
            "parentid": department.parentid,
            "department_leader": list(department.leaders),
            "order": department.order,
            "name_en": department.name_en,
        }

    def read_department(self, row: Fields) -> Department:
        dept_id = row.number("id")
        return Department(
            id=dept_id,
            name=row.text("name"),
            parentid=0 if dept_id == ROOT else row.number_or("parentid", ROOT),
            leaders=row.texts("department_leader"),
            order=row.number_or("order", 0),
            name_en=row.text_or("name_en"),
        )

    def retitled(self, user: User, title: str) -> User:
        return replace(user, position=title)

    def moved(self, user: User, key: int) -> User:
        return replace(user, departments=[key])

    def read(self, document: Mapping[str, Any]) -> Company:
        """{"departments": [{id, name, parentid, department_leader}], "users": [{userid, name, department, …}]}."""
        fields = Fields(document, ValueError)
        fresh = Company()
        for row in fields.rows("departments"):
            department = self.read_department(row)
            if department.id in fresh.departments:
                raise ValueError(f"department {department.id} appears twice")
            fresh.departments[department.id] = department
        fresh.departments.setdefault(ROOT, Department(ROOT, "公司", 0))
        for department in fresh.departments.values():
            if department.id != ROOT and department.parentid not in fresh.departments:
                raise ValueError(f"department {department.id} has no parent {department.parentid}")
        spellings: set[str] = set()
        for row in fields.rows("users"):
            user = fresh.read_user(row)
            if user.userid.lower() in spellings:
                raise ValueError(f"user {user.userid} appears twice")
            spellings.add(user.userid.lower())
            fresh.users.kept[user.userid] = user
        fresh.check_leaders()
        return fresh

    def check_leaders(self) -> None:
        for department in self.departments.values():
            for userid in self._unknown(department.leaders):
                raise ValueError(f"department {department.id} is led by {userid}, who does not exist")
        for user in self.users.kept.values():
            for userid in self._unknown(user.direct_leader):
                raise ValueError(f"user {user.userid} reports to {userid}, who does not exist")

    def _unknown(self, userids: Iterable[str]) -> list[str]:
        return [userid for userid in userids if userid not in self.users]

    def rename(self, userid: str, to: str) -> User:
        """The same member under another userid. Raises ValueError when somebody else has it."""
        if (holder := self.find(to)) is not None and holder.userid != userid:
            raise ValueError(f"userid {to} is taken")
        led = self._led_by(userid)
        user = replace(self.let_go(userid), userid=to)
        self.put_user(user)
        for department in led:
            department.leaders.append(to)
        for other in self.users.kept.values():
            other.direct_leader = [to if leader == userid else leader for leader in other.direct_leader]
        return user

    def find(self, userid: str) -> User | None:
        """userids are case-insensitive."""
        return self.find_by("userid", userid.lower())

    def name(self, userid: str) -> str:
        user = self.users.get(userid)
        return user.name if user else userid

    def department_name(self, dept_id: int) -> str:
        department = self.departments.get(dept_id)
        return department.name if department else ""

    def superior(self, userid: str, dept_id: int) -> str | None:
        """Who decides for this person (上级): the direct leader, or the leader of the department or the next up."""
        for leader in self.users[userid].direct_leader:
            if leader in self.users:
                return leader
        return self.boss_above(userid, dept_id)

    def tagged(self, tag: str) -> list[str]:
        return [user.userid for user in self.users.named() if tag in user.tags]


def invented(stranger: Stranger) -> User:
    return User(
        userid=stranger.login,
        name=stranger.name,
        departments=[OF_CROWD + stranger.room],
        position=stranger.title,
        mobile=stranger.mobile,
        biz_mail=stranger.email,
        direct_leader=[] if stranger.manager is None else [login_of(stranger.manager)],
        extattr={"工号": stranger.employee_number},
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
        direct_leader=row.texts("direct_leader"),
        telephone=row.text_or("telephone"),
        alias=row.text_or("alias"),
        address=row.text_or("address"),
        avatar=row.text_or("avatar"),
        status=row.number_or("status", ACTIVE),
        extattr={name: str(value) for name, value in row.part("extattr").values.items()},
        tags=row.texts("tags"),
        admin=row.flag_or("admin", False),
    )


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
