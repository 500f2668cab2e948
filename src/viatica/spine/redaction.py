"""Keeping secrets and personal numbers out of logs, errors and stored exchanges.

What is named like a secret is hidden wherever it stands: JSON, JSON inside JSON strings, forms, queries, headers, XML,
running text. So are the secrets a caller names, and numbers that can only be a mobile, an identity card or a bank card.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import Any, overload
from urllib.parse import parse_qsl, quote, quote_plus

from pydantic_core import from_json

HIDDEN = "…"
SHORTEST = 6  # a shorter “secret” would blot out ordinary words
WINDOW = 16 * 1024  # of a long body, this much is read at all
KEPT = 4 * 1024  # and this much is shown
BINARY = re.compile(r"image/|audio/|video/|font/|application/(?:pdf|zip|octet-stream|vnd\.|x-7z|gzip)")

_SECRET = re.compile(
    r"token|secret|passw|pwd$|credential|authorization|cookie|signature|ticket$|verifier|assertion"
    r"|(?:private|access|api|aes|encrypt|encoding)(?:aes)?key|session(?:id|key)|^(?:sign|sig|auth)$"
    r"|密码|密钥|令牌|口令"
)
# Cursors of pages, kinds and lifetimes of tokens are no secrets.
_HARMLESS = re.compile(r"^(?:next|page|nextpage|newnext)token$|token(?:type|types|expire|expires|expiresin)$")
_PERSONAL = re.compile(
    r"(?:mobile|mobiles|phone|phoneno|phonenumber|mail|emails|nationalnumber|idcard|idcardno|idcardnumber|certno"
    r"|certnumber|passport|passportno|passportnumber|bankcard|bankcardno|bankaccount|bankaccountno|accountno"
    r"|accountnumber|cardno|cardnumber)$|^(?:tel|idno|idnumber)$"
    r"|手机|电话|身份证|证件号|护照|银行卡|银行账|卡号|账号|帐号|邮箱"
)
# Codes that buy a session, in what is asked; in an answer, `code` is the product's word for what went wrong.
_BUYS_A_SESSION = frozenset({"code", "authcode", "tmpauthcode", "tmpcode", "usercode", "oauthcode", "jscode"})
# Keys whose value is a label, and keys whose value is what the label names.
_LABELS = ("name", "label", "key", "title", "fieldKey")
_LABELLED = ("value", "text", "fieldValue", "ext_value", "extValue")

# Looked for before anything slower is done: most bodies have none of them.
_SIGNS = (
    "token", "secret", "passw", "pwd", "credential", "authorization", "cookie", "signature", "ticket", "verifier",
    "assertion", "tekey", "te_key", "sskey", "ss_key", "ikey", "i_key", "eskey", "es_key", "ptkey", "pt_key",
    "te-key", "ss-key", "i-key", "sessionid", "session_id", "sessionkey", "session_key", "session-", "ingkey",
    "bearer", "eyj", "\"sign", "sign=", "sig=", "\"sig", "\"auth\"", "auth=",
    "mobile", "phone", "mail", "nationalnumber", "card", "cert", "passport", "account", "\"tel\"", "tel=", "<tel",
    "idno", "id_no", "idnumber", "id_number", "<sig", "<auth",
    "密码", "密钥", "令牌", "口令", "手机", "电话", "证", "护照", "银行", "卡号", "账号", "帐号", "邮箱",
)  # fmt: skip
_SIGNS_OF_CODES = (
    '"code',
    "?code=",
    "&code=",
    "code%3d",
    "hcode",
    "h_code",
    "pcode",
    "rcode",
    "r_code",
    "jscode",
)

_NAME = re.compile(
    r"(?:(?<![\w.-])|(?<=%[0-9A-Fa-f]{2}))([\w.-]{1,80})(?:\\*[\"']|%22)?\s*(?:=>|[:=]|%3[AaDd])\s*"
    r"|<([\w.:-]{1,80})(?:\s[^<>]*)?>"
)
_VALUE = re.compile(
    r"(?P<open>\\*[\"'])(?P<quoted>.*?)(?:(?<!\\)(?P=open)|\Z)"
    r"|<!\[CDATA\[.*?(?:\]\]>|\Z)"
    r"|\[[^\]]*\]?|\{[^}]*\}?"
    r"|(?:(?:bearer|basic)\s+)?[^\s&\"'<>;,)}\]\\]+",
    re.IGNORECASE | re.DOTALL,
)
_TOKENS = re.compile(r"(?i:\bbearer\s+)[^\s\"',;]+|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|\b[tua]-[\w.-]{20,}")

_ESCAPES = re.compile(r"\\+u(?!00[01][0-9a-fA-F]|0022|005[cC]|[dD][89a-fA-F])([0-9a-fA-F]{4})")

_EDGE, _END = r"(?<![0-9A-Za-z_])", r"(?![0-9A-Za-z_])"
_NUMBERS = re.compile(
    _EDGE
    + r"(?:(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}"
    + r"|[1-9]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx]"
    + r"|(?P<card>62\d{14,17}))"
    + _END
)
_LOOKS_LIKE_ONE = re.compile(r"\d{11}|\d{3}[- ]\d{4}|\d{7}[- ]\d{4}")
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")


@overload
def redact(data: str, secrets: Iterable[str] = (), *, is_asked: bool = False) -> str: ...
@overload
def redact(data: Any, secrets: Iterable[str] = (), *, is_asked: bool = False) -> Any: ...
def redact(data: Any, secrets: Iterable[str] = (), *, is_asked: bool = False) -> Any:
    """`data` (JSON or text) without what is named like a secret, and without the `secrets` themselves.

    `is_asked`: it is what we ask, where a `code` buys a session.
    """
    known = _spellings(tuple(secrets))
    return _text(data, known, is_asked) if isinstance(data, str) else _walk(data, known, is_asked)


def body(data: bytes, media_type: str, secrets: Iterable[str] = (), *, is_asked: bool = False) -> str:
    """A request's or answer's body as people may read it: redacted, cut; what is no text by its size."""
    if not data:
        return ""
    if BINARY.match(media_type) or b"\0" in data[:1024]:
        return f"[{len(data)} bytes, {media_type or 'binary'}]"
    known = _spellings(tuple(secrets))
    text = _hide_known(_unescaped(data[:WINDOW].decode("utf-8", "replace")), known)
    is_cut = len(data) > WINDOW
    if is_cut:
        text = _without_torn_end(text, known)
    if media_type.startswith("application/x-www-form-urlencoded"):
        text = _form(text, known, is_asked)
    text = _text(text, known, is_asked)
    return f"{text[:KEPT]}{HIDDEN} [{len(data)} bytes]" if is_cut or len(text) > KEPT else text


def pairs(
    values: Mapping[str, Any], secrets: Iterable[str] = (), *, is_asked: bool = False
) -> dict[str, str]:
    """Query parameters or headers, as text."""
    known = _spellings(tuple(secrets))
    return {
        name: HIDDEN if _is_hidden(name, is_asked) else _text(str(value), known, is_asked)
        for name, value in values.items()
    }


def _form(text: str, known: tuple[str, ...], is_asked: bool) -> str:
    """One line a field, as it was before it was encoded."""
    fields = parse_qsl(text, keep_blank_values=True)
    return "\n".join(
        f"{name}={HIDDEN if _is_hidden(name, is_asked) else _text(value, known, is_asked)}"
        for name, value in fields
    )


def _text(text: str, known: tuple[str, ...], is_asked: bool) -> str:
    text = _hide_known(_unescaped(text), known)
    low = text.lower()
    if _has(low, _SIGNS) or (is_asked and _has(low, _SIGNS_OF_CODES)):
        text = _by_name(text, known, is_asked)
    return _hide_numbers(text)


def _unescaped(text: str) -> str:
    """JSON writes some signs as `\\u624b`: read as such, except where that would end its strings."""
    return _ESCAPES.sub(lambda found: chr(int(found[1], 16)), text) if "\\u" in text else text


def _has(low: str, signs: tuple[str, ...]) -> bool:
    for sign in signs:  # noqa: SIM110 - this loop is most of what a body without secrets costs
        if sign in low:
            return True
    return False


def _by_name(text: str, known: tuple[str, ...], is_asked: bool) -> str:
    if text.lstrip()[:1] in ("{", "["):
        try:
            found = from_json(text, allow_partial="trailing-strings")  # it may have been cut
        except ValueError:
            pass
        else:
            return json.dumps(_walk(found, known, is_asked), ensure_ascii=False)
    return _TOKENS.sub(HIDDEN, _hide_pairs(text, is_asked))


def _walk(data: Any, known: tuple[str, ...], is_asked: bool) -> Any:
    match data:
        case dict():
            is_labelled = any(_is_label(data.get(label)) for label in _LABELS)
            return {
                key: HIDDEN
                if _hides(key, value, is_asked) or (is_labelled and key in _LABELLED)
                else _walk(value, known, is_asked)
                for key, value in data.items()
            }
        case list() | tuple():
            return [_walk(value, known, is_asked) for value in data]
        case str():
            return _text(data, known, is_asked)
        case int() if not isinstance(data, bool) and _hide_numbers(text := str(data)) != text:
            return HIDDEN
        case _:
            return data


def _hides(key: object, value: Any, is_asked: bool) -> bool:
    """A yes or no says nothing; what lies within {"bank_account": {…}} has names of its own."""
    name = str(key)
    if isinstance(value, bool) or not _is_hidden(name, is_asked):
        return False
    return not isinstance(value, dict) or _is_secret(name[-80:], is_asked)


def _hide_pairs(text: str, is_asked: bool) -> str:
    """Text that is no JSON, or no longer: `name=value`, `name: value`, `"name":"value"`, `<name>value</name>`."""
    shown: list[str] = []
    done = 0
    for found in _NAME.finditer(text):
        if found.start() < done or not _is_hidden(found[1] or found[2], is_asked):
            continue
        value = _VALUE.match(text, found.end())
        if value is None:
            continue
        mark = value["open"] or ""
        shown += [text[done : found.end()], mark, HIDDEN, mark]
        done = value.end()
    return "".join([*shown, text[done:]])


def _is_label(value: Any) -> bool:
    """Whether it names something hidden: {"name": "身份证号", "value": …}."""
    return isinstance(value, str) and len(value) <= 40 and _is_hidden(value, False)


def _is_hidden(name: str, is_asked: bool) -> bool:
    return _is_secret(name[-80:], is_asked) or _is_personal(name[-80:])


@lru_cache(maxsize=4096)
def _is_secret(name: str, is_asked: bool) -> bool:
    plain = _plain(name)
    if is_asked and plain in _BUYS_A_SESSION:
        return True
    return bool(_SECRET.search(plain) and not _HARMLESS.search(plain))


@lru_cache(maxsize=4096)
def _is_personal(name: str) -> bool:
    return bool(_PERSONAL.search(_plain(name)))


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


@lru_cache(maxsize=256)
def _spellings(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """The secrets as they may stand in JSON, queries and forms; the longest first."""
    ways: tuple[Callable[[str], str], ...] = (
        str, lambda text: json.dumps(text)[1:-1], lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
        partial(quote, safe=""), quote, quote_plus,
    )  # fmt: skip
    found = {way(secret) for secret in secrets if len(secret) >= SHORTEST for way in ways}
    return tuple(sorted(found, key=len, reverse=True))


def _hide_known(text: str, known: tuple[str, ...]) -> str:
    for secret in known:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return text


def _without_torn_end(text: str, known: tuple[str, ...]) -> str:
    """Without the last word, and without the beginning of a known secret, either of which may be torn in two."""
    longest = max((len(secret) for secret in known), default=0)
    text = text[: len(text) - longest]
    return text[: len(text) - len(re.split(r"[\s\"'&<>,;:{}\[\]]", text)[-1])]


def _hide_numbers(text: str) -> str:
    if _LOOKS_LIKE_ONE.search(text):
        text = _NUMBERS.sub(_hide_number, text)
    return _EMAIL.sub(HIDDEN, text) if "@" in text else text


def _hide_number(found: re.Match[str]) -> str:
    card = found["card"]
    return found[0] if card and not _adds_up(card) else HIDDEN


def _adds_up(card: str) -> bool:
    """The check digit of bank cards (Luhn)."""
    digits = [int(sign) for sign in reversed(card)]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
