"""Whether others could use the Redis that servers share, or read along: what is in it, they believe."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from voicebot.settings import is_loopback

_LOCAL_SUFFIXES = (".local", ".lan", ".internal", ".home.arpa", ".localhost")


def exposed(where: str, connection: Mapping[str, Any], *, encrypted: bool) -> Iterator[str]:
    """What is unsafe about a Redis on another machine, each with what to do.

    `where` is how it is named, `connection` what redis-py makes of its address, `encrypted` whether by TLS.
    """
    host = connection.get("host", "localhost")
    if is_loopback(host):
        return
    if not connection.get("password") and not connection.get("ssl_certfile"):
        yield (
            f"Redis at {where} asks for no password: whoever reaches it can speak for everybody in every"
            " lobby. Give it one (requirepass, or a user of its own, see operating.md), and write it into"
            " STORE=redis://:password@host:6379/0."
        )
    if not encrypted and not _private(host):
        yield (
            f"What is kept in Redis at {where}, and what servers pass on by way of it, crosses the network"
            " unencrypted. Use TLS (STORE=rediss://...), or a network of the servers alone."
        )
    elif encrypted and str(connection.get("ssl_cert_reqs", "required")).lower() in {"none", "optional"}:
        yield (
            f"Redis at {where} need not prove who it is: anybody on the way can take its place. Leave"
            " ssl_cert_reqs out of STORE; ssl_ca_certs names the certificate of a private authority."
        )


def _private(host: str) -> bool:
    """Whether it is, as far as its name tells, on a network that is not everybody's."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_private
    except ValueError:
        return "." not in host or host.endswith(_LOCAL_SUFFIXES)
