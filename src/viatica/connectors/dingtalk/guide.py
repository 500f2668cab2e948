"""Connecting DingTalk, in the words of 钉钉开发者后台.

Source: vendor pages 权限管理, 配置事件推送方式, 事件订阅 概述, 实现网页方式登录应用, and each call's own 权限要求.
"""

from __future__ import annotations

from viatica.connectors.guide import (
    Address,
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

CONSOLE = "https://open-dev.dingtalk.com/"
APPROVALS = "https://oa.dingtalk.com/"

APP = Term("创建应用", "Create an app")
BASICS = Term("凭证与基础信息", "Credentials and basic information")
WEB_APP = Term("网页应用", "Web app")
PERMISSIONS = Term("权限管理", "Permissions")
SUBSCRIPTION = Term("事件订阅", "Event subscription")
SECURITY = Term("安全设置", "Security settings")
RELEASE = Term("版本管理与发布", "Versions and release")
TEMPLATES = Term("OA审批", "OA approval")

_DEVELOPMENT = Term("开发配置", "Development")
_APPROVALS = ("approval", "desk")
_PEOPLE = ("directory", "sign_in")
_HEARD = ("approval", "directory")
_EVENTS = (
    Event(
        Term("审批实例开始、结束、终止、删除", "Approval started, ended, stopped, deleted"),
        "bpms_instance_change",
        ("approval",),
    ),
    Event(
        Term("审批任务开始，结束，转交", "Approval task started, ended, handed over"),
        "bpms_task_change",
        ("approval",),
    ),
    Event(Term("通讯录用户增加", "Member added"), "user_add_org", ("directory",)),
    Event(Term("通讯录用户更改", "Member changed"), "user_modify_org", ("directory",)),
    Event(Term("通讯录用户离职", "Member left"), "user_leave_org", ("directory",)),
    Event(Term("通讯录企业部门创建", "Department created"), "org_dept_create", ("directory",)),
    Event(Term("通讯录企业部门修改", "Department changed"), "org_dept_modify", ("directory",)),
    Event(Term("通讯录企业部门删除", "Department removed"), "org_dept_remove", ("directory",)),
)

GUIDE = Guide(
    product=Term("钉钉", "DingTalk"),
    needs=N_("You need to be an administrator of the organisation with developer rights in DingTalk."),
    places=(
        Place(
            title=APP,
            url=CONSOLE,
            path=(Term("应用开发", "App development"), Term("企业内部应用", "Enterprise-internal apps")),
            says=N_("Create one app for Viatica. Everything below is set on its pages."),
        ),
        Place(
            title=BASICS,
            url=CONSOLE,
            path=(Term("基础信息", "Basics"),),
            says=N_("Keep this page open: the next step asks for what it shows."),
        ),
        Place(
            title=WEB_APP,
            url=CONSOLE,
            path=(Term("应用能力", "App abilities"), Term("添加应用能力", "Add an ability")),
            says=N_("Add this ability, so that people open Viatica from the workbench, already signed in."),
            addresses=(
                Address(Term("应用首页地址", "Home page"), Ours.INSIDE),
                Address(Term("PC端首页地址", "Home page on a computer"), Ours.INSIDE),
            ),
            uses=("sign_in",),
        ),
        Place(
            title=PERMISSIONS,
            url=CONSOLE,
            path=(_DEVELOPMENT,),
            says=N_(
                "Search for each code, and request it. Let the scope of the interfaces be all employees."
            ),
            permissions=(
                Permission(
                    Term("工作流模板读权限", "Read workflow templates"), "Workflow.Form.Read", _APPROVALS
                ),
                Permission(
                    Term("工作流模板写权限", "Write workflow templates"), "Workflow.Form.Write", ("desk",)
                ),
                Permission(
                    Term("工作流实例读权限", "Read workflow instances"), "Workflow.Instance.Read", _APPROVALS
                ),
                Permission(
                    Term("工作流实例写权限", "Write workflow instances"),
                    "Workflow.Instance.Write",
                    _APPROVALS,
                ),
                Permission(Term("待办应用中待办读权限", "Read to-dos"), "Todo.Todo.Read", ("todo",)),
                Permission(Term("待办应用中待办写权限", "Write to-dos"), "Todo.Todo.Write", ("todo",)),
                Permission(
                    Term("通讯录部门信息读权限", "Read departments"),
                    "qyapi_get_department_list",
                    ("directory",),
                ),
                Permission(
                    Term("通讯录部门成员读权限", "Read the members of departments"),
                    "qyapi_get_department_member",
                    ("directory",),
                ),
                Permission(Term("成员信息读权限", "Read members"), "qyapi_get_member", _PEOPLE),
                Permission(
                    Term("企业员工手机号信息", "Mobile numbers of employees"), "fieldMobile", ("directory",)
                ),
                Permission(Term("邮箱等个人信息", "E-mail addresses"), "fieldEmail", ("directory",)),
                Permission(
                    Term("通讯录个人信息读权限", "Read one's own profile"), "Contact.User.Read", ("sign_in",)
                ),
            ),
            choices=(
                Choice(
                    Term("权限范围", "Scope of the permissions"),
                    Term("全部员工", "All employees"),
                    ("directory",),
                ),
            ),
        ),
        Place(
            title=SUBSCRIPTION,
            url=CONSOLE,
            path=(_DEVELOPMENT,),
            says=N_("Have DingTalk make the two keys up. Save only after they have been entered here."),
            choices=(Choice(Term("推送方式", "How to push"), Term("HTTP推送", "HTTP push")),),
            addresses=(Address(Term("请求网址", "Request address"), Ours.HOOK),),
            events=_EVENTS,
            is_tried_at_once=True,
            uses=_HEARD,
            only=Hears.CALLBACKS,
        ),
        Place(
            title=SUBSCRIPTION,
            url=CONSOLE,
            path=(_DEVELOPMENT,),
            says=N_("DingTalk tells over a line this server opens, so no address of ours is needed."),
            choices=(Choice(Term("推送方式", "How to push"), Term("Stream模式推送", "Stream mode")),),
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
                "If a list of addresses is kept under 服务器出口IP, add the one this server calls from; "
                "a refusal in the live check names it."
            ),
            addresses=(
                Address(Term("重定向URL（回调域名）", "Redirect URL"), Ours.SIGN_IN_BACK, ("sign_in",)),
                Address(Term("端内免登地址", "Sign-in inside the client"), Ours.INSIDE, ("sign_in",)),
            ),
        ),
        Place(
            title=RELEASE,
            url=CONSOLE,
            path=(Term("应用发布", "Release"),),
            says=N_(
                "Release a version visible to everybody who travels or approves; until then nothing counts."
            ),
            choices=(Choice(Term("应用可见范围", "Who sees the app"), Term("全部员工", "All employees")),),
        ),
        Place(
            title=TEMPLATES,
            url=APPROVALS,
            path=(Term("工作台", "Workbench"),),
            says=N_(
                "Make one template for reports and one for trips, each with a text component for our number. "
                "The built-in suites for travel and expenses cannot be started by a server."
            ),
            choices=(
                Choice(
                    Term("允许提交人撤销", "The applicant may withdraw"), Term("开启", "On"), ("approval",)
                ),
            ),
            uses=("approval",),
        ),
    ),
    credentials=(
        Credential("app_key", Term("Client ID（原 AppKey）", "formerly AppKey"), BASICS, is_secret=False),
        Credential("app_secret", Term("Client Secret（原 AppSecret）", "formerly AppSecret"), BASICS),
        Credential(
            "corp_id",
            Term("CorpId", "the organisation"),
            Term("开发者后台首页", "Front page of the console"),
            is_secret=False,
            uses=("sign_in", "desk"),
        ),
        Credential(
            "agent_id",
            Term("AgentId（原企业内部应用AgentId）", "the app, as a number"),
            BASICS,
            is_secret=False,
            uses=("messages",),
            shape=r"\d{1,20}",
            looks=N_("digits only"),
        ),
        Credential(
            "token",
            Term("签名 token", "Signing token"),
            SUBSCRIPTION,
            is_required=False,
            only=Hears.CALLBACKS,
            shape=r"[0-9A-Za-z]{3,32}",
            looks=N_("3 to 32 letters and digits"),
            help=N_("Without it decisions made over there arrive by the hourly comparison only."),
        ),
        Credential(
            "aes_key",
            Term("加密 aes_key", "Encryption key"),
            SUBSCRIPTION,
            is_required=False,
            only=Hears.CALLBACKS,
            shape=r"[0-9A-Za-z]{43}",
            looks=N_("43 letters and digits"),
        ),
    ),
    form_code=FormCode(
        Term("processCode", "the template's code"),
        N_("It stands in the address of the page on which the template is edited: processCode=PROC-…"),
        r"processCode=([0-9A-Za-z-]+)",
    ),
    hosts=(
        Host("base_url", N_("Address of the API"), "https://api.dingtalk.com"),
        Host("oapi_base_url", N_("Address of the older API"), "https://oapi.dingtalk.com"),
        Host("login_url", N_("Address of the sign-in"), "https://login.dingtalk.com"),
    ),
)
