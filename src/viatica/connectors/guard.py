"""Where connections may go. A name is resolved once, every address behind it checked, and a checked one dialled."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Callable
from functools import cache

import urllib3
from django.conf import settings
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Cloud metadata outside the link-local range: Alibaba Cloud, AWS over IPv6, Azure's wire server.
METADATA = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "fd00:ec2::254", "168.63.129.16")))
BROADCAST = ipaddress.ip_address("255.255.255.255")
SHARED = ipaddress.ip_network("100.64.0.0/10")
POOL_PER_HOST = 32


class ForbiddenAddress(Exception):
    """The host's name. No HTTPError, so that urllib3 lets it pass."""


def is_allowed(address: Address, *, private_networks: bool) -> bool:
    """Whether a connection may go to `address`. Link-local and metadata addresses never."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return is_allowed(inner, private_networks=private_networks)
    if address in METADATA or address == BROADCAST or address.is_link_local:
        return False
    if address.is_multicast or address.is_unspecified:
        return False
    if address.is_loopback or address.is_private or (address.version == 4 and address in SHARED):
        return private_networks
    return not address.is_reserved


def addresses(host: str, port: int) -> list[str]:
    """The addresses behind `host`, every one of them allowed. Raises ForbiddenAddress, or OSError."""
    found = [str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    private_networks = bool(settings.ENVIRONMENT.private_networks)
    for text in found:
        if not is_allowed(ipaddress.ip_address(text.partition("%")[0]), private_networks=private_networks):
            raise ForbiddenAddress(host)
    return list(dict.fromkeys(found))


class _GuardedConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _dial(self, super()._new_conn)


class _GuardedTlsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _dial(self, super()._new_conn)


def _dial(connection: HTTPConnection, dial: Callable[[], socket.socket]) -> socket.socket:
    """Dial the address that was checked, so the name cannot mean another one a moment later."""
    name = connection.host
    try:
        checked = addresses(name, connection.port or connection.default_port)
    except OSError as error:
        raise NewConnectionError(connection, f"{name}: {error.strerror}") from error
    try:
        for place, address in enumerate(checked, start=1):
            connection.host = address
            try:
                return dial()
            except (NewConnectionError, ConnectTimeoutError):
                if place == len(checked):
                    raise
        raise NewConnectionError(connection, f"{name}: no address")
    finally:
        connection.host = name  # TLS checks the certificate against the name, not the address


class _GuardedPool(HTTPConnectionPool):
    ConnectionCls = _GuardedConnection


class _GuardedTlsPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedTlsConnection


@cache
def pools() -> urllib3.PoolManager:
    """This process's connections: kept alive, TLS verified, never retried, without a cookie jar."""
    # Its DEBUG lines hold whole URLs, and some products take their tokens in the query.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
    manager = urllib3.PoolManager(num_pools=64, maxsize=POOL_PER_HOST, retries=False)
    manager.pool_classes_by_scheme = {"http": _GuardedPool, "https": _GuardedTlsPool}
    return manager
