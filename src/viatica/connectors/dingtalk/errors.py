"""What DingTalk says when it says no, sorted into the error family.

Source: vendor pages 全局错误码, 调用频次与限流, and each call's own table.
"""

from __future__ import annotations

import re

from viatica.kernel.errors import OutsideRefused, OutsideUnavailable
from viatica.kernel.words import N_

SYSTEM = "钉钉"

QUOTA_PAUSE_S = 6 * 3600.0  # a monthly quota does not come back in minutes, but can be bought any hour
BUSY_PAUSE_S = 1.0
BLOCKED_PAUSE_S = 300.0  # an address that called too often is shut out for five minutes
TERMINATE_BAN_S = 15.0


class FormNotMapped(OutsideRefused):
    code = "dingtalk.form_not_mapped"
    message = N_("The DingTalk form of “{kind}” is not mapped: {missing}.")
    hint = N_("Complete the connection's form mapping, then replay the message.")


class FormDoesNotFit(OutsideRefused):
    code = "dingtalk.form_does_not_fit"
    message = N_("“{what}” holds more than a DingTalk form may ({said_by}).")
    hint = N_("Split the document, or map fewer fields.")


class QuotaUsedUp(OutsideUnavailable):
    code = "dingtalk.quota_used_up"
    message = N_("The company's DingTalk calls of this month are used up.")
    hint = N_("Buy more calls in the DingTalk admin console, or wait for the next month; nothing is lost.")


class TooEarlyToWithdraw(OutsideUnavailable):
    code = "dingtalk.too_early_to_withdraw"
    message = N_("DingTalk does not let an approval be withdrawn in its first 15 seconds.")
    hint = N_("It is withdrawn by itself in a moment.")


class AlreadyEnded(OutsideRefused):
    code = "dingtalk.already_ended"
    message = N_("This approval has already ended in DingTalk.")
    hint = N_("Reload: its outcome is being fetched.")


class NoSuchInstance(OutsideRefused):
    code = "dingtalk.no_such_instance"
    message = N_("DingTalk has no such approval: {said_by}")
    hint = N_("It may have been deleted there; see the document's timeline.")


class TaskExists(OutsideRefused):
    """A to-do with this source id is there already."""

    code = "dingtalk.todo_exists"


class TodoGone(OutsideRefused):
    code = "dingtalk.todo_gone"


TOKEN_BAD_NEW = frozenset({"InvalidAuthentication"})
TOKEN_BAD_OLD = frozenset({40001, 40014, 42001})
QUOTA_NEW = "ApiCountLimitForOrg"
QUOTA_OLD = 90020
RATE_NEW = ("QpsLimit", "QpmLimit", "flowControl", "RateLimit")
RATE_OLD = frozenset({88002, 90002, 90018})
BUSY_NEW = frozenset({"systemError", "system.error", "ServiceUnavailable", "Throttling"})
LOCKED_NEW = "lockError"
# The to-do service tells these apart in words only; an unknown person is neither.
TODO_EXISTS = re.compile(r"(?i)task (already )?exists?|待办已存在")
TODO_GONE = re.compile(r"(?i)task (is )?(not exist|not found)|待办不存在")
BUSY_OLD = frozenset({-1})
NO_USER_OLD = frozenset({33012, 40003, 60111, 60121})
