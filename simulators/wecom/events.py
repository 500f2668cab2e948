"""What is told about approvals: sys_approval_change of 审批应用, open_approval_change of the app's own engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulators.wecom.approval import Change, Comment, Form, Node, Sub
from simulators.wecom.company import Company
from simulators.wecom.forms import StepKind
from simulators.wecom.settings import Identity, Settings

APPROVAL_AGENT = 3010040  # of 审批应用 itself, not of the app that hears
HOW = {StepKind.USERS: 1, StepKind.TAG: 2, StepKind.SUPERIOR: 3, StepKind.SELF_SELECT: 1}
UNTOLD_BY_ENGINE = (Change.URGED, Change.COMMENTED)

Emit = Callable[[str, str, str, dict[str, Any]], None]


@dataclass(slots=True)
class Herald:
    company: Company
    identity: Identity
    settings: Settings
    emit: Emit  # kind, lane, FromUserName, fields after the header

    def tell(self, form: Form, change: Change) -> None:
        if form.is_engine:
            if change not in UNTOLD_BY_ENGINE:
                fields = {"AgentID": self.identity.agent_id, "ApprovalInfo": self.engine_info(form)}
                self.emit("open_approval_change", form.no, "sys", fields)
            return
        fields = {"AgentID": APPROVAL_AGENT, "ApprovalInfo": approval_info(form, change)}
        self.emit("sys_approval_change", form.no, "sys", fields)

    def engine_info(self, form: Form) -> dict[str, Any]:
        """The two official pages spell this differently; `engine_spelling` says which is followed."""
        is_engine_page = self.settings.engine_spelling == "engine_page"
        info: dict[str, Any] = {
            "ThirdNo": form.no,
            "OpenSpName": form.name,
            "OpenTemplateId": form.template_id,
            "OpenSpStatus": form.status,
            "ApplyTime": form.created_ms // 1000,
            "ApplyUserName": self.company.name(form.applicant),
            "ApplyUserId": form.applicant,
            "ApplyUserParty": self.company.department_name(form.dept_id),
            "ApplyUserImage": self._image(form.applicant),
            "ApprovalNodes": {
                "ApprovalNode": [
                    self._engine_node(node, is_engine_page) for node in form.nodes if node.type != 2
                ]
            },
            "NotifyNodes": {"NotifyNode": [self._named(userid, is_engine_page) for userid in form.notifyers]},
        }
        info["ApproverStep" if is_engine_page else "approverstep"] = step(form)
        return info

    def _engine_node(self, node: Node, is_engine_page: bool) -> dict[str, Any]:
        items = [
            self._named(sub.userid, is_engine_page)
            | {"ItemStatus": sub.deed, "ItemSpeech": sub.speech, "ItemOpTime": sub.at_ms // 1000}
            for sub in node.subs
        ]
        return {
            "NodeStatus": node.status,
            "NodeAttr": attr(node),
            "NodeType": HOW[node.how],
            "Items": {"Item": items},
        }

    def _named(self, userid: str, is_engine_page: bool) -> dict[str, Any]:
        name, image = self.company.name(userid), self._image(userid)
        if not is_engine_page:
            return {"ItemName": name, "ItemUserId": userid, "ItemImage": image}
        return {"ItemName": name, "ItemUserid": userid, "ItemParty": self._party(userid), "ItemImage": image}

    def _party(self, userid: str) -> str:
        user = self.company.users.get(userid)
        return self.company.department_name(user.main_department) if user else ""

    def _image(self, userid: str) -> str:
        user = self.company.users.get(userid)
        return user.avatar if user else ""

    def engine_data(self, form: Form) -> dict[str, Any]:
        """The answer of getopenapprovaldata, in the spelling of its sample (a third one)."""
        return {
            "ThirdNo": form.no,
            "OpenTemplateId": form.template_id,
            "OpenSpName": form.name,
            "OpenSpstatus": form.status,
            "ApplyTime": form.created_ms // 1000,
            "ApplyUsername": self.company.name(form.applicant),
            "ApplyUserParty": self.company.department_name(form.dept_id),
            "ApplyUserImage": self._image(form.applicant),
            "ApplyUserId": form.applicant,
            "ApprovalNodes": {
                "ApprovalNode": [self._queried_node(node) for node in form.nodes if node.type != 2]
            },
            "NotifyNodes": {"NotifyNode": [self._queried(userid) for userid in form.notifyers]},
            "ApproverStep": step(form),
        }

    def _queried_node(self, node: Node) -> dict[str, Any]:
        items = [
            self._queried(sub.userid)
            | {"ItemStatus": sub.deed, "ItemSpeech": sub.speech, "ItemOpTime": sub.at_ms // 1000}
            for sub in node.subs
        ]
        return {
            "NodeStatus": node.status,
            "NodeAttr": attr(node),
            "NodeType": HOW[node.how],
            "Items": {"Item": items},
        }

    def _queried(self, userid: str) -> dict[str, Any]:
        return {
            "ItemName": self.company.name(userid),
            "ItemParty": self._party(userid),
            "ItemImage": self._image(userid),
            "ItemUserId": userid,
        }


def approval_info(form: Form, change: Change) -> dict[str, Any]:
    info: dict[str, Any] = {
        "SpNoStr": form.no,
        "SpNo": int(form.no),
        "SpName": form.name,
        "SpStatus": form.status,
        "TemplateId": form.template_id,
        "ApplyTime": form.created_ms // 1000,
        "Applyer": {"UserId": form.applicant, "Party": str(form.dept_id)},
        "SpRecord": [_record(node) for node in form.nodes if node.type == 1],
        "Notifyer": [{"UserId": userid} for userid in form.notifyers],
        "ProcessList": {"NodeList": [_node(node) for node in form.nodes]},
        "Comments": [_comment(comment) for comment in form.comments],
        "StatuChangeEvent": change,
    }
    return info


def _record(node: Node) -> dict[str, Any]:
    details = [
        {
            "Approver": {"UserId": sub.userid},
            "Speech": sub.speech,
            "SpStatus": sub.deed,
            "SpTime": sub.at_ms // 1000,
        }
        for sub in node.subs
    ]
    return {"SpStatus": node.status, "ApproverAttr": attr(node), "Details": details}


def _node(node: Node) -> dict[str, Any]:
    return {
        "NodeType": node.type,
        "SpStatus": node.status,
        "ApvRel": node.rel,
        "SubNodeList": [_sub(sub) for sub in node.subs],
    }


def _sub(sub: Sub) -> dict[str, Any]:
    return {
        "UserInfo": {"UserId": sub.userid},
        "Speech": sub.speech,
        "SpYj": sub.deed,
        "Sptime": sub.at_ms // 1000,
    }


def _comment(comment: Comment) -> dict[str, Any]:
    return {
        "CommentUserInfo": {"UserId": comment.userid},
        "CommentTime": comment.at_ms // 1000,
        "CommentContent": comment.text,
        "CommentId": comment.id,
    }


def attr(node: Node) -> int:
    """1 OR, 2 AND: the other way round than apv_rel."""
    return 1 if node.rel == 2 else 2


def step(form: Form) -> int:
    """Counted from 0 over the deciding nodes; the number of them once all have decided."""
    return sum(1 for node in form.nodes[: form.place] if node.type != 2)
