"""Every setting an operator can make, in one place.

Each field is an environment variable `VIATICA_<NAME>`; `DATABASE_URL` alone keeps its usual name. A secret may
also be a file of that name (`viatica_secret_key`) in the folder `VIATICA_SECRETS_DIR`.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Environment(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="VIATICA_", secrets_dir=os.environ.get("VIATICA_SECRETS_DIR"), extra="ignore"
    )

    home: Path = Field(Path("var"), description="Where the embedded database, files and logs live.")
    database_url: str = Field(
        "",
        validation_alias="DATABASE_URL",
        description="PostgreSQL 15 or later; empty: the embedded one in `home`.",
    )
    database_pool: int = Field(16, description="Most database connections of one process.")
    secret_key: str = Field("", description="Signs sessions; empty: one is made and kept in `home`.")
    seal_keys: str = Field(
        "", description="Keys that seal credentials, newest first, comma-separated, 32 bytes base64."
    )
    debug: bool = Field(False, description="Show errors with their source; never in production.")
    public_url: str = Field(
        "http://127.0.0.1:8000", description="How people and OA products reach this server."
    )
    allowed_hosts: str = Field("*", description="Host names answered to, comma-separated.")
    host: str = Field("127.0.0.1", description="Address `viatica web` listens on.")
    port: int = Field(8000, description="Port `viatica web` listens on; 0 picks a free one.")
    web_processes: int = Field(2, description="Processes of `viatica web`.")
    web_threads: int = Field(8, description="Request threads of each web process.")
    relay_threads: int = Field(16, description="Deliveries one worker has under way at once.")
    keep_done_days: int = Field(
        30,
        description="Days a delivered message and a translated callback are kept; callbacks repeated later count as new.",
    )
    keep_exchange_days: int = Field(
        90,
        description="Days the exchanges with outside systems are kept, redacted, for the connections' pages.",
    )
    time_zone: str = Field("Asia/Shanghai", description="The zone dates are shown and counted in.")
    language: str = Field(
        "zh-hans", description="The language of a reader who has not chosen one: zh-hans or en."
    )
    upload_limit: int = Field(20 * 1024 * 1024, description="Largest file accepted, in bytes.")
    private_networks: bool = Field(
        True, description="Whether connections may reach private addresses (an OA inside the company)."
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    demo: bool = Field(False, description="The demo company: the sign-in page offers its people.")
