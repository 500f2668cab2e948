"""The address book calls (通讯录), all of the old generation but one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from simulators.dingtalk.company import Company, Department, User
from simulators.dingtalk.errors import OldRefusal, bad_new, bad_old
from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door

ORDERS = ("", "entry_asc", "entry_desc", "modify_asc", "modify_desc", "custom")


@dataclass(frozen=True, slots=True)
class Directory:
    company: Company

    def doors(self) -> list[Door]:
        return [
            Door("POST", "/topapi/v2/department/listsub", self.list_departments),
            Door("POST", "/topapi/v2/department/listsubid", self.list_department_ids),
            Door("POST", "/topapi/v2/department/get", self.department),
            Door("POST", "/topapi/v2/user/list", self.list_users),
            Door("POST", "/topapi/user/listid", self.list_user_ids),
            Door("POST", "/topapi/v2/user/get", self.user),
            Door("POST", "/topapi/v2/user/getbymobile", self.user_by_mobile),
            Door("POST", "/topapi/user/getbyunionid", self.user_by_unionid),
            Door("GET", "/auth/scopes", self.scopes),
            Door("GET", "/v1.0/contact/empLeaveRecords", self.leavings),
        ]

    def list_departments(self, call: Call) -> dict[str, Any]:
        department = self._department(asked(call).number_or("dept_id", 1))
        children = [self.company.departments[child] for child in self.company.children_of(department.dept_id)]
        return fine([_short(child) for child in children])

    def list_department_ids(self, call: Call) -> dict[str, Any]:
        department = self._department(asked(call).number("dept_id"))
        return fine({"dept_id_list": list(self.company.children_of(department.dept_id))})

    def department(self, call: Call) -> dict[str, Any]:
        department = self._department(asked(call).number("dept_id"))
        members = self.company.members_of(department.dept_id)
        return fine(
            _short(department)
            | {
                "order": department.order,
                "dept_manager_userid_list": list(department.managers),
                "code": department.code,
                "source_identifier": department.source_identifier,
                "member_count": len(members),
                "owning_member_count": len(members),
                "hide_dept": False,
                "outer_dept": False,
                "dept_permits": [],
                "user_permits": [],
                "outer_permit_depts": [],
                "outer_permit_users": [],
                "org_dept_owner": department.managers[0] if department.managers else "",
                "group_contain_sub_dept": False,
            }
        )

    def list_users(self, call: Call) -> dict[str, Any]:
        fields = asked(call)
        department = self._department(fields.number("dept_id"))
        cursor, size = fields.number("cursor"), fields.number("size")
        if cursor < 0 or not 1 <= size <= 100:
            raise bad_old("size must be 1 to 100, cursor at least 0")
        if fields.text_or("order_field") not in ORDERS:
            raise bad_old("order_field is unknown")
        members = self.company.members_of(department.dept_id)
        page = members[cursor : cursor + size]
        result: dict[str, Any] = {
            "has_more": cursor + size < len(members),
            "list": [self._member(self.company.users[userid], department) for userid in page],
        }
        if result["has_more"]:
            result["next_cursor"] = cursor + size
        return fine(result)

    def list_user_ids(self, call: Call) -> dict[str, Any]:
        department = self._department(asked(call).number("dept_id"))
        return fine({"userid_list": list(self.company.members_of(department.dept_id))})

    def user(self, call: Call) -> dict[str, Any]:
        user = self._user(asked(call).text("userid"))
        shown = _person(user) | {
            "real_authed": True,
            "senior": False,
            "dept_order_list": [{"dept_id": dept_id, "order": 1} for dept_id in user.dept_ids],
            "leader_in_dept": [
                {"dept_id": dept_id, "leader": self.company.leads(user.userid, dept_id)}
                for dept_id in user.dept_ids
            ],
            "role_list": [
                {"id": place, "name": role, "group_name": "职务"} for place, role in enumerate(user.roles, 1)
            ],
        }
        if user.manager_userid in self.company.users:
            shown["manager_userid"] = user.manager_userid
        return fine(shown)

    def user_by_mobile(self, call: Call) -> dict[str, Any]:
        user = self.company.find_by("mobile", asked(call).text("mobile"))
        if user is None or not user.active:
            raise OldRefusal(60121, "找不到该用户")
        return fine({"userid": user.userid, "exclusive_account_userid_list": []})

    def user_by_unionid(self, call: Call) -> dict[str, Any]:
        user = self.company.user_by_unionid(asked(call).text("unionid"))
        if user is None:
            raise OldRefusal(60121, "找不到该用户")
        return fine({"contact_type": 0, "userid": user.userid})

    def scopes(self, call: Call) -> dict[str, Any]:
        return {
            "errcode": 0,
            "errmsg": "ok",
            "auth_org_scopes": {"authed_user": [], "authed_dept": [1]},
            "auth_user_field": ["name", "avatar", "jobnumber", "mobile", "email"],
        }

    def leavings(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.query, bad_new)
        start = _instant(fields.text("startTime"))
        end = _instant(fields.text("endTime")) if fields.has("endTime") else float("inf")
        skip, size = fields.number("nextToken"), fields.number("maxResults")
        if not 1 <= size <= 50 or skip < 0:
            raise bad_new("maxResults must be 1 to 50")
        found = [row for row in self.company.left if start <= row.left_at < end]
        answer: dict[str, Any] = {
            "records": [
                {
                    "userId": row.userid,
                    "name": row.name,
                    "stateCode": "86",
                    "mobile": row.mobile,
                    "leaveTime": datetime.fromtimestamp(row.left_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "leaveReason": row.reason,
                }
                for row in found[skip : skip + size]
            ]
        }
        if skip + size < len(found):
            answer["nextToken"] = str(skip + size)
        return answer

    def _department(self, dept_id: int) -> Department:
        department = self.company.departments.get(dept_id)
        if department is None:
            raise OldRefusal(60003, "部门不存在")
        return department

    def _user(self, userid: str) -> User:
        user = self.company.users.get(userid)
        if user is None:
            raise OldRefusal(60121, "找不到该用户")
        return user

    def _member(self, user: User, department: Department) -> dict[str, Any]:
        return _person(user) | {"dept_order": 1, "leader": user.userid in department.managers}


def asked(call: Call) -> Fields:
    """The old generation takes its parameters from the body, and from the query as well."""
    return Fields({**call.query, **call.body}, bad_old)


def fine(result: Any) -> dict[str, Any]:
    return {"errcode": 0, "errmsg": "ok", "result": result}


def _short(department: Department) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "dept_id": department.dept_id,
        "name": department.name,
        "create_dept_group": False,
        "auto_add_user": False,
    }
    if department.parent_id:
        shown["parent_id"] = department.parent_id
    return shown


def _person(user: User) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "userid": user.userid,
        "unionid": user.unionid,
        "name": user.name,
        "avatar": user.avatar,
        "state_code": "86",
        "hide_mobile": False,
        "telephone": "",
        "job_number": user.job_number,
        "title": user.title,
        "work_place": user.work_place,
        "remark": user.remark,
        "dept_id_list": list(user.dept_ids),
        "extension": user.extension,
        "active": user.active,
        "admin": user.admin,
        "boss": user.boss,
        "exclusive_account": False,
    }
    for name in ("mobile", "email", "org_email", "hired_date"):
        if value := getattr(user, name):
            shown[name] = value
    return shown


def _instant(text: str) -> float:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise bad_new("a time must read yyyy-MM-ddTHH:mm:ssZ") from None
