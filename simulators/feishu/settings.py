"""What a test, a demo or a trainer may turn while the simulator runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from string import ascii_letters, digits

from simulators.stage.knobs import Amount, CommonSettings, Count, letters


@dataclass(slots=True)
class Settings(CommonSettings):
    token_ttl_s: Amount = 7200.0
    token_renew_s: Amount = 1800.0  # with less than this left, the next request for a token makes a new one
    user_token_ttl_s: Amount = 7200.0
    retry_after_s: list[Amount] = field(default_factory=lambda: [15.0, 300.0, 3600.0, 21600.0])
    retry_scale: Amount = 1.0  # all of the above times this: 0.001 turns seven hours into 25 seconds
    callback_timeout_s: Amount = 3.0
    challenge_timeout_s: Amount = 1.0
    quick_timeout_s: Amount = 10.0  # 三方快捷审批回调
    real_limits: bool = False  # the limits of each call's page: 100/min, or 1000/min and 50/s
    qps: Amount | None = None  # instead of those: one limit for every call
    ratelimit_reset_s: Count = 1  # what x-ogw-ratelimit-reset says
    monthly_quota: Count | None = None
    list_window_h: Amount = 10.0  # longest window of GET /approval/v4/instances
    missing_scopes: list[str] = field(default_factory=list)  # 权限 the app has not been granted
    has_bot: bool = True
    is_app_enabled: bool = True
    approval_v2_events: bool = False  # approval.*.status_changed_v4 beside the v1 events
    auto_approve_after_s: Amount | None = None  # every task is approved by its owner after this long


@dataclass(frozen=True, slots=True)
class Identity:
    """The app and its tenant. One seed, one identity: a restarted simulator is still the same company."""

    app_id: str
    app_secret: str
    verification_token: str
    encrypt_key: str
    tenant_key: str

    @classmethod
    def from_seed(cls, seed: int) -> Identity:
        random = Random(f"feishu-{seed}")
        return cls(
            app_id="cli_" + letters(random, "0123456789abcdef", 16),
            app_secret=letters(random, ascii_letters + digits, 32),
            verification_token=letters(random, ascii_letters + digits, 32),
            encrypt_key=letters(random, ascii_letters + digits, 32),
            tenant_key=letters(random, "0123456789abcdef", 16),
        )
