"""What a test, a demo or a trainer may turn while the simulator runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from string import ascii_letters, ascii_lowercase, digits
from typing import Literal
from uuid import UUID

from simulators.stage.knobs import Amount, CommonSettings, Count, encoding_aes_key, letters


@dataclass(slots=True)
class Settings(CommonSettings):
    retry_after_s: list[Amount] = field(default_factory=lambda: [10.0, 30.0])
    callback_timeout_s: Amount = 1.5
    push_mode: Literal["http", "stream"] = "http"  # to the registered address, or to who is connected
    stream_ack_s: Amount = 15.0  # how long a frame waits for its acknowledgement (reported: 5 to 15 s)
    stream_retry_after_s: list[Amount] = field(default_factory=lambda: [1.0, 45.0])  # seen: after 16 and 60 s
    stream_ping_s: Amount = 30.0
    stream_leave_s: Amount = 10.0  # from "disconnect" until a client that stays is cut off
    token_ttl_s: Amount = 7200.0
    terminate_ban_s: Amount = 15.0  # no withdrawal through the API this soon after the start
    comment_events: bool = False  # bpms_task_change type=comment: reported, not documented
    failed_after_s: Amount = 0.0  # how long until a given-up event shows in the failed list (really 3–5 min)
    qps: Amount | None = None  # per API; None: no limit (a standard-edition organisation has 20)
    # Calls left this month: every one that counts takes one. None: no limit (a standard edition begins with 5000).
    monthly_quota: Count | None = None
    premium: bool = False  # OA 高级版: bizDetailPageUrl
    table_value: Literal["rows", "as_sent"] = (
        "rows"  # a TableField read back: as the product shows it, or not
    )
    auto_agree_after_s: Amount | None = None  # every task is agreed to by its owner after this long


@dataclass(frozen=True, slots=True)
class Identity:
    """The app and its organisation. One seed, one identity: a restarted simulator is still the same company."""

    app_key: str
    app_secret: str
    corp_id: str
    agent_id: int
    token: str
    aes_key: str
    unified_app_id: str
    data_source_key: str  # apiKey of the one data source (数据源) the app has

    @classmethod
    def from_seed(cls, seed: int) -> Identity:
        random = Random(f"dingtalk-{seed}")
        return cls(
            app_key="ding" + letters(random, ascii_lowercase + digits, 16),
            app_secret=letters(random, ascii_letters + digits, 64),
            corp_id="ding" + letters(random, "0123456789abcdef", 32),
            agent_id=random.randrange(10**9, 10**10),
            token=letters(random, ascii_letters + digits, 16),
            aes_key=encoding_aes_key(random),
            unified_app_id=str(UUID(int=random.getrandbits(128), version=4)),
            data_source_key="api_" + letters(random, ascii_lowercase + digits, 12),
        )
