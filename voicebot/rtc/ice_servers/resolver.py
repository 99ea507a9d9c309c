"""Finds the servers of COTURN_SERVER (RFC 5928 for TURN, RFC 8489 section 8 for STUN).

Without a port, DNS is asked for NAPTR (`RELAY:turn.udp`, ...) and then SRV records (`_turn._udp`, ...).
A target counts only if it has an A or AAAA record. Without any, it is the host itself at the default
port. Routes keep host names, because a browser verifies the name in the URL. Over TLS, a target must be
the host or below it (RFC 5928 checks the certificate against the host of the URI); otherwise anybody
who can forge DNS answers could name a server of their own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver

from voicebot.signaling.turn_uri import (
    PORT,
    SECURE_PORT,
    Route,
    Scheme,
    Transport,
    TurnAddress,
    default_routes,
)
from voicebot.tasks import cancel

log = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds to wait for DNS before the default ports are used."""
SHORTEST, LONGEST, RETRY = 30.0, 3600.0, 60.0
"""Seconds: the limits of how long an answer is valid, and the time before the next try after a failure."""
MAX_ROUTES = 8
"""The most routes per address, because every browser tries each of them."""
MAX_NAPTR = 4
"""The most NAPTR records that may refer to each other."""

Way = tuple[Scheme, Transport]
SERVICES: dict[str, Way] = {
    "turn.udp": ("turn", "udp"),
    "turn.tcp": ("turn", "tcp"),
    "turn.tls": ("turns", "tcp"),
}


@dataclass(frozen=True)
class Found:
    """The routes to one address of COTURN_SERVER."""

    routes: tuple[Route, ...]
    seconds: float
    """Seconds for which the result is valid."""
    discovered: bool = False
    """Whether NAPTR or SRV records gave the routes; otherwise they are the default ports."""
    warning: str = ""


async def discover(address: TurnAddress, resolver: dns.asyncresolver.Resolver | None = None) -> Found:
    """The routes to one address, preferred first. Takes at most `PATIENCE` seconds and never raises."""
    if address.port is not None or not address.is_name:
        return Found(default_routes(address), LONGEST)
    try:
        async with asyncio.timeout(PATIENCE):
            return await _Question(address, resolver or dns.asyncresolver.Resolver()).answer()
    except (TimeoutError, dns.exception.DNSException, OSError, ValueError) as error:
        why = str(error) or f"no answer within {PATIENCE:g} s"
        warning = f"DNS gave no records for {address.host} ({why}), so the default ports are used."
        return Found(default_routes(address), RETRY, warning=warning)


