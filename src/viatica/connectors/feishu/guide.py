"""Connecting Feishu, in the words of 飞书开发者后台.

Source: vendor pages 申请 API 权限, 将事件发送至开发者服务器, 配置重定向 URL, and each call's own 权限要求.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from viatica.connectors.guide import (
    Address,
    Bulk,
    Choice,
    Credential,
    Event,
    FormCode,
    Guide,
    Hears,
    Host,
    Ours,
    Permission,
    Place,
    Term,
)
from viatica.kernel.words import N_

CONSOLE = "https://open.feishu.cn/app"
APPROVALS = "https://www.feishu.cn/approval/admin/approvalList?devMode=on"

APP = Term("创建企业自建应用", "Create a custom app")
BASICS = Term("凭证与基础信息", "Credentials and basic information")
ABILITIES = Term("添加应用能力", "Add app abilities")
PERMISSIONS = Term("权限管理", "Permissions")
EVENTS = Term("事件与回调", "Events and callbacks")
SECURITY = Term("安全设置", "Security settings")
RELEASE = Term("版本管理与发布", "Versions and release")
TEMPLATES = Term("审批管理后台", "Approval console")

_DEVELOPMENT = Term("开发配置", "Development")
_APPROVALS = ("approval", "desk")
_CARDS = ("messages", "desk")
_PEOPLE = ("directory", "sign_in")


def _import(codes: Sequence[str]) -> str:
    return json.dumps({"scopes": {"tenant": list(codes), "user": []}}, indent=2)


_HEARD = (*_APPROVALS, "messages", "directory")
_EVENTS = (
    Event(
        Term("审批实例状态变更", "State of an approval changed"),
        "approval_instance",
        ("approval",),
    ),
    Event(
        Term("审批任务状态变更", "State of an approval task changed"),
        "approval_task",
        ("approval",),
    ),
    Event(
        Term("审批抄送状态变更", "State of an approval copy changed"),
        "approval_cc",
        ("approval",),
    ),
    Event(Term("员工入职", "Member joined"), "contact.user.created_v3", ("directory",)),
    Event(Term("员工信息变化", "Member changed"), "contact.user.updated_v3", ("directory",)),
    Event(Term("员工离职", "Member left"), "contact.user.deleted_v3", ("directory",)),
    Event(Term("部门创建", "Department created"), "contact.department.created_v3", ("directory",)),
    Event(
        Term("部门信息变化", "Department changed"),
        "contact.department.updated_v3",
        ("directory",),
    ),
    Event(Term("部门删除", "Department removed"), "contact.department.deleted_v3", ("directory",)),
    Event(
        Term("通讯录授权范围变化", "Reach into the directory changed"),
        "contact.scope.updated_v3",
        ("directory",),
    ),
    Event(Term("卡片回传交互", "A button of a card was pressed"), "card.action.trigger", _CARDS),
)

GUIDE = Guide(
    product=Term("飞书", "Feishu"),
    needs=N_("You need to be an administrator of the company in Feishu, or to have one approve the app."),
    places=(
        Place(
            title=APP,
            url=CONSOLE,
            says=N_("Create one app for Viatica. Everything below is set on its pages."),
        ),
        Place(
            title=BASICS,
            url=CONSOLE,
            says=N_("Keep this page open: the next step asks for what it shows."),
        ),
        Place(
            title=ABILITIES,
            url=CONSOLE,
            says=N_("Add what is named here."),
            choices=(
                Choice(Term("机器人", "Bot"), Term("添加", "Add"), _CARDS),
                Choice(Term("网页应用", "Web app"), Term("添加", "Add"), ("sign_in",)),
            ),
            addresses=(
                Address(Term("桌面端主页", "Home page on a computer"), Ours.INSIDE, ("sign_in",)),
                Address(Term("移动端主页", "Home page on a phone"), Ours.INSIDE, ("sign_in",)),
            ),
            uses=(*_CARDS, "sign_in"),
        ),
        Place(
            title=PERMISSIONS,
            url=CONSOLE,
            path=(_DEVELOPMENT,),
            says=N_("Import all of them at once, or search for each code."),
            bulk=Bulk(Term("批量导入/导出权限", "Import or export in bulk"), _import),
            permissions=(
                Permission(
                    Term("查看、创建、更新、删除审批应用相关信息", "Read and write approvals"),
                    "approval:approval",
                    _APPROVALS,
                ),
                Permission(
                    Term("获取通讯录基本信息", "Basic information of the directory"),
                    "contact:contact.base:readonly",
                    _PEOPLE,
                ),
                Permission(
                    Term("获取部门基础信息", "Basic information of departments"),
                    "contact:department.base:readonly",
                    ("directory",),
                ),
                Permission(
                    Term("获取部门组织架构信息", "The tree of departments"),
                    "contact:department.organize:readonly",
                    ("directory",),
                ),
                Permission(
                    Term("获取用户基本信息", "Names of members"), "contact:user.base:readonly", _PEOPLE
                ),
                Permission(Term("获取用户 user ID", "Ids of members"), "contact:user.employee_id:readonly"),
                Permission(
                    Term("获取用户组织架构信息", "Departments and superiors of members"),
                    "contact:user.department:readonly",
                    ("directory",),
                ),
                Permission(
                    Term("获取用户受雇信息", "Employment of members"),
                    "contact:user.employee:readonly",
                    ("directory",),
                ),
                Permission(
                    Term("查看成员工号", "Employee numbers"),
                    "contact:user.employee_number:read",
                    ("directory",),
                ),
                Permission(
                    Term("获取用户手机号", "Mobile numbers"), "contact:user.phone:readonly", ("directory",)
                ),
                Permission(
                    Term("获取用户邮箱信息", "E-mail addresses"),
                    "contact:user.email:readonly",
                    ("directory",),
                ),
                Permission(Term("以应用的身份发消息", "Send messages"), "im:message:send_as_bot", _CARDS),
                Permission(Term("更新消息", "Update messages"), "im:message:update", _CARDS),
            ),
            choices=(
                Choice(
                    Term("数据权限 · 通讯录权限范围", "Reach into the directory"),
                    Term("全部成员", "All members"),
                    ("directory",),
                ),
            ),
        ),
        Place(
            title=EVENTS,
            url=CONSOLE,
            path=(_DEVELOPMENT,),
            says=N_(
                "Set an Encrypt Key under 加密策略 first, and enter both keys here; "
                "then save the address, which Feishu tries at once."
            ),
            choices=(
                Choice(
                    Term("订阅方式", "How to subscribe"),
                    Term("将事件发送至开发者服务器", "Send events to a server"),
                ),
            ),
            addresses=(
                Address(Term("事件配置 · 请求地址", "Events: request address"), Ours.HOOK),
                Address(Term("回调配置 · 请求地址", "Callbacks: request address"), Ours.HOOK, _CARDS),
            ),
            events=_EVENTS,
            is_tried_at_once=True,
            uses=_HEARD,
            only=Hears.CALLBACKS,
        ),
        Place(
            title=EVENTS,
            url=CONSOLE,
            path=(_DEVELOPMENT,),
            says=N_(
                "Feishu tells over a line this server opens, so no address of ours is needed. "
                "Choose it for the events and for the callbacks."
            ),
            choices=(
                Choice(
                    Term("订阅方式", "How to subscribe"),
                    Term("使用长连接接收事件", "Events over a long connection"),
                ),
                Choice(
                    Term("回调订阅方式", "How to subscribe callbacks"),
                    Term("使用长连接接收回调", "Callbacks over a long connection"),
                    _CARDS,
                ),
            ),
            events=_EVENTS,
            is_tried_at_once=True,
            uses=_HEARD,
            only=Hears.LONG_CONNECTION,
        ),
        Place(
            title=SECURITY,
            url=CONSOLE,
            path=(_DEVELOPMENT,),
            says=N_(
                "If a list of addresses is kept under IP 白名单, add the one this server calls from; "
                "a refusal in the live check names it."
            ),
            addresses=(Address(Term("重定向 URL", "Redirect URL"), Ours.SIGN_IN_BACK, ("sign_in",)),),
        ),
        Place(
            title=RELEASE,
            url=CONSOLE,
            path=(Term("应用发布", "Release"),),
            says=N_(
                "Release a version visible to everybody who travels or approves; until then nothing counts."
            ),
            choices=(Choice(Term("可用范围", "Who may use it"), Term("全部成员", "All members")),),
        ),
        Place(
            title=TEMPLATES,
            url=APPROVALS,
            says=N_(
                "Make one approval for reports and one for trips, and let the applicant withdraw. "
                "Leave out the trip group of widgets (出差控件组): no server can fill it."
            ),
            uses=("approval",),
        ),
    ),
    credentials=(
        Credential(
            "app_id",
            Term("App ID"),
            BASICS,
            is_secret=False,
            shape=r"cli_[0-9A-Za-z]+",
            looks=N_("begins with cli_"),
        ),
        Credential("app_secret", Term("App Secret"), BASICS),
        Credential(
            "verification_token",
            Term("Verification Token"),
            Term("事件与回调 › 加密策略", "Events and callbacks › Encryption"),
            is_required=False,
            only=Hears.CALLBACKS,
            help=N_("Without it decisions made over there arrive by the hourly comparison only."),
        ),
        Credential(
            "encrypt_key",
            Term("Encrypt Key"),
            Term("事件与回调 › 加密策略", "Events and callbacks › Encryption"),
            is_required=False,
            only=Hears.CALLBACKS,
            help=N_("Without it callbacks are neither signed nor encrypted."),
        ),
    ),
    form_code=FormCode(
        Term("Approval Code", "the approval's code"),
        N_("It stands in the address of the page on which the approval is edited: definitionCode=…"),
        r"definitionCode=([0-9A-Za-z-]+)",
    ),
    hosts=(
        Host("base_url", N_("Address of the API"), "https://open.feishu.cn"),
        Host("login_url", N_("Address of the sign-in"), "https://accounts.feishu.cn"),
        Host("upload_url", N_("Address for uploads"), "https://www.feishu.cn"),
    ),
)
