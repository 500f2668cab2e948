"""What a test, a demo or a trainer may turn while the simulator runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from random import Random
from string import ascii_letters, ascii_lowercase, digits
from typing import Any


@dataclass(slots=True)
class Settings:
    latency_ms: float = 0.0
    token_ttl_s: float = 7200.0
    media_ttl_s: float = 3 * 24 * 3600.0
    response_code_ttl_s: float = 72 * 3600.0
    code_ttl_s: float = 300.0  # of a sign-in code
    ticket_ttl_s: float = 1800.0  # of a user_ticket

    # Callbacks: three retries in all, on network failure or timeout only.
    retry_after_s: list[float] = field(default_factory=lambda: [1.0, 2.0, 4.0])
    callback_timeout_s: float = 5.0
    verify_timeout_s: float = 1.0
    callback_parallel: int = 32
    retry_on_bad_status: bool = False  # the page names no HTTP status as a reason to push again
    full_contact_events: bool = False  # as for addresses saved before 2022-08-15
    engine_spelling: str = "event_page"  # of open_approval_change: "event_page" or "engine_page"

    # Limits. None: none.
    per_minute: int | None = None  # of every API (really 10,000)
    approval_per_minute: int | None = None  # of every /oa/ API (really 600)
    penalty_s: float = 60.0  # how long a call stays blocked once it went over
    per_member_per_minute: int = 30  # app messages; the excess is dropped in silence
    workbench_per_minute: int = 10
    most_in_window: int | None = None  # more forms than this in a window: 301112
    text_most: int = 500
    textarea_most: int = 2000
    table_rows_most: int = 200

    # What the console says.
    trusted_ip: bool = True  # False: 60020
    may_approve: bool = True  # 审批-可调用接口的应用; False: 301055
    approval_is_enabled: bool = True  # False: 301056
    visible_departments: list[int] = field(default_factory=lambda: [1])
    hides_personal_fields: bool = True  # an app made after 2022-06-20
    exposes_extattr: bool = True

    auto_agree_after_s: float | None = None  # every approver agrees after this long

    def change(self, wishes: Mapping[str, Any]) -> None:
        """Raises ValueError naming the setting that is unknown or of the wrong kind."""
        known = {entry.name for entry in fields(self)}
        for name, value in wishes.items():
            if name not in known:
                raise ValueError(f"unknown setting: {name}")
            if not _fits(name, value, getattr(self, name)):
                raise ValueError(f"bad value for {name}: {value!r}")
        for name, value in wishes.items():
            setattr(self, name, value)

    def shown(self) -> dict[str, Any]:
        return asdict(self)


def _fits(name: str, value: Any, now: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
    match name:
        case "engine_spelling":
            return value in ("event_page", "engine_page")
        case "retry_after_s":
            return isinstance(value, list) and all(isinstance(item, (int, float)) for item in value)
        case "visible_departments":
            return isinstance(value, list) and all(isinstance(item, int) for item in value)
        case "per_minute" | "approval_per_minute" | "most_in_window" | "auto_agree_after_s":
            return value is None or is_number
        case "callback_parallel":
            return isinstance(value, int) and value > 0
        case _ if isinstance(now, bool):
            return isinstance(value, bool)
        case _:
            return is_number


@dataclass(frozen=True, slots=True)
class Identity:
    """The corp, its app and its 通讯录同步助手. One seed, one identity: a restarted simulator is the same corp."""

    corp_id: str
    agent_id: int
    secret: str
    token: str
    aes_key: str
    contacts_secret: str
    contacts_token: str
    contacts_aes_key: str

    @classmethod
    def from_seed(cls, seed: int) -> Identity:
        random = Random(f"wecom-{seed}")

        def letters(alphabet: str, count: int) -> str:
            return "".join(random.choices(alphabet, k=count))

        def aes_key() -> str:
            # The last of the 43 letters carries four bits only: keep it canonical base64.
            return letters(ascii_letters + digits, 42) + random.choice("AEIMQUYcgkosw048")

        return cls(
            corp_id="ww" + letters("0123456789abcdef", 16),
            agent_id=random.randrange(1_000_002, 1_001_000),
            secret=letters(ascii_letters + digits, 43),
            token=letters(ascii_letters + digits, 20),
            aes_key=aes_key(),
            contacts_secret=letters(ascii_letters + digits, 43),
            contacts_token=letters(ascii_lowercase + digits, 20),
            contacts_aes_key=aes_key(),
        )
