"""The address book calls (通讯录), as a self-built app sees them: its visible range, without personal fields."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from itertools import islice
from typing import Any

from simulators.stage.fields import Fields
from simulators.stage.gate import Call, Door
from simulators.wecom.company import Company, Department, User
from simulators.wecom.errors import Refusal, bad, fine
from simulators.wecom.settings import Identity, Settings


@dataclass(frozen=True, slots=True)
class Directory:
    company: Company
    identity: Identity
    settings: Settings

    def doors(self) -> list[Door]:
        return [
            Door("GET", "/cgi-bin/department/simplelist", self.list_department_ids),
            Door("GET", "/cgi-bin/department/list", self.list_departments),
            Door("GET", "/cgi-bin/department/get", self.get_department),
            Door("GET", "/cgi-bin/user/simplelist", self.list_members_briefly),
            Door("GET", "/cgi-bin/user/list", self.list_members),
            Door("GET", "/cgi-bin/user/get", self.get_user),
            Door("POST", "/cgi-bin/user/getuserid", self.find_by_mobile),
            Door("POST", "/cgi-bin/user/get_userid_by_email", self.find_by_email),
            Door("POST", "/cgi-bin/user/list_id", self.list_ids),
            Door("GET", "/cgi-bin/agent/get", self.get_agent),
            Door("GET", "/cgi-bin/getcallbackip", self.callback_addresses),
        ]

    # What the app may see.

    def visible_departments(self) -> list[int]:
        """Parents may be missing from it: the range can begin anywhere in the tree."""
        found: dict[int, None] = {}
        for top in self.settings.visible_departments:
            if top in self.company.departments:
                found |= dict.fromkeys(self.company.below(top))
        return list(found)

    def is_visible(self, user: User) -> bool:
        tops = set(self.settings.visible_departments)
        return any(self._is_in_range(dept_id, tops) for dept_id in user.departments)

    def _is_in_range(self, dept_id: int, tops: set[int]) -> bool:
        return any(row.id in tops for row in self.company.upwards(dept_id))

    def visible_user(self, userid: str) -> User | None:
        user = self.company.find(userid)
        return user if user and self.is_visible(user) else None

    # Departments.

    def list_departments(self, call: Call) -> dict[str, Any]:
        rows = [self._shown_department(row) for row in self._departments_below(call)]
        return fine(department=rows)

    def list_department_ids(self, call: Call) -> dict[str, Any]:
        found = self._departments_below(call)
        rows = [{"id": row.id, "parentid": row.parentid, "order": row.order} for row in found]
        return fine(department_id=rows)

    def get_department(self, call: Call) -> dict[str, Any]:
        department = self._department(Fields(call.query, bad).number("id"))
        return fine(department=self._shown_department(department))

    def _departments_below(self, call: Call) -> list[Department]:
        fields = Fields(call.query, bad)
        visible = self.visible_departments()
        if fields.has("id"):
            below = set(self.company.below(self._department(fields.number("id")).id))
            visible = [dept_id for dept_id in visible if dept_id in below]
        return [self.company.departments[dept_id] for dept_id in visible]

    def _department(self, dept_id: int) -> Department:
        department = self.company.departments.get(dept_id)
        if department is None:
            raise Refusal(60123, "invalid party id")
        if not self._is_in_range(dept_id, set(self.settings.visible_departments)):
            raise Refusal(60011, "no privilege to access/modify contact/party/agent")
        return department

    def _shown_department(self, department: Department) -> dict[str, Any]:
        return {
            "id": department.id,
            "name": department.name,
            "name_en": department.name_en,
            "department_leader": list(department.leaders),
            "parentid": department.parentid,
            "order": department.order,
        }

    # Members: of one department only, its children are not fetched whatever is asked.

    def list_members_briefly(self, call: Call) -> dict[str, Any]:
        rows = [
            {"userid": user.userid, "name": user.name, "department": list(user.departments)}
            for user in self._members(call)
        ]
        return fine(userlist=rows)

    def list_members(self, call: Call) -> dict[str, Any]:
        return fine(userlist=[self._shown_user(user) for user in self._members(call)])

    def _members(self, call: Call) -> list[User]:
        department = self._department(Fields(call.query, bad).number("department_id"))
        return [self.company.users[userid] for userid in self.company.members_of(department.id)]

    def get_user(self, call: Call) -> dict[str, Any]:
        userid = Fields(call.query, bad).text("userid")
        user = self.company.find(userid)
        if user is None:
            raise Refusal(60111, "userid not found")
        if not self.is_visible(user):
            raise Refusal(60011, "no privilege to access/modify contact/party/agent")
        return fine(**self._shown_user(user))

    def find_by_mobile(self, call: Call) -> dict[str, Any]:
        return self._found(self.company.find_by("mobile", Fields(call.body, bad).text("mobile")))

    def find_by_email(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad)
        user = self.company.find_by("email", fields.text("email"))
        kind = "email" if fields.number_or("email_type", 1) == 2 else "biz_mail"
        return self._found(user if user and getattr(user, kind) == fields.text("email") else None)

    def _found(self, user: User | None) -> dict[str, Any]:
        if user is None or not self.is_visible(user):
            raise Refusal(46004, "user not exist")
        return fine(userid=user.userid)

    def list_ids(self, call: Call) -> dict[str, Any]:
        fields = Fields(call.body, bad)
        limit = fields.number_or("limit", 10_000)
        if not 1 <= limit <= 10_000:
            raise bad("limit must be 1 to 10000")
        start = read_cursor(fields.text_or("cursor"))
        found = list(islice(self.company.seats(), start, start + limit + 1))
        page = [{"userid": userid, "department": dept_id} for userid, dept_id in found[:limit]]
        more = len(found) > limit
        return fine(dept_user=page, next_cursor=cursor_at(start + limit) if more else "")

    def _shown_user(self, user: User) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "userid": user.userid,
            "name": user.name,
            "department": list(user.departments),
            "order": [0] * len(user.departments),
            "position": user.position,
            "is_leader_in_dept": [
                int(user.userid in self.company.departments[dept_id].leaders) for dept_id in user.departments
            ],
            "direct_leader": user.direct_leader[:1],
            "telephone": user.telephone,
            "alias": user.alias,
            "status": user.status,
            "extattr": {"attrs": self._attributes(user)},
        }
        if self._is_in_range(user.main_department, set(self.settings.visible_departments)):
            shown["main_department"] = user.main_department
        if not self.settings.hides_personal_fields:
            shown |= personal(user)
        return shown

    def _attributes(self, user: User) -> list[dict[str, Any]]:
        if not self.settings.exposes_extattr:
            return []
        return [{"type": 0, "name": name, "text": {"value": value}} for name, value in user.extattr.items()]

    # The app itself.

    def get_agent(self, call: Call) -> dict[str, Any]:
        if Fields(call.query, bad).number("agentid") != self.identity.agent_id:
            raise Refusal(301002, "not allow operate another agent with this accesstoken")
        return fine(
            agentid=self.identity.agent_id,
            name="行资",
            square_logo_url="",
            description="差旅与费用",
            allow_userinfos={"user": []},
            allow_partys={"partyid": list(self.settings.visible_departments)},
            allow_tags={"tagid": []},
            close=0,
            redirect_domain="",
            report_location_flag=0,
            isreportenter=0,
            home_url="",
        )

    def callback_addresses(self, call: Call) -> dict[str, Any]:
        return fine(ip_list=["127.0.0.1"])


def personal(user: User) -> dict[str, Any]:
    """What apps made after 2022-06-20 get by snsapi_privateinfo only."""
    return {
        "gender": user.gender,
        "avatar": user.avatar,
        "thumb_avatar": user.avatar,
        "qr_code": f"https://open.work.weixin.qq.com/wwopen/userQRCode?vcode={user.userid}",
        "mobile": user.mobile,
        "email": user.email,
        "biz_mail": user.biz_mail,
        "address": user.address,
    }


def cursor_at(place: int) -> str:
    return urlsafe_b64encode(f"place:{place}".encode()).decode()


def read_cursor(cursor: str) -> int:
    """A place from an opaque cursor; the empty one is the beginning."""
    if not cursor:
        return 0
    try:
        word, _, place = urlsafe_b64decode(cursor).decode().partition(":")
        if word != "place":
            raise ValueError(word)
        return int(place)
    except (ValueError, Base64Error):
        raise bad("cursor is unknown") from None
