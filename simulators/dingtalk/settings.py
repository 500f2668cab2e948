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
    terminate_ban_s: float = 15.0  # no withdrawal through the API this soon after the start
    retry_after_s: list[float] = field(default_factory=lambda: [10.0, 30.0])
    callback_timeout_s: float = 1.5
    callback_parallel: int = 32
    comment_events: bool = False  # bpms_task_change type=comment: reported, not documented
    failed_after_s: float = 0.0  # how long until a given-up event shows in the failed list (really 3–5 min)
    qps: float | None = None  # per API; None: no limit (a standard-edition organisation has 20)
    monthly_quota: int | None = None  # None: no limit (a standard-edition organisation has 5000)
    premium: bool = False  # OA 高级版: bizDetailPageUrl
    table_value: str = "rows"  # a TableField read back: "rows" as the product shows it, or "as_sent"
    auto_agree_after_s: float | None = None  # every task is agreed to by its owner after this long

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
        case "premium" | "comment_events":
            return isinstance(value, bool)
        case "table_value":
            return value in ("rows", "as_sent")
        case "retry_after_s":
            return isinstance(value, list) and all(isinstance(item, (int, float)) for item in value)
        case "qps" | "monthly_quota" | "auto_agree_after_s":
            return value is None or is_number
        case "callback_parallel":
            return isinstance(value, int) and value > 0
        case _:
            return is_number


@dataclass(frozen=True, slots=True)
class Identity:
    """The app and its organisation. One seed, one identity: a restarted simulator is still the same company."""

    app_key: str
    app_secret: str
    corp_id: str
    agent_id: int
    token: str
    aes_key: str

    @classmethod
    def from_seed(cls, seed: int) -> Identity:
        random = Random(f"dingtalk-{seed}")

        def letters(alphabet: str, count: int) -> str:
            return "".join(random.choices(alphabet, k=count))

        return cls(
            app_key="ding" + letters(ascii_lowercase + digits, 16),
            app_secret=letters(ascii_letters + digits, 64),
            corp_id="ding" + letters("0123456789abcdef", 32),
            agent_id=random.randrange(10**9, 10**10),
            token=letters(ascii_letters + digits, 16),
            # The last of the 43 letters carries four bits only: keep it canonical base64.
            aes_key=letters(ascii_letters + digits, 42) + random.choice("AEIMQUYcgkosw048"),
        )
