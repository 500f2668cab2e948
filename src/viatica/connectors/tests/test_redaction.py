from __future__ import annotations

from typing import Any

import pytest

from viatica.connectors.redaction import redact


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (
            {"appSecret": "x", "code": "InvalidAuthentication"},
            {"appSecret": "…", "code": "InvalidAuthentication"},
        ),
        (
            {"a": [{"access_token": "x"}], "n": 1, "none": None},
            {"a": [{"access_token": "…"}], "n": 1, "none": None},
        ),
        ("https://x/?access_token=abc&x=1", "https://x/?access_token=…&x=1"),
        ('{"accessToken": "abc", "expireIn": 7200}', '{"accessToken": "…", "expireIn": 7200}'),
        ("Authorization: Bearer abc.def", "Authorization: …"),
        ("the key k3y-of-app is bad", "the key … is bad"),
        ("a token was missing", "a token was missing"),
    ],
)
def test_what_is_shown(data: Any, shown: Any) -> None:
    assert redact(data, ("k3y-of-app", "bad")) == shown
