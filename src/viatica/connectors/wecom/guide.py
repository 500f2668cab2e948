"""Connecting WeCom, in the words of 企业微信管理后台.

Source: vendor pages 回调配置, Web登录组件, 构造网页授权链接, 提交审批申请 (权限说明), 审批申请状态变化回调通知, 全局错误码.
"""

from __future__ import annotations

from viatica.connectors.guide import (
    Address,
    Choice,
    Credential,
    Event,
    FormCode,
    Guide,
    Host,
    Ours,
    Place,
    Term,
)
from viatica.kernel.words import N_

CONSOLE = "https://work.weixin.qq.com/wework_admin/frame#apps"
COMPANY = "https://work.weixin.qq.com/wework_admin/frame#profile"
TOOLS = "https://work.weixin.qq.com/wework_admin/frame"

COMPANY_INFO = Term("企业信息", "Company information")
APP = Term("创建应用", "Create an app")
APP_PAGE = Term("应用详情", "The app's page")
RECEIVING = Term("接收消息 › 设置API接收", "Receive messages › by API")
WEB = Term("网页授权及JS-SDK", "Web authorisation and JS-SDK")
SIGN_IN = Term("企业微信授权登录", "Sign-in with WeCom")
CONTACTS = Term("通讯录同步", "Address book sync")
TRUSTED_IP = Term("企业可信IP", "Trusted addresses")
APPROVAL = Term("审批 › API", "Approvals › API")

_APPS = Term("应用管理", "Apps")
_OWN = Term("自建", "Custom")
_INTERFACES = Term("开发者接口", "Developer interfaces")
_APPROVALS = ("approval", "desk")

GUIDE = Guide(
    product=Term("企业微信", "WeCom"),
    needs=N_(
        "You need to be an administrator of the company in WeCom, and the company needs a domain of its own."
    ),
    places=(
        Place(
            title=COMPANY_INFO,
            url=COMPANY,
            path=(Term("我的企业", "My company"),),
            says=N_("The company's id stands at the foot of this page."),
        ),
        Place(
            title=APP,
            url=CONSOLE,
            path=(_APPS, _OWN),
            says=N_(
                "Create one app for Viatica, visible to everybody who travels or approves: nobody else can apply through it."
            ),
            choices=(Choice(Term("可见范围", "Who sees the app"), Term("全公司", "The whole company")),),
        ),
        Place(
            title=RECEIVING,
            url=CONSOLE,
            path=(_APPS, _OWN, Term("功能", "Functions")),
            says=N_("Have WeCom make the two keys up. Save only after they have been entered here."),
            addresses=(Address(Term("URL", "Address"), Ours.HOOK),),
            events=(
                Event(
                    Term("审批状态通知事件", "State of an approval changed"),
                    "sys_approval_change",
                    ("approval",),
                ),
                Event(
                    Term("审批状态通知事件", "State of an approval of ours changed"),
                    "open_approval_change",
                    ("desk",),
                ),
                Event(
                    Term("模板卡片事件", "A button of a card was pressed"),
                    "template_card_event",
                    ("messages", "desk"),
                ),
            ),
            is_tried_at_once=True,
            uses=(*_APPROVALS, "messages"),
        ),
        Place(
            title=WEB,
            url=CONSOLE,
            path=(_APPS, _OWN, _INTERFACES),
            says=N_("Enter the domain, and prove it is yours with the file WeCom hands out."),
            addresses=(Address(Term("可信域名", "Trusted domain"), Ours.HOST),),
            uses=("sign_in", "desk"),
        ),
        Place(
            title=SIGN_IN,
            url=CONSOLE,
            path=(_APPS, _OWN, _INTERFACES),
            says=N_(
                "Under web pages set the domain a browser comes back to, with its port and without https://."
            ),
            addresses=(Address(Term("授权回调域", "Callback domain"), Ours.HOST),),
            uses=("sign_in",),
        ),
        Place(
            title=TRUSTED_IP,
            url=CONSOLE,
            path=(_APPS, _OWN, _INTERFACES),
            says=N_(
                "Add the address this server calls from; a refusal in the live check names it (from ip). "
                "It counts a minute later, and can be set only after a domain or a callback address."
            ),
        ),
        Place(
            title=APPROVAL,
            url=CONSOLE,
            path=(_APPS,),
            says=N_("Let the app call the approvals, and have its server told of them."),
            choices=(
                Choice(Term("可调用接口的应用", "Apps that may call"), Term("勾选本应用", "Tick this app")),
                Choice(
                    Term("接收事件服务器", "Servers told of events"),
                    Term("勾选本应用与模板", "Tick this app and the templates"),
                ),
            ),
            uses=("approval",),
        ),
        Place(
            title=CONTACTS,
            url=TOOLS,
            path=(Term("管理工具", "Tools"),),
            says=N_(
                "Optional: WeCom tells changes of people only here. Without it they arrive with the nightly run. "
                "Save only after its two keys have been entered here."
            ),
            addresses=(Address(Term("URL", "Address"), Ours.HOOK),),
            events=(Event(Term("通讯录变更事件", "The address book changed"), "change_contact"),),
            is_tried_at_once=True,
            uses=("directory",),
        ),
    ),
    credentials=(
        Credential(
            "corp_id",
            Term("企业ID", "Company id"),
            COMPANY_INFO,
            is_secret=False,
            shape=r"w[wx][0-9A-Za-z]+",
            looks=N_("begins with ww"),
        ),
        Credential(
            "agent_id",
            Term("AgentId", "the app, as a number"),
            APP_PAGE,
            is_secret=False,
            shape=r"\d{1,20}",
            looks=N_("digits only"),
        ),
        Credential("secret", Term("Secret", "the app's secret"), APP_PAGE),
        Credential(
            "token",
            Term("Token"),
            RECEIVING,
            is_required=False,
            shape=r"[0-9A-Za-z]{1,32}",
            looks=N_("1 to 32 letters and digits"),
            help=N_("Without it decisions made over there arrive by the hourly comparison only."),
        ),
        Credential(
            "aes_key",
            Term("EncodingAESKey"),
            RECEIVING,
            is_required=False,
            shape=r"[0-9A-Za-z]{43}",
            looks=N_("43 letters and digits"),
        ),
        Credential(
            "contacts_token",
            Term("通讯录同步 Token", "Token of the address book sync"),
            CONTACTS,
            is_required=False,
            uses=("directory",),
            shape=r"[0-9A-Za-z]{1,32}",
            looks=N_("1 to 32 letters and digits"),
        ),
        Credential(
            "contacts_aes_key",
            Term("通讯录同步 EncodingAESKey", "EncodingAESKey of the address book sync"),
            CONTACTS,
            is_required=False,
            uses=("directory",),
            shape=r"[0-9A-Za-z]{43}",
            looks=N_("43 letters and digits"),
        ),
    ),
    form_code=FormCode(
        Term("模板id", "the template's id"),
        N_("It stands in the address of the page on which the template is edited."),
        r"templateId=([0-9A-Za-z_-]+)",
    ),
    hosts=(
        Host("base_url", N_("Address of the API"), "https://qyapi.weixin.qq.com"),
        Host(
            "authorize_url",
            N_("Address of sign-in in its client"),
            "https://open.weixin.qq.com/connect/oauth2/authorize",
        ),
        Host(
            "sso_url",
            N_("Address of sign-in in a browser"),
            "https://login.work.weixin.qq.com/wwlogin/sso/login",
        ),
    ),
)
