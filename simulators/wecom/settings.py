"""What a test, a demo or a trainer may turn while the simulator runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from string import ascii_letters, ascii_lowercase, digits
from typing import Literal

from simulators.stage.knobs import Amount, CommonSettings, Count, encoding_aes_key, letters


@dataclass(slots=True)
class Settings(CommonSettings):
    token_ttl_s: Amount = 7200.0
    media_ttl_s: Amount = 3 * 24 * 3600.0
    response_code_ttl_s: Amount = 72 * 3600.0
    code_ttl_s: Amount = 300.0  # of a sign-in code
    ticket_ttl_s: Amount = 1800.0  # of a user_ticket

    # Callbacks: three retries in all, on network failure or timeout only.
    retry_after_s: list[Amount] = field(default_factory=lambda: [1.0, 2.0, 4.0])
    callback_timeout_s: Amount = 5.0
    verify_timeout_s: Amount = 1.0
    retry_on_bad_status: bool = False  # the page names no HTTP status as a reason to push again
    full_contact_events: bool = False  # as for addresses saved before 2022-08-15
    engine_spelling: Literal["event_page", "engine_page"] = "event_page"  # of open_approval_change

    # Limits. None: none.
    per_minute: Count | None = None  # of every API (really 10,000)
    approval_per_minute: Count | None = None  # of every /oa/ API (really 600)
    penalty_s: Amount = 60.0  # how long a call stays blocked once it went over
    per_member_per_minute: Count = 30  # app messages to one member; the excess is dropped in silence
    per_member_per_hour: Count = 1000
    daily_messages: Count | None = None  # person-times of the app (really the corp's account ceiling × 200)
    workbench_per_minute: Count = 10
    most_in_window: Count | None = None  # more forms than this in a window: 301112
    text_most: Count = 500
    textarea_most: Count = 2000
    table_rows_most: Count = 200

    # What the console says.
    trusted_ip: bool = True  # False: 60020
    may_approve: bool = True  # 审批-可调用接口的应用; False: 301055
    approval_is_enabled: bool = True  # False: 301056
    visible_departments: list[int] = field(default_factory=lambda: [1])
    hides_personal_fields: bool = True  # an app made after 2022-06-20
    exposes_extattr: bool = True

    auto_agree_after_s: Amount | None = None  # every approver agrees after this long


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

        return cls(
            corp_id="ww" + letters(random, "0123456789abcdef", 16),
            agent_id=random.randrange(1_000_002, 1_001_000),
            secret=letters(random, ascii_letters + digits, 43),
            token=letters(random, ascii_letters + digits, 20),
            aes_key=encoding_aes_key(random),
            contacts_secret=letters(random, ascii_letters + digits, 43),
            contacts_token=letters(random, ascii_lowercase + digits, 20),
            contacts_aes_key=encoding_aes_key(random),
        )
