"""One token for all threads, fetched again when the product says so, and once only."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from viatica.connectors.tokens import Token, TokenCache, TokenRejected
from viatica.kernel.errors import OutsideRefused

KEY = ("product", "app")


class Product:
    """Hands out numbered tokens and accepts those from `accepts_from` on."""

    def __init__(self, lifetime_s: float = 7200) -> None:
        self.lifetime_s = lifetime_s
        self.issued = count(1)
        self.fetches = 0
        self.accepts_from = 1

    def fetch(self) -> Token:
        self.fetches += 1
        time.sleep(0.01)
        return Token(str(next(self.issued)), self.lifetime_s)

    def ask(self, token: str) -> str:
        if int(token) < self.accepts_from:
            raise TokenRejected(f"bad token {token}")
        return token


def test_many_threads_fetch_once() -> None:
    product, cache = Product(), TokenCache()
    with ThreadPoolExecutor(16) as pool:
        got = set(pool.map(lambda _: cache.use("OA", KEY, product.fetch, product.ask), range(64)))
    assert (got, product.fetches) == ({"1"}, 1)


def test_many_threads_replace_a_rejected_token_once() -> None:
    product, cache = Product(), TokenCache()
    cache.use("OA", KEY, product.fetch, product.ask)
    product.accepts_from = 2
    barrier = threading.Barrier(16)

    def ask(token: str) -> str:
        if token == "1":
            barrier.wait(5)  # all of them are refused before any of them fetches
        return product.ask(token)

    with ThreadPoolExecutor(16) as pool:
        got = set(pool.map(lambda _: cache.use("OA", KEY, product.fetch, ask), range(16)))
    assert (got, product.fetches) == ({"2"}, 2)


def test_a_fresh_token_rejected_too_is_a_refusal() -> None:
    product, cache = Product(), TokenCache()
    product.accepts_from = 99
    with pytest.raises(OutsideRefused, match="bad token 2"):
        cache.use("OA", KEY, product.fetch, product.ask)
    assert product.fetches == 2


def test_a_token_is_given_up_before_the_other_side_does(monkeypatch: pytest.MonkeyPatch) -> None:
    product, cache = Product(lifetime_s=7200), TokenCache()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert cache.get(KEY, product.fetch) == "1"
    monkeypatch.setattr(time, "monotonic", lambda: now + 6899)
    assert cache.get(KEY, product.fetch) == "1"
    monkeypatch.setattr(time, "monotonic", lambda: now + 6900)
    assert cache.get(KEY, product.fetch) == "2"


def test_two_apps_do_not_share(monkeypatch: pytest.MonkeyPatch) -> None:
    product, cache = Product(), TokenCache()
    assert [cache.get(("product", app), product.fetch) for app in ("a", "b", "a")] == ["1", "2", "1"]


def test_a_token_does_not_show_itself() -> None:
    assert "abc" not in repr(Token("abc", 1))
