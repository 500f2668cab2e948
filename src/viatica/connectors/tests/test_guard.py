"""Where connections may go."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest
from django.conf import settings
from pytest_httpserver import HTTPServer

from viatica.connectors import guard
from viatica.connectors.http import AddressForbidden, Client

NEVER = (
    "169.254.169.254", "169.254.0.1", "100.100.100.200", "168.63.129.16", "0.0.0.0", "224.0.0.1", "255.255.255.255",
    "fe80::1", "fd00:ec2::254", "::", "ff02::1", "::ffff:169.254.169.254", "2002:a9fe:a9fe::1",
)  # fmt: skip
INSIDE = (
    "127.0.0.1",
    "10.0.0.1",
    "172.16.5.5",
    "192.168.1.1",
    "100.64.0.1",
    "::1",
    "fd12::1",
    "::ffff:10.0.0.1",
)
OUTSIDE = ("203.119.1.1", "8.8.8.8", "2400:3200::1")


@pytest.mark.parametrize("text", NEVER)
def test_never(text: str) -> None:
    address = ipaddress.ip_address(text)
    assert [guard.is_allowed(address, private_networks=one) for one in (True, False)] == [False, False]


@pytest.mark.parametrize("text", INSIDE)
def test_inside_only_where_private_networks_are_allowed(text: str) -> None:
    address = ipaddress.ip_address(text)
    assert [guard.is_allowed(address, private_networks=one) for one in (True, False)] == [True, False]


@pytest.mark.parametrize("text", OUTSIDE)
def test_outside_always(text: str) -> None:
    address = ipaddress.ip_address(text)
    assert [guard.is_allowed(address, private_networks=one) for one in (True, False)] == [True, True]


def test_a_server_inside_is_not_reached_when_that_is_off(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpserver.expect_request("/x").respond_with_data("{}")
    monkeypatch.setattr(settings.ENVIRONMENT, "private_networks", False)
    guard.pools().clear()
    with pytest.raises(AddressForbidden):
        Client("OA", httpserver.url_for("")).call("GET", "/x")
    assert httpserver.log == []


@pytest.mark.parametrize("url", ["http://169.254.169.254", "http://[fd00:ec2::254]", "http://2852039166"])
def test_metadata_addresses_are_refused_in_every_spelling(url: str) -> None:
    with pytest.raises(AddressForbidden):
        Client("OA", url).call("GET", "/latest/meta-data")


def test_one_bad_address_behind_a_name_spoils_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: int, **more: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, 1, 6, "", (ip, port)) for ip in ("203.119.1.1", "169.254.169.254")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(guard.ForbiddenAddress):
        guard.addresses("oa.example.com", 443)
