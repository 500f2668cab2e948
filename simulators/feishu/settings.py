"""What a test, a demo or a trainer may turn while the simulator runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from random import Random
from string import ascii_letters, digits
from typing import Any


@dataclass(slots=True)
class Settings:
    latency_ms: float = 0.0
    token_ttl_s: float = 7200.0
    token_renew_s: float = 1800.0  # with less than this left, the next request for a token makes a new one
    user_token_ttl_s: float = 7200.0
    retry_after_s: list[float] = field(default_factory=lambda: [15.0, 300.0, 3600.0, 21600.0])
    retry_scale: float = 1.0  # all of the above times this: 0.001 turns seven hours into 25 seconds
    callback_timeout_s: float = 3.0
    challenge_timeout_s: float = 1.0
    quick_timeout_s: float = 10.0  # 三方快捷审批回调
    callback_parallel: int = 32
    real_limits: bool = False  # the limits of each call's page: 100/min, or 1000/min and 50/s
    qps: float | None = None  # instead of those: one limit for every call
    ratelimit_reset_s: int = 1  # what x-ogw-ratelimit-reset says
    monthly_quota: int | None = None
    list_window_h: float = 10.0  # longest window of GET /approval/v4/instances
    missing_scopes: list[str] = field(default_factory=list)  # 权限 the app has not been granted
    has_bot: bool = True
    is_app_enabled: bool = True
    approval_v2_events: bool = False  # approval.*.status_changed_v4 beside the v1 events
    auto_approve_after_s: float | None = None  # every task is approved by its owner after this long

    def change(self, wishes: Mapping[str, Any]) -> None:
        """Raises ValueError naming the setting that is unknown or of the wrong kind."""
        known = {entry.name for entry in fields(self)}
        for name, value in wishes.items():
            if name not in known:
                raise ValueError(f"unknown setting: {name}")
            if not _fits(name, value):
                raise ValueError(f"bad value for {name}: {value!r}")
        for name, value in wishes.items():
            setattr(self, name, value)

    def shown(self) -> dict[str, Any]:
        return asdict(self)


def _fits(name: str, value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
    match name:
        case "real_limits" | "has_bot" | "is_app_enabled" | "approval_v2_events":
            return isinstance(value, bool)
        case "missing_scopes":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        case "retry_after_s":
            return isinstance(value, list) and all(isinstance(item, (int, float)) for item in value)
        case "qps" | "monthly_quota" | "auto_approve_after_s":
            return value is None or is_number
        case "callback_parallel":
            return isinstance(value, int) and value > 0
        case _:
            return is_number


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

        def letters(alphabet: str, count: int) -> str:
            return "".join(random.choices(alphabet, k=count))

        return cls(
            app_id="cli_" + letters("0123456789abcdef", 16),
            app_secret=letters(ascii_letters + digits, 32),
            verification_token=letters(ascii_letters + digits, 32),
            encrypt_key=letters(ascii_letters + digits, 32),
            tenant_key=letters("0123456789abcdef", 16),
        )
