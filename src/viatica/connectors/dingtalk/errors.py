"""What DingTalk says when it says no, sorted into the error family.

Source: vendor pages 全局错误码, 调用频次与限流, and each call's own table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from viatica.connectors.errors import AlreadyEnded, NoSuchInstance, PersonUnknown, QuotaUsedUp, Reading
from viatica.connectors.tokens import TokenRejected
from viatica.kernel.errors import OutsideRefused, OutsideUnavailable, OutsideUnknown
from viatica.kernel.words import N_

SYSTEM = "钉钉"

BLOCKED_PAUSE_S = 300.0  # an address that called too often is shut out for five minutes
TERMINATE_BAN_S = 15.0


class TooEarlyToWithdraw(OutsideUnavailable):
    code = "dingtalk.too_early_to_withdraw"
    message = N_("DingTalk does not let an approval be withdrawn in its first 15 seconds.")
    hint = N_("It is withdrawn by itself in a moment.")


class TaskExists(OutsideRefused):
    """A to-do with this source id is there already."""

    code = "dingtalk.todo_exists"


class TodoGone(OutsideRefused):
    code = "dingtalk.todo_gone"


class NoSuchTemplate(OutsideRefused):
    code = "dingtalk.no_such_template"


class TemplateExists(OutsideRefused):
    """Another template of the company bears this name."""

    code = "dingtalk.template_exists"


NO_USER_OLD = frozenset({33012, 40003, 60111, 60121})
OLD: Mapping[int, Reading] = {
    **dict.fromkeys((40001, 40014, 42001), TokenRejected),
    **dict.fromkeys((88002, 90002, 90018), OutsideUnavailable),
    90020: QuotaUsedUp,
    -1: OutsideUnknown,
}
NEW: Mapping[str, Reading] = {
    "InvalidAuthentication": TokenRejected,
    **dict.fromkeys(
        ("systemError", "system.error", "ServiceUnavailable", "Throttling", "internalError"), OutsideUnknown
    ),
    "aflowProcessInstStatusException": AlreadyEnded,
    **dict.fromkeys(
        ("aflowProcessInstNotExist", "processInstanceNotExist", "process.inst.notExist"), NoSuchInstance
    ),
    "todo.task.notFound": TodoGone,
    "userNotExist": PersonUnknown,
    # 流程中心
    **dict.fromkeys(("processNotExist", "process.error", "processcode.error"), NoSuchTemplate),
    "formName.error": TemplateExists,
    "integrated.state.invalid": AlreadyEnded,
    "integrated.concurrency.error": OutsideUnavailable,
    "integrated.qps.exceed": QuotaUsedUp,
}
# Codes that only contain what they mean, such as Forbidden.AccessDenied.QpmLimitForAppkeyAndApi.
QUOTA_NEW = "ApiCountLimitForOrg"
RATE_NEW = re.compile(r"QpsLimit|QpmLimit|flowControl|RateLimit|lockError$")
# The to-do service tells these apart in words only; an unknown person is neither.
TODO_EXISTS = re.compile(r"(?i)task (already )?exists?|待办已存在")
TODO_GONE = re.compile(r"(?i)task (is )?(not exist|not found)|待办不存在")


def reading_new(code: str, said: str, *, is_repeatable: bool) -> Reading | None:
    """Of the new generation's codes, which are words."""
    if QUOTA_NEW in code:
        return QuotaUsedUp
    if RATE_NEW.search(code):
        return OutsideUnavailable
    if code == "todo.taskCreate.paramError" and TODO_EXISTS.search(said):
        return TaskExists
    if code.startswith("todo.") and TODO_GONE.search(said):
        return TodoGone
    if code == "internalError" and is_repeatable:
        return None  # so it also says of what it will never do
    return NEW.get(code)
