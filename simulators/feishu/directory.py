"""The directory (通讯录 contact v3)."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from simulators.feishu.company import ROOT, Company, Department, User, id_of
from simulators.feishu.errors import Refusal, bad_contact
from simulators.feishu.settings import Settings
from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door

T = TypeVar("T")

USER_ID_TYPES = ("open_id", "union_id", "user_id")
MOST_PER_PAGE = 50
# A field of a person → the scope without which it is simply not there.
SCOPE_OF_FIELD = {
    "user_id": "contact:user.employee_id:readonly",
    "mobile": "contact:user.phone:readonly",
    "mobile_visible": "contact:user.phone:readonly",
    "email": "contact:user.email:readonly",
    "enterprise_email": "contact:user.email:readonly",
    "employee_no": "contact:user.employee_number:read",
    "department_ids": "contact:user.department:readonly",
    "orders": "contact:user.department:readonly",
    "leader_user_id": "contact:user.department:readonly",
    "job_title": "contact:user.employee:readonly",
    "employee_type": "contact:user.employee:readonly",
    "join_time": "contact:user.employee:readonly",
    "city": "contact:user.employee:readonly",
    "status": "contact:user.employee:readonly",
    "is_tenant_manager": "contact:user.employee:readonly",
}


@dataclass(frozen=True, slots=True)
class Directory:
    company: Company
    settings: Settings

    def doors(self) -> list[Door]:
        home = "/open-apis/contact/v3"
        return [
            Door("GET", f"{home}/departments/{{department_id}}/children", self.children),
            Door("GET", f"{home}/departments/{{department_id}}", self.department),
            Door("GET", f"{home}/users/find_by_department", self.members),
            Door("GET", f"{home}/users/batch", self.batch),
            Door("POST", f"{home}/users/batch_get_id", self.ids),
            Door("GET", f"{home}/users/{{user_id}}", self.user),
            Door("GET", f"{home}/scopes", self.scopes),
        ]

    def children(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.query, bad_contact)
        parent = self._department_or_root(call.args["department_id"], department_type(call))
        deep = fields.flag_or("fetch_child", False)
        found = list(self.company.below(parent))[1:] if deep else self.company.children_of(parent)
        page, more = paged(found, fields)
        items = [self.shown_department(self.company.departments[key], call) for key in page]
        return more | {"items": items}

    def department(self, call: Call) -> dict[str, Any]:
        given = call.args["department_id"]
        department = self.company.find_department(given, department_type(call))
        if department is None:
            raise no_department(given)
        return {"department": self.shown_department(department, call)}

    def members(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.query, bad_contact)
        key = self._department_or_root(fields.text("department_id"), department_type(call))
        page, more = paged(self.company.members_of(key), fields)
        return more | {"items": [self._shown(self.company.users[user_id], call) for user_id in page]}

    def user(self, call: Call) -> dict[str, Any]:
        given, id_type = call.args["user_id"], user_type(call)
        user = self.company.find_user(given, id_type)
        if user is not None:
            return {"user": self._shown(user, call)}
        gone = self.company.find_left(given, id_type)
        if gone is None:
            raise Refusal(41012, "user id invalid error")
        shown = self._shown(gone, call)
        shown["status"] = person_status(gone, has_left=True)
        return {"user": shown}

    def batch(self, call: Call) -> dict[str, Any]:
        """Who is unknown is left out without a word."""
        wanted = [value for name, value in call.query_pairs if name == "user_ids"]
        if not 1 <= len(wanted) <= MOST_PER_PAGE:
            raise bad_contact("user_ids must have 1 to 50 entries")
        found = [self.company.find_user(given, user_type(call)) for given in wanted]
        return {"items": [self._shown(user, call) for user in found if user]}

    def ids(self, call: Call) -> dict[str, Any]:
        """Each mobile and each address has its row; those nobody has, a row without `user_id`."""
        fields = Fields(call.body, bad_contact)
        id_type = user_type(call)
        people: list[dict[str, Any]] = []
        for name in ("mobiles", "emails"):
            for given in fields.texts(name, most=50):
                key = given
                if name == "mobiles" and not given.startswith("+"):
                    key = f"+86{given}"  # without a country: China
                kind = name.removesuffix("s")
                row: dict[str, Any] = {kind: given}
                user = self.company.find_by(kind, key)
                if user is not None:
                    row |= {"user_id": id_of(user, id_type), "status": person_status(user)}
                people.append(row)
        return {"user_list": people}

    def scopes(self, call: Call) -> dict[str, Any]:
        """The app may see everybody: the whole of the first level."""
        deps = [
            self.company.department_id(key, department_type(call)) for key in self.company.children_of(ROOT)
        ]
        users = [id_of(self.company.users[key], user_type(call)) for key in self.company.members_of(ROOT)]
        return {"department_ids": deps, "user_ids": users, "group_ids": [], "has_more": False}

    def _department_or_root(self, given: str, id_type: str) -> str:
        if given == ROOT:
            return ROOT
        department = self.company.find_department(given, id_type)
        if department is None:
            raise no_department(given)
        return department.department_id

    def _shown(self, user: User, call: Call) -> dict[str, Any]:
        return self.shown_user(user, user_type=user_type(call), department_type=department_type(call))

    def shown_department(self, department: Department, call: Call) -> dict[str, Any]:
        leaders = [self.company.users[key] for key in department.leaders if key in self.company.users]
        ids = [id_of(leader, user_type(call)) for leader in leaders]
        return self.department_body(department, department_type(call), ids)

    def department_body(self, department: Department, id_type: str, leaders: list[str]) -> dict[str, Any]:
        inside: set[str] = set()
        for below in self.company.below(department.department_id):
            inside.update(self.company.members_of(below))
        shown: dict[str, Any] = {
            "name": department.name,
            "i18n_name": {"zh_cn": department.name, "ja_jp": "", "en_us": ""},
            "parent_department_id": self.company.department_id(department.parent_id, id_type),
            "department_id": department.department_id,
            "open_department_id": department.open_id,
            "order": str(department.order or 1),
            "unit_ids": [],
            "member_count": len(inside),
            "primary_member_count": len(inside),
            "status": {"is_deleted": False},
        }
        if leaders:
            shown["leader_user_id"] = leaders[0]
            shown["leaders"] = [
                {"leaderType": 1 if place == 0 else 2, "leaderID": leader}
                for place, leader in enumerate(leaders)
            ]
        return shown

    def shown_user(
        self, user: User, *, user_type: str = "open_id", department_type: str = "open_department_id"
    ) -> dict[str, Any]:
        departments = [self.company.department_id(key, department_type) for key in user.department_ids]
        leader = self.company.users.get(user.leader_user_id)
        shown: dict[str, Any] = {
            "union_id": user.union_id,
            "user_id": user.user_id,
            "open_id": user.open_id,
            "name": user.name,
            "en_name": user.en_name,
            "nickname": "",
            "email": user.email,
            "enterprise_email": user.enterprise_email,
            "mobile": user.mobile,
            "mobile_visible": True,
            "gender": 0,
            "avatar": {"avatar_72": "", "avatar_240": "", "avatar_640": "", "avatar_origin": ""},
            "status": person_status(user),
            "department_ids": departments,
            "leader_user_id": id_of(leader, user_type) if leader else "",
            "city": user.city,
            "country": "",
            "work_station": "",
            "join_time": user.join_time,
            "employee_no": user.employee_no,
            "employee_type": user.employee_type,
            "orders": [
                {
                    "department_id": department,
                    "user_order": 0,
                    "department_order": len(departments) - place,
                    "is_primary_dept": place == 0,
                }
                for place, department in enumerate(departments)
            ],
            "job_title": user.job_title,
            "is_tenant_manager": user.is_tenant_manager,
        }
        missing = self.settings.missing_scopes
        return {name: value for name, value in shown.items() if SCOPE_OF_FIELD.get(name) not in missing}


def person_status(user: User, *, has_left: bool = False) -> dict[str, bool]:
    return {
        "is_frozen": user.is_frozen,
        "is_resigned": has_left,
        "is_activated": user.is_activated,
        "is_exited": False,
        "is_unjoin": not user.is_activated,
    }


def user_type(call: Call) -> str:
    wanted = call.query.get("user_id_type") or "open_id"
    if wanted not in USER_ID_TYPES:
        raise bad_contact("user_id_type must be open_id, union_id or user_id")
    return wanted


def department_type(call: Call) -> str:
    wanted = call.query.get("department_id_type") or "open_department_id"
    if wanted not in ("open_department_id", "department_id"):
        raise bad_contact("department_id_type must be open_department_id or department_id")
    return wanted


def no_department(given: str) -> Refusal:
    return Refusal(40008, f"dept Info is null error: {given}")


def paged(rows: Sequence[T], fields: Fields) -> tuple[Sequence[T], dict[str, Any]]:
    """One page of a directory list, with what says whether there is another."""
    size = fields.number_or("page_size", 10)
    if not 1 <= size <= MOST_PER_PAGE:
        raise Refusal(40011, "page size is invalid")
    skip = read_page_token(fields.text_or("page_token"), Refusal(40012, "page token is invalid error"))
    more: dict[str, Any] = {"has_more": skip + size < len(rows)}
    if more["has_more"]:
        more["page_token"] = page_token(skip + size)
    return rows[skip : skip + size], more


def page_token(skip: int) -> str:
    return urlsafe_b64encode(f"skip:{skip}".encode()).decode()


def read_page_token(token: str, refusal: Exception) -> int:
    if not token:
        return 0
    try:
        text = urlsafe_b64decode(token).decode()
    except (Base64Error, ValueError):
        raise refusal from None
    if not text.startswith("skip:") or not text[5:].isdigit():
        raise refusal
    return int(text[5:])
