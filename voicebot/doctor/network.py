"""Check STUN and TURN, which people behind firewalls need."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from voicebot.doctor.check import Check, Status
from voicebot.doctor.relay import relay_checks
from voicebot.errors import SettingsError
from voicebot.rtc.ice_servers.probe import Outcome, Probe, probe
from voicebot.rtc.ice_servers.resolver import discover
from voicebot.settings import Settings
from voicebot.signaling.turn import ice_plan
from voicebot.signaling.turn_uri import parse_addresses

DTLS_ADVICE = "Write turns:host in COTURN_SERVER, without ?transport=udp."

ADVICE: dict[Outcome, str] = {
    "ok": "",
    "unauthorized": "Set COTURN_SECRET to coturn's static-auth-secret, turn on use-auth-secret, and "
    "synchronise the clocks of both machines.",
    "refused": "Look at coturn's log: its quota may be used up, or no relay port is free.",
    "unreachable": "Start coturn, and open this port and transport in its firewall.",
    "unknown_host": "Correct the host name in COTURN_SERVER.",
    "tls": "Give coturn a certificate for this host name, from an authority that this machine knows "
    "(if it is a private one, set SSL_CERT_FILE to its certificate).",
    "not_an_address": "Write COTURN_SERVER as turn:host:3478, turns:host, or a bare host name.",
}


async def turn_checks(
    settings: Settings,
    now: Callable[[], float] = time.time,
    *,
    proof: bool = False,
    allow_private: bool = False,
) -> list[Check]:
    """Check every address of COTURN_SERVER. If another one relays, a closed one is only a warning.

    With `proof`, also prove that each one relays, which networks it denies, and which credentials it
    refuses. With `allow_private`, it may relay to private networks. `now` returns Unix seconds.
    """
    if not settings.coturn_server:
        return [
            Check(
                "Network",
                "TURN",
                "note",
                "no TURN server is set, which is fine on one machine or one network",
                "People behind firewalls need one: set COTURN_SERVER and COTURN_SECRET in .env. "
                "voicebot coturn prints its configuration.",
            )
        ]
    secret = settings.coturn_secret.get_secret_value()
    try:
        addresses = parse_addresses(settings.coturn_server)
        known = dict(zip(addresses, await asyncio.gather(*map(discover, addresses)), strict=True))
        plan = ice_plan(settings.coturn_server, secret, "doctor", now(), lambda a: known[a].routes)
    except SettingsError as error:
        return [Check("Network", "TURN", "failed", error.message, error.hint)]
    checks = [
        Check("Network", f"DNS of {address.host}", "warning", found.warning, "Correct the DNS records.")
        for address, found in known.items()
        if found.warning
    ]
    if plan.warning:
        advice = "Set COTURN_SECRET to coturn's static-auth-secret." if not secret else DTLS_ADVICE
        checks.append(Check("Network", "TURN", "warning", plan.warning, advice))
    asked = [probe(url, server.username, server.credential) for server in plan.servers for url in server.urls]
    found = await asyncio.gather(*asked)
    relays = any(p.ok and p.relayed for p in found)
    checks += [_check(p, relays) for p in found]
    if proof and plan.relay:
        turn = [p for p in found if p.url.startswith("turn")]
        each = await asyncio.gather(*(relay_checks(p, secret, now(), allow_private) for p in turn))
        checks += [check for several in each for check in several]
    return checks


def _check(found: Probe, relays: bool) -> Check:
    status: Status = "ok" if found.ok else "warning" if relays else "failed"
    took = f" ({found.seconds * 1000:.0f} ms)" if found.ok else ""
    return Check("Network", found.url, status, found.detail + took, ADVICE[found.outcome])
