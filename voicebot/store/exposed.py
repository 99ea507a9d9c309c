"""Warnings of a shared Redis that others could use or read. Servers trust everything in it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from voicebot.settings import is_loopback

_LOCAL_SUFFIXES = (".local", ".lan", ".internal", ".home.arpa", ".localhost")


def exposed(where: str, connection: Mapping[str, Any], *, encrypted: bool) -> Iterator[str]:
    """Yield what is unsafe about a Redis on another machine, and what to do about it.

    `where` is its address without secrets, `connection` holds redis-py's options for it, and `encrypted`
    tells whether it uses TLS.
    """
    host = connection.get("host", "localhost")
    if is_loopback(host):
        return
    if not connection.get("password") and not connection.get("ssl_certfile"):
        yield (
            f"Redis at {where} has no password: whoever can reach it can speak for everybody in every"
            " lobby. Set one (requirepass, or a user as in operating.md), and write it into"
            " STORE=redis://:password@host:6379/0."
        )
    if not encrypted and not _private(host):
        yield (
            f"The data of Redis at {where}, and what servers forward through it, crosses the network"
            " unencrypted. Use TLS (STORE=rediss://...), or a network of the servers alone."
        )
    elif encrypted and str(connection.get("ssl_cert_reqs", "required")).lower() in {"none", "optional"}:
        yield (
            f"The certificate of Redis at {where} is not checked, so anybody can take its place. Remove"
            " ssl_cert_reqs from STORE; ssl_ca_certs names the certificate of a private authority."
        )


def _private(host: str) -> bool:
    """Tell whether a host seems to be on a private network, judging by its name or address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_private
    except ValueError:
        return "." not in host or host.endswith(_LOCAL_SUFFIXES)
