"""What WeCom says when it says no, sorted into the error family. Always HTTP 200, with an `errcode`.

Source: vendor page 全局错误码 and the tables of 提交审批申请, 获取审批申请详情, 批量获取审批单号, 发送应用消息, 更新模版卡片消息.
"""

from __future__ import annotations

from collections.abc import Mapping

from viatica.connectors.errors import (
    AddressNotListed,
    CannotBeReached,
    FormClosed,
    FormRefused,
    PersonUnknown,
    Reading,
    ScopeMissing,
)
from viatica.connectors.tokens import TokenRejected
from viatica.kernel.errors import BadInput, OutsideRefused, OutsideUnavailable, OutsideUnknown
from viatica.kernel.words import N_

SYSTEM = "企业微信"

TOO_OFTEN = 45009
NOT_LISTED = 60020
WINDOW_S = 60.0  # who goes over a limit of a minute is locked out for one; of an hour, for an hour
BUSY_S = 5.0


class WrongSecret(OutsideRefused):
    code = "wecom.wrong_secret"
    message = N_("WeCom does not accept the app's Secret: {said_by}")
    hint = N_("Copy the Secret again from the app's page in the WeCom admin console.")


class WrongCorp(OutsideRefused):
    code = "wecom.wrong_corp"
    message = N_("WeCom does not know this company id: {said_by}")
    hint = N_("Copy the company id again; it stands at the foot of My company in the WeCom admin console.")


class WrongAgent(OutsideRefused):
    code = "wecom.wrong_agent"
    message = N_("The AgentId is not that of the app whose Secret is used: {said_by}")
    hint = N_("Copy AgentId and Secret from the same app's page in the WeCom admin console.")


class BadAgentId(BadInput):
    code = "wecom.bad_agent_id"
    message = N_("AgentId is a number, and “{said}” is none.")
    hint = N_("Copy it again from the app's page in the WeCom admin console.")


class OutOfSight(OutsideRefused):
    code = "wecom.out_of_sight"
    message = N_("The app may not see this person or department in WeCom: {said_by}")
    hint = N_("Widen the app's visible range in the WeCom admin console to whoever travels or approves.")


class NoSuchDepartment(OutsideRefused):
    code = "wecom.no_such_department"
    message = N_("WeCom has no such department: {said_by}")
    hint = N_("Synchronise the directory.")


class MayNotApprove(OutsideRefused):
    """Also said of an applicant outside the visible range."""

    code = "wecom.may_not_approve"
    message = N_("The app may not start approvals for this person in WeCom: {said_by}")
    hint = N_(
        "In the WeCom admin console tick the app under Approvals › API › apps that may call, and include the "
        "applicant in the app's visible range; then replay the message."
    )


class ApprovalsOff(OutsideRefused):
    code = "wecom.approvals_off"
    message = N_("Approvals are switched off in WeCom: {said_by}")
    hint = N_("Switch the Approvals app on in the WeCom admin console, then replay the message.")


class TooManyForms(OutsideRefused):
    """The window holds more forms than one search may."""

    code = "wecom.too_many_forms"


class CodeUsed(OutsideRefused):
    code = "wecom.code_used"
    message = N_("This sign-in was used already, or took too long.")
    hint = N_("Begin again from the sign-in page.")


class DomainNotTrusted(OutsideRefused):
    code = "wecom.domain_not_trusted"
    message = N_("WeCom does not send people back to this address: {said_by}")
    hint = N_("Set this server's domain, with its port, as trusted domain and as callback domain of the app.")


class NoCallback(OutsideRefused):
    """Cards with buttons need an app whose callback address is set."""

    code = "wecom.no_callback"
    message = N_(
        "The app in WeCom has no callback address, so that cards with buttons cannot be sent: {said_by}"
    )
    hint = N_("Set the callback address, Token and EncodingAESKey of the app in the WeCom admin console.")


class TaskTaken(OutsideRefused):
    """A card with this task_id was sent before: perhaps by us, and its answer was lost."""

    code = "wecom.task_taken"


class CannotWithdraw(OutsideRefused):
    code = "wecom.cannot_withdraw"
    message = N_("WeCom lets only the applicant withdraw an approval, and only in WeCom itself.")
    hint = N_("Ask the applicant to open the approval in WeCom and to withdraw it there.")


class CannotComment(OutsideRefused):
    code = "wecom.cannot_comment"
    message = N_("WeCom takes no comments on an approval from outside.")
    hint = N_("Write it in WeCom itself.")


class MessageLimit(OutsideUnavailable):
    """WeCom drops what is over its limits, and says nothing: so it is kept back here."""

    code = "wecom.message_limit"
    message = N_("This person has had as many messages as WeCom delivers in a while ({said_by}).")
    hint = N_("It goes out by itself in a moment.")


READINGS: Mapping[int, Reading] = {
    **dict.fromkeys((40014, 41001, 42001), TokenRejected),
    **dict.fromkeys((TOO_OFTEN, 45033), OutsideUnavailable),
    **dict.fromkeys((-1, 301026, 301057, 620004), OutsideUnknown),
    40001: WrongSecret,
    40013: WrongCorp,
    **dict.fromkeys((40056, 301002), WrongAgent),
    **dict.fromkeys((40003, 46004, 60111), PersonUnknown),
    **dict.fromkeys((60011, 60021), OutOfSight),
    NOT_LISTED: AddressNotListed,
    **dict.fromkeys((60123, 60003), NoSuchDepartment),
    **dict.fromkeys((48002, 301088), ScopeMissing),
    301025: FormRefused,
    301055: MayNotApprove,
    301056: ApprovalsOff,
    301112: TooManyForms,
    **dict.fromkeys((40036, 40037), FormClosed),
    40029: CodeUsed,
    50001: DomainNotTrusted,
    43012: NoCallback,
    42014: TaskTaken,
    81013: CannotBeReached,
}
