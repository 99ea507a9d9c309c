"""`voicebot doctor --turn`: prove what a TURN server relays, what it denies, and whom it refuses."""

from __future__ import annotations

import ipaddress

from voicebot.doctor.check import Check, Status
from voicebot.rtc.ice_servers.probe import Probe, probe
from voicebot.rtc.ice_servers.relay_proof import RelayOutcome, prove_denied, prove_relay
from voicebot.signaling.coturn import DENIED, Denied
from voicebot.signaling.turn import credentials

HOUR, DAY = 3600.0, 86_400.0
RELAY_ADVICE: dict[RelayOutcome, str] = {
    "relayed": "",
    "own_address_denied": "On a local network, use the configuration from voicebot coturn --allow-private. "
    "Behind NAT, add --external-ip PUBLIC/PRIVATE.",
    "lost": "Open coturn's relay ports (min-port to max-port) for UDP in its firewall, and set external-ip "
    "if it is behind NAT.",
    "refused": "Look at coturn's log: its quota may be used up, or no relay port is free.",
    "unreachable": "Start coturn, and open this port and transport in its firewall.",
}
SECRET_ADVICE = "Use the configuration from voicebot coturn: with use-auth-secret, without no-auth and users."
CLOCK_ADVICE = "Synchronise both clocks with NTP: credentials last ten minutes by the clock of the server."


async def relay_checks(found: Probe, secret: str, now: float, allow_private: bool = False) -> list[Check]:
    """Test one `turn:` or `turns:` address. `found` is its probe; `now` is in Unix seconds."""
    if not found.ok:
        return await _clock_check(found, secret, now)
    username, credential = credentials(secret, "doctor", now)
    relay = await prove_relay(found.url, username, credential)
    status: Status = "ok" if relay.outcome == "relayed" else "failed"
    return [
        Check("Relay", found.url, status, relay.detail, RELAY_ADVICE[relay.outcome]),
        *await _denied_checks(found.url, username, credential, relay.relayed, allow_private),
        *await _refusal_checks(found.url, secret, now),
    ]


async def _denied_checks(
    url: str, username: str, credential: str, relayed: str, allow_private: bool
) -> list[Check]:
    """Return one check if all ranges are denied, and one more for each range that is not."""
    proof = await prove_denied(url, username, credential, [denied.example for denied in DENIED])
    if proof.problem:
        return [Check("Denied", url, "failed", proof.problem, "Look at coturn's log.")]
    by_example = {denied.example: denied for denied in DENIED}
    checks = []
    opened = 0
    for denial in proof.denials:
        if denial.denied:
            continue
        denied = by_example[denial.peer]
        if allow_private and denied.private:
            opened += 1
            continue
        detail = f"{url} relays to {denied.network} ({denied.what}): {denial.detail}"
        checks.append(Check("Denied", denied.network, "failed", detail, _advice(denied, relayed)))
    whole = len(proof.denials) - len(checks) - opened
    detail = f"{whole} of {len(proof.denials)} ranges that must not be reached are denied"
    detail += f", {opened} are open because of --allow-private" if opened else ""
    detail += "".join(f"; nothing is relayed to IPv{family}" for family in proof.no_family)
    status: Status = "failed" if checks else "ok"
    return [Check("Denied", url, status, detail, "Each is listed below." if checks else ""), *checks]


def _advice(denied: Denied, relayed: str) -> str:
    line = f"Add denied-peer-ip={denied.range} to turnserver.conf (voicebot coturn prints a complete one)."
    if denied.private:
        line += " If it serves a local network, run voicebot doctor --turn --allow-private."
    if relayed and ipaddress.ip_address(relayed) in ipaddress.ip_network(denied.network):
        line += f" The relay itself is at {relayed}."
    return line


async def _refusal_checks(url: str, secret: str, now: float) -> list[Check]:
    """Check that expired and wrong credentials are refused."""
    checks = []
    for name, made, wrong in (
        ("expired", credentials(secret, "doctor", now, -HOUR), "credentials that expired an hour ago"),
        ("wrong secret", credentials(f"{secret}-not", "doctor", now), "credentials of another secret"),
    ):
        found = await probe(url, *made)
        if found.outcome == "unauthorized":
            checks.append(Check("Credentials", f"{name}, {url}", "ok", f"refuses {wrong}"))
        elif found.ok:
            advice = SECRET_ADVICE if name == "wrong secret" else f"{SECRET_ADVICE} {CLOCK_ADVICE}"
            checks.append(Check("Credentials", f"{name}, {url}", "failed", f"accepts {wrong}", advice))
        else:
            detail = f"cannot be tested: it {found.detail}"
            checks.append(Check("Credentials", f"{name}, {url}", "warning", detail, "Look at coturn's log."))
    return checks


async def _clock_check(found: Probe, secret: str, now: float) -> list[Check]:
    """Check whether valid credentials are refused because the clock of the server is ahead."""
    if found.outcome != "unauthorized":
        return []
    later = await probe(found.url, *credentials(secret, "doctor", now, DAY))
    if not later.ok:
        return []
    detail = "its clock is more than ten minutes ahead of ours: it accepts credentials that last a day"
    return [Check("Credentials", f"clock, {found.url}", "failed", detail, CLOCK_ADVICE)]