class _Question:
    def __init__(self, address: TurnAddress, resolver: dns.asyncresolver.Resolver) -> None:
        self._address, self._resolver = address, resolver
        self._seconds = LONGEST
        self._refused: list[str] = []

    async def answer(self) -> Found:
        address = self._address
        found: list[Route] = []
        if address.transport is None and address.scheme not in ("stun", "stuns"):
            found = await self._naptr(dns.name.from_text(address.host), self._wanted(), MAX_NAPTR)
        if not found:
            found = await self._services()
        warning = ""
        if self._refused:
            warning = (
                f"DNS sends TLS for {address.host} to {', '.join(self._refused)}, whose certificate cannot "
                f"be valid for {address.host}, so it is not used. To use it, write turns:{self._refused[0]} "
                "in COTURN_SERVER."
            )
        seconds = max(SHORTEST, min(self._seconds, LONGEST))
        if not found:
            return Found(default_routes(address), seconds, warning=warning)
        routes = [r for route in found for r in _with_stun(route, address)]
        return Found(tuple(dict.fromkeys(routes))[:MAX_ROUTES], seconds, True, warning)

    def _wanted(self) -> tuple[Way, ...]:
        """The services to look for. A bare host includes TLS; `turn:` means without TLS."""
        address = self._address
        if address.secure:
            return (("turns", "tcp"),) if address.transport != "udp" else ()
        transports: tuple[Transport, ...] = (address.transport,) if address.transport else ("udp", "tcp")
        plain: tuple[Way, ...] = tuple(("turn", transport) for transport in transports)
        return plain if address.scheme or address.transport == "udp" else (*plain, ("turns", "tcp"))

    async def _naptr(self, name: dns.name.Name, wanted: tuple[Way, ...], left: int) -> list[Route]:
        records = await self._ask(name, "NAPTR")
        found: list[Route] = []
        for record in records:
            application, *protocols = record.service.decode("ascii", "replace").split(":")
            ways = [SERVICES.get(p.lower()) for p in protocols]
            usable = tuple(way for way in ways if way in wanted and way is not None)
            if application.upper() != "RELAY" or not usable:
                continue
            match record.flags.decode("ascii", "replace").lower():
                case "s":
                    for way in usable:
                        found += await self._srv(record.replacement, way)
                case "a" if await self._exists(record.replacement):
                    for way in usable:
                        found += self._route(way, record.replacement, None)
                case "" if left > 1:
                    found += await self._naptr(record.replacement, usable, left - 1)
        return found

    async def _services(self) -> list[Route]:
        host = dns.name.from_text(self._address.host)
        if self._address.scheme in ("stun", "stuns"):
            scheme = self._address.scheme
            label = "_stuns._tcp" if scheme == "stuns" else "_stun._udp"
            return await self._srv(dns.name.from_text(label, host), (scheme, "udp"))
        questions = [
            self._srv(dns.name.from_text(f"_{scheme}._{transport}", host), (scheme, transport))
            for scheme, transport in self._wanted()
        ]
        return [route for routes in await asyncio.gather(*questions) for route in routes]

    async def _srv(self, name: dns.name.Name, way: Way) -> list[Route]:
        # the target "." means that there is no such service
        records = [record for record in await self._ask(name, "SRV") if record.target != dns.name.root]
        there = await asyncio.gather(*(self._exists(record.target) for record in records))
        found: list[Route] = []
        for record, exists in zip(records, there, strict=True):
            if exists and record.port:
                found += self._route(way, record.target, record.port)
        return found

    def _route(self, way: Way, target: dns.name.Name, port: int | None) -> list[Route]:
        scheme, transport = way
        secure = scheme in ("turns", "stuns")
        host = target.to_text(omit_final_dot=True)
        if secure and not target.is_subdomain(dns.name.from_text(self._address.host)):
            self._refused.append(host)
            return []
        return [Route(scheme, host, port or (SECURE_PORT if secure else PORT), transport)]

    async def _exists(self, name: dns.name.Name) -> bool:
        """Whether a name has an address of either family."""
        answers = await asyncio.gather(self._ask(name, "A"), self._ask(name, "AAAA"))
        return any(answers)

    async def _ask(self, name: dns.name.Name, kind: str) -> list[Any]:
        """The records of one kind; SRV and NAPTR in the order to try them (RFC 2782, RFC 3403)."""
        try:
            answer = await self._resolver.resolve(name, kind, search=False, lifetime=PATIENCE)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            self._seconds = min(self._seconds, RETRY * 5)
            return []
        if answer.rrset is None:
            return []
        self._seconds = min(self._seconds, answer.rrset.ttl)
        return answer.rrset.processing_order() if kind in ("NAPTR", "SRV") else list(answer.rrset)


def _with_stun(route: Route, address: TurnAddress) -> list[Route]:
    """The route and, for TURN over UDP, the STUN server at the same port."""
    if route.scheme == "turn" and route.transport == "udp":
        return [Route("stun", route.host, route.port), route]
    return [route]


@dataclass
class TurnResolver:
    """Keeps the routes of COTURN_SERVER, so that nobody waits for DNS."""

    addresses: Sequence[TurnAddress]
    discover: Callable[[TurnAddress], Awaitable[Found]] = discover
    _found: dict[TurnAddress, Found] = field(default_factory=dict)
    _keeping: list[asyncio.Task[None]] = field(default_factory=list)
    _all_known: asyncio.Event = field(default_factory=asyncio.Event)

    def routes(self, address: TurnAddress) -> tuple[Route, ...]:
        """The newest routes, or the default ports until DNS has answered."""
        found = self._found.get(address)
        return found.routes if found is not None else default_routes(address)

    def start(self) -> None:
        """Look up all addresses, and again whenever an answer has expired."""
        for address in dict.fromkeys(self.addresses):
            if address.port is None and address.is_name:
                self._keeping.append(asyncio.create_task(self._keep(address), name=f"resolve {address.host}"))

    async def ready(self) -> None:
        """Wait until DNS has answered once, for at most `PATIENCE` seconds."""
        try:
            async with asyncio.timeout(PATIENCE):
                if self._keeping:
                    await self._all_known.wait()
        except TimeoutError:
            log.warning("DNS is slow: the default ports of COTURN_SERVER are used until it answers")

    async def aclose(self) -> None:
        """Stop the lookups."""
        await cancel(self._keeping)
        self._keeping.clear()

    async def _keep(self, address: TurnAddress) -> None:
        while True:
            found = await self.discover(address)
            before = self._found.get(address)
            if found.warning and (before is None or before.warning != found.warning):
                log.warning(found.warning)
            failed = bool(found.warning) and not found.discovered
            if before is not None and before.discovered and failed:
                found = Found(
                    before.routes, found.seconds, True, found.warning
                )  # old routes are better than none
            self._found[address] = found
            if len(self._found) == len(self._keeping):
                self._all_known.set()
            await asyncio.sleep(found.seconds)
